"""Reconciler: compares the provider's whole list with the journal when somebody asks, and does what they decide.

The way out of safe mode: machines of this installation that the journal does not know are taken over or ended, on a
person's word only. One order at a time; the machines of open jobs are their supervisors', and nothing else is ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from actors.audit import audited
from actors.fleet.orphans import Claim, Whose, claim, parse
from actors.fleet.reaping import reap
from actors.fleet.recovery import NotAdoptable, Takeover, check_job, find_folder, offer_of
from actors.journal.interface import NEW, Journal, JournalUnavailable, Version, WrongVersion
from actors.ledger.requests import Held, ReserveMoney
from actors.runtime.actor import Actor
from actors.storage.access import Layout
from actors.supervisor.rules import Naming
from actors.supervisor.state import Job, fold
from actors.supervisor.tools import plain
from messages.errors import Refusal
from messages.ids import JobId, UserId
from messages.jobs import Binding, Requester
from messages.machines import Gone, Listing, Machine, MachineState, Offer
from messages.money import ZERO, accrued
from messages.upkeep import MachineFate, Reconcile, ReconcileDocument, ReconcileOrder, ReconcileRow
from providers.interface import Need, Provider, ProviderError

PROOF_WAIT_S = 120.0
"""How long an answer waits for the proofs of what it ended; the ends themselves go on until they are proven."""
LOOK_S = 1.0
"""Between two looks whether ends are proven."""
ENDS_MAX = 256
"""Ends under way at once; what does not fit is done by the next order."""
ANOTHER = "(another user's)"
NAME_PREFIX = "lc1-"

_UNKNOWN = frozenset({Whose.SECOND_WRITER, Whose.OTHER_GENERATION})
_FOREIGN = "It is not this installation's, and is never touched."
_FORGED = "Its name looks like ours and fails its check: cut, or another installation's; it is never touched."
_OTHER = "It was rented under another generation of the journal, which does not know it any more."


class Unknown(NamedTuple):
    """How many machines of this installation the journal does not know."""

    second_writers: int
    """Of its own generation: the reason for safe mode."""
    strangers: int
    """Of other generations."""


class Hands(NamedTuple):
    """What the reconciler has done by the rest of the node."""

    reserve: Callable[[ReserveMoney], Awaitable[Held]]
    """Hold money. Raises Refusal."""
    take_over: Callable[[JobId, UserId], None]
    """Supervise a job that now stands in the journal."""
    settled: Callable[[Unknown], Awaitable[None]]
    """Told what is left after something was done: whether safe mode can end is the node's to say."""
    safe_mode: Callable[[], str | None]
    """Why nothing is launched, or ``None``."""


@dataclass(slots=True)
class Judged:
    """One machine of a listing, and what becomes of it."""

    machine: Machine
    verdict: Claim
    job: Job | None
    version: Version
    """Of its job's stream, as it was judged."""
    hidden: bool
    """Another user's: nothing is said of it."""
    does: MachineFate = "nothing"
    done: bool = False
    detail: str = ""

    @property
    def unknown(self) -> bool:
        """It is of this installation, and the journal holds no intent for it."""
        return self.verdict.whose in _UNKNOWN


class Reconciler(Actor[Reconcile]):
    """One per provider."""

    answers: ClassVar[tuple[type[Exception], ...]] = (*Actor.answers, JournalUnavailable)

    def __init__(
        self,
        provider: Provider,
        journal: Journal,
        naming: Naming,
        layout: Layout,
        binding: Binding,
        hands: Hands,
        log: Callable[..., Any],
    ) -> None:
        self._provider = provider
        self._journal = journal
        self._naming = naming
        self._layout = layout
        self._binding = binding
        self._hands = hands
        self._log = log
        self._ends: set[str] = set()
        """Ids of machines whose end was begun here and is not proven."""

    async def receive(self, msg: Reconcile) -> ReconcileDocument:
        """Do one order, from its listing to the answer."""
        try:
            return await self._reconcile(msg)
        except Refusal as no:
            await self._audit(msg.requester, "machines.reconcile", " ".join(msg.order.names), no)
            raise

    async def _reconcile(self, msg: Reconcile) -> ReconcileDocument:
        order, user = msg.order, msg.requester.user_id
        acts = order.adopt or order.reap
        listing = await self._provider.training.list_machines()
        if acts and not (listing.complete and listing.account == self._binding.account):
            raise Refusal("E-LISTING", "The listing is cut or of another account.")
        judged = [await self._judge(machine, listing, user) for machine in listing.machines]
        _check_names(order, judged)
        for one in judged:
            one.does = _fate(one, order, acts)
            if not acts:
                one.detail = _choice(one)
        if acts:
            await self._act(msg.requester, judged)
        unknown = await self._left(user) if acts else _count(judged)
        if acts:
            await self._hands.settled(unknown)
        return ReconcileDocument(
            provider=self._provider.training.kind,
            listed_at=listing.began,
            complete=listing.complete,
            dry_run=not acts,
            machines=tuple(self._row(one) for one in judged),
            unknown=sum(unknown),
            safe_mode=self._hands.safe_mode(),
        )

    # ------------------------------------------------------------------------------------------- judging

    async def _judge(self, machine: Machine, listing: Listing, user: UserId) -> Judged:
        """Judge one machine. The journal is read after the listing was made: an intent comes before its machine."""
        name = parse(machine, self._naming)
        recorded = await self._journal.read(f"job/{name.job_id}") if name else []
        job = fold(r.event for r in recorded)
        verdict = claim(machine, listing, self._naming, job, self.ctx.clock.now())
        version = recorded[-1].version if recorded else Version(0)
        hidden = job is not None and job.user_id != user and job.closed is None
        return Judged(machine, verdict, job, version, hidden)

    async def _left(self, user: UserId) -> Unknown:
        """Count what is unknown now. A listing that does not say all leaves everything as unknown as it was."""
        listing = await self._provider.training.list_machines()
        if not (listing.complete and listing.account == self._binding.account):
            raise Refusal("E-LISTING", "It was done; whether anything unknown is left could not be seen.")
        return _count([await self._judge(machine, listing, user) for machine in listing.machines])

    def _row(self, one: Judged) -> ReconcileRow:
        machine, name, now = one.machine, one.verdict.name, self.ctx.clock.now()
        age_s = max(0.0, (now - machine.first_seen).total_seconds(), machine.uptime_s or 0.0)
        return ReconcileRow(
            id="" if one.hidden else machine.id,
            name=ANOTHER if one.hidden else machine.name,
            state=machine.state,
            whose=one.verdict.whose.value,
            reason=_reason(one),
            job_id=name.job_id if name and not one.hidden else None,
            age_s=round(age_s, 1),
            rate_usd_per_hour=machine.rate_usd_per_hour,
            cost_usd=accrued(machine.rate_usd_per_hour or ZERO, age_s),
            hard_deadline=name.hard_deadline if name else None,
            does=one.does,
            done=one.done,
            detail=one.detail,
        )

    # ------------------------------------------------------------------------------------------- acting

    async def _act(self, who: Requester, judged: list[Judged]) -> None:
        """Begin every end, take over what is to be taken over, then wait for the proofs, boundedly."""
        ends = [one for one in judged if one.does == "reap"]
        for one in ends:
            await self._begin_end(who, one)
        offers = await self._offers() if any(one.does == "adopt" for one in judged) else []
        for one in judged:
            if one.does == "adopt":
                await self._adopt(who, one, offers)
        until = self.ctx.clock.monotonic() + PROOF_WAIT_S
        for one in ends:
            if one.does != "reap":
                one.detail = f"Not ended: {ENDS_MAX} ends are under way; ask again."
                continue
            one.done = await self._proven(one, until)
            one.detail = "Ended, and proven gone." if one.done else "It is being ended; its end is not proven yet."

    async def _begin_end(self, who: Requester, one: Judged) -> None:
        """End what a person named; orphans are FleetWatch's, which ends them on every complete listing."""
        machine = one.machine
        if one.verdict.whose is Whose.ORPHAN or machine.id in self._ends:
            return
        if len(self._ends) >= ENDS_MAX:
            one.does = "nothing"
            return
        self._ends.add(machine.id)
        await self._audit(who, "machine.reap", machine.name, None)
        self.ctx.start(self._end(machine, f"no open job owns it; asked for by {who.via}"), f"reap {machine.id}")

    async def _end(self, machine: Machine, reason: str) -> None:
        try:
            await reap(self._provider, self._journal, self.ctx.clock, machine, reason, self._log)
        finally:
            self._ends.discard(machine.id)

    async def _proven(self, one: Judged, until: float) -> bool:
        """Wait for the proof of an end: ours comes with its task, an orphan's is looked for."""
        machine, clock, training = one.machine, self.ctx.clock, self._provider.training
        ours = one.verdict.whose is not Whose.ORPHAN
        while clock.monotonic() < until:
            gone = machine.id not in self._ends if ours else isinstance(await training.prove_gone(machine), Gone)
            if gone:
                return True
            await clock.sleep(LOOK_S)
        return False

    async def _adopt(self, who: Requester, one: Judged, offers: list[Offer]) -> None:
        try:
            user = await self._take_over(one, who, offers)
        except NotAdoptable as no:
            one.detail = f"Not taken over: {no}."
        except Refusal as no:
            one.detail = f"Not taken over: {no}"
            await self._audit(who, "machine.adopt", one.machine.name, no)
        except ProviderError as error:
            one.detail = f"Not taken over: the provider or the store did not answer ({plain(error)}); ask again."
        except WrongVersion:
            one.detail = "Not taken over: its job moved on meanwhile; ask again."
        else:
            one.done, one.detail = True, "Taken over: its job goes on, and ends with proof and cost as any other."
            name = one.verdict.name
            if name is not None:
                self._hands.take_over(name.job_id, user)
            await self._audit(who, "machine.adopt", one.machine.name, None)

    async def _take_over(self, one: Judged, who: Requester, offers: list[Offer]) -> UserId:
        """Hold the money, then write the job down in one append. Raises NotAdoptable, Refusal, WrongVersion."""
        name, training = one.verdict.name, self._provider.training
        if name is None:
            raise NotAdoptable("its name is not one of ours")
        remains = await find_folder(self._provider.storage, self._layout, name, who.user_id)
        check_job(one.job, name, remains.user_id)
        offer = offer_of(one.machine, offers, training.kind)
        takeover = Takeover(one.machine, name, remains, offer, training.timings)
        takeover.check(self._layout)
        held = await self._hands.reserve(takeover.reservation())
        events = takeover.events(one.job, self._layout, self._binding, held, self.ctx.clock.now())
        expected = one.version if one.job else NEW
        await self._journal.append(f"job/{name.job_id}", expected, events, actor="Reconciler")
        return remains.user_id

    async def _offers(self) -> list[Offer]:
        """Return what is offered now, to know a machine's disk price; without an answer the listing has to do."""
        try:
            return await self._provider.training.offers(Need(size_mb=0.0, model_type="auto"))
        except ProviderError as error:
            self._log("offers_unknown", error=str(error))
            return []

    async def _audit(self, who: Requester, what: str, resource: str, no: Refusal | None) -> None:
        try:
            await audited(
                self._journal,
                self.ctx.clock,
                who=f"{who.via} {who.user_id}",
                what=what,
                resource=resource,
                success=no is None,
                provider=self._provider.training.kind,
                actor="Reconciler",
                code=no.code if no else None,
                detail=no.detail if no else "",
            )
        except JournalUnavailable as error:
            self._log("audit_not_journaled", what=what, error=str(error))


def _check_names(order: ReconcileOrder, judged: list[Judged]) -> None:
    """Refuse an order that names what is not there, not ours, or an open job's, before anything is done."""
    by_name: dict[str, list[Judged]] = {}
    for one in judged:
        if not one.hidden:
            by_name.setdefault(one.machine.name, []).append(one)
    for name in order.names:
        found = by_name.get(name)
        if found is None:
            raise Refusal("E-NOTFOUND", f"No machine is called {name[:60]!r}; nothing was done.")
        if any(one.verdict.whose is Whose.FOREIGN for one in found):
            raise Refusal("E-FORBIDDEN", f"{name[:60]!r} is not this installation's machine; nothing was done.")
        if order.reap and any(one.verdict.whose is Whose.OURS for one in found):
            raise Refusal("E-INUSE", f"An open job owns {name}: lastcall stop JOB ends it; nothing was done.")


def _fate(one: Judged, order: ReconcileOrder, acts: bool) -> MachineFate:
    """Return what an order does with a machine; in a dry run, what it would do with everything allowed."""
    if one.hidden or one.machine.state is MachineState.GONE:
        return "nothing"
    named = one.machine.name in order.names
    if one.verdict.whose is Whose.ORPHAN:
        return "reap" if order.reap or not acts else "nothing"
    if not one.unknown:
        return "nothing"
    if order.reap and (named or order.all_ours):
        return "reap"
    if not acts:
        return "adopt"
    return "adopt" if order.adopt and (named or order.reap or not order.names) else "nothing"


def _choice(one: Judged) -> str:
    if one.does == "adopt":
        return f"Take it over: --adopt; or end it: --reap {one.machine.name}"
    return "Lastcall ends it by itself; --reap waits for the proof." if one.does == "reap" else ""


def _reason(one: Judged) -> str:
    match one.verdict.whose:
        case Whose.FOREIGN:
            return _FORGED if one.machine.name.startswith(NAME_PREFIX) else _FOREIGN
        case Whose.OTHER_GENERATION:
            return _OTHER
        case Whose.OURS:
            return one.verdict.reason or "An open job owns it."
        case _:
            return one.verdict.reason


def _count(judged: list[Judged]) -> Unknown:
    alive = [one.verdict.whose for one in judged if one.machine.state is not MachineState.GONE]
    return Unknown(alive.count(Whose.SECOND_WRITER), alive.count(Whose.OTHER_GENERATION))
