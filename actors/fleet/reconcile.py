"""Reconciler: compares the provider's whole list with the journal when somebody asks, and does what they decide.

The way out of safe mode: machines of this installation that the journal does not know are taken over or ended, on a
person's word only. One order at a time; the machines of open jobs are their supervisors', and nothing else is ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from actors.audit import audited
from actors.fleet.judging import ANOTHER, Account, Judged, Unknown, check_names, choice, count, fate, reason
from actors.fleet.orphans import Whose, claim, parse
from actors.fleet.reaping import reap
from actors.fleet.recovery import NotAdoptable, Takeover, check_job, find_folder, offer_of
from actors.journal.interface import NEW, Journal, JournalUnavailable, Version, WrongVersion
from actors.ledger.requests import Held, ReserveMoney
from actors.runtime.actor import Actor
from actors.storage.access import Layout
from actors.supervisor.rules import Naming
from actors.supervisor.state import fold
from actors.supervisor.tools import plain
from messages.errors import Refusal
from messages.ids import JobId, UserId
from messages.jobs import Requester
from messages.machines import Gone, Listing, Machine, Offer, ProviderKind
from messages.money import ZERO, accrued
from messages.upkeep import Reconcile, ReconcileDocument, ReconcileRow
from providers.interface import Need, ProviderError

PROOF_WAIT_S = 120.0
"""How long an answer waits for the proofs of what it ended; the ends themselves go on until they are proven."""
LOOK_S = 1.0
"""Between two looks whether ends are proven."""
ENDS_MAX = 256
"""Ends under way at once; what does not fit is done by the next order."""


Listings = list[tuple[Account, Listing]]


class Hands(NamedTuple):
    """What the reconciler has done by the rest of the node."""

    reserve: Callable[[ReserveMoney], Awaitable[Held]]
    """Hold money. Raises Refusal."""
    take_over: Callable[[JobId, UserId, ProviderKind], None]
    """Supervise a job that now stands in the journal, bound to a provider."""
    settled: Callable[[Unknown], Awaitable[None]]
    """Told what is left after something was done: whether safe mode can end is the node's to say."""
    safe_mode: Callable[[], str | None]
    """Why nothing is launched, or ``None``."""


class Reconciler(Actor[Reconcile]):
    """One per node: it looks after the machines of every account."""

    answers: ClassVar[tuple[type[Exception], ...]] = (*Actor.answers, JournalUnavailable)

    def __init__(
        self,
        accounts: Sequence[Account],
        journal: Journal,
        naming: Naming,
        layout: Layout,
        hands: Hands,
        log: Callable[..., Any],
    ) -> None:
        self._accounts = accounts
        self._journal = journal
        self._naming = naming
        self._layout = layout
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
        listings = await self._listings()
        if acts and (unsure := _unsure(listings)):
            raise Refusal("E-LISTING", f"The listing of {unsure} is cut or of another account.")
        judged = await self._judged(listings, user)
        check_names(order, judged)
        for one in judged:
            one.does = fate(one, order, acts=acts)
            if not acts:
                one.detail = choice(one)
        if acts:
            await self._act(msg.requester, judged)
        unknown = await self._left(user) if acts else count(judged)
        if acts:
            await self._hands.settled(unknown)
        return ReconcileDocument(
            provider=self._accounts[0].binding.provider,
            listed_at=min(listing.began for _, listing in listings),
            complete=all(listing.complete for _, listing in listings),
            dry_run=not acts,
            machines=tuple(self._row(one) for one in judged),
            unknown=sum(unknown),
            safe_mode=self._hands.safe_mode(),
        )

    # ------------------------------------------------------------------------------------------- judging

    async def _listings(self) -> Listings:
        """Ask every account. Raises what a provider raises that gives no listing at all."""
        return [(account, await account.provider.training.list_machines()) for account in self._accounts]

    async def _judged(self, listings: Listings, user: UserId) -> list[Judged]:
        return [
            await self._judge(account, machine, listing, user)
            for account, listing in listings
            for machine in listing.machines
        ]

    async def _judge(self, account: Account, machine: Machine, listing: Listing, user: UserId) -> Judged:
        """Judge one machine. The journal is read after the listing was made: an intent comes before its machine."""
        name = parse(machine, self._naming)
        recorded = await self._journal.read(f"job/{name.job_id}") if name else []
        job = fold(r.event for r in recorded)
        verdict = claim(machine, listing, self._naming, job, self.ctx.clock.now())
        version = recorded[-1].version if recorded else Version(0)
        hidden = job is not None and job.user_id != user and job.closed is None
        return Judged(account, machine, verdict, job, version, hidden)

    async def _left(self, user: UserId) -> Unknown:
        """Count what is unknown now. A listing that does not say all leaves everything as unknown as it was."""
        listings = await self._listings()
        if _unsure(listings):
            raise Refusal("E-LISTING", "It was done; whether anything unknown is left could not be seen.")
        return count(await self._judged(listings, user))

    def _row(self, one: Judged) -> ReconcileRow:
        machine, name, now = one.machine, one.verdict.name, self.ctx.clock.now()
        known_from = min(machine.first_seen, machine.made_at or machine.first_seen)
        age_s = max(0.0, (now - known_from).total_seconds(), machine.uptime_s or 0.0)
        return ReconcileRow(
            id="" if one.hidden else machine.id,
            name=ANOTHER if one.hidden else machine.name,
            provider=one.account.binding.provider,
            state=machine.state,
            whose=one.verdict.whose.value,
            reason=reason(one),
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
        adopted = [one for one in judged if one.does == "adopt"]
        offers = {
            kind: await self._offers(kind) for kind in dict.fromkeys(one.account.binding.provider for one in adopted)
        }
        for one in adopted:
            await self._adopt(who, one, offers[one.account.binding.provider])
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
        await self._audit(who, "machine.reap", machine.name, None, one.account)
        self.ctx.start(self._end(one, f"no open job owns it; asked for by {who.via}"), f"reap {machine.id}")

    async def _end(self, one: Judged, why: str) -> None:
        name = one.verdict.name
        job_id = name.job_id if name else None
        try:
            await reap(one.account.provider, self._journal, self.ctx.clock, one.machine, why, self._log, job_id)
        finally:
            self._ends.discard(one.machine.id)

    async def _proven(self, one: Judged, until: float) -> bool:
        """Wait for the proof of an end: ours comes with its task, an orphan's is looked for."""
        machine, clock, training = one.machine, self.ctx.clock, one.account.provider.training
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
            await self._audit(who, "machine.adopt", one.machine.name, no, one.account)
        except ProviderError as error:
            one.detail = f"Not taken over: the provider or the store did not answer ({plain(error)}); ask again."
        except WrongVersion:
            one.detail = "Not taken over: its job moved on meanwhile; ask again."
        else:
            one.done, one.detail = True, "Taken over: its job goes on, and ends with proof and cost as any other."
            name = one.verdict.name
            if name is not None:
                self._hands.take_over(name.job_id, user, one.account.binding.provider)
            await self._audit(who, "machine.adopt", one.machine.name, None, one.account)

    async def _take_over(self, one: Judged, who: Requester, offers: list[Offer]) -> UserId:
        """Hold the money, then write the job down in one append. Raises NotAdoptable, Refusal, WrongVersion."""
        name, (provider, binding) = one.verdict.name, one.account
        if name is None:
            raise NotAdoptable("its name is not one of ours")
        remains = await find_folder(provider.storage, self._layout, name, who.user_id)
        check_job(one.job, name, remains.user_id)
        offer = offer_of(one.machine, offers, binding.provider)
        takeover = Takeover(one.machine, name, remains, offer, provider.training.timings)
        takeover.check(self._layout)
        held = await self._hands.reserve(takeover.reservation())
        events = takeover.events(one.job, self._layout, binding, held, self.ctx.clock.now())
        expected = one.version if one.job else NEW
        await self._journal.append(f"job/{name.job_id}", expected, events, actor="Reconciler")
        return remains.user_id

    async def _offers(self, kind: ProviderKind) -> list[Offer]:
        """Return what is offered now, to know a machine's disk price; without an answer the listing has to do."""
        provider = next(account.provider for account in self._accounts if account.binding.provider == kind)
        try:
            return await provider.training.offers(Need(size_mb=0.0, model_type="auto"))
        except ProviderError as error:
            self._log("offers_unknown", error=str(error))
            return []

    async def _audit(
        self, who: Requester, what: str, resource: str, no: Refusal | None, account: Account | None = None
    ) -> None:
        try:
            await audited(
                self._journal,
                self.ctx.clock,
                who=f"{who.via} {who.user_id}",
                what=what,
                resource=resource,
                success=no is None,
                provider=(account or self._accounts[0]).binding.provider,
                actor="Reconciler",
                code=no.code if no else None,
                detail=no.detail if no else "",
            )
        except JournalUnavailable as error:
            self._log("audit_not_journaled", what=what, error=str(error))


def _unsure(listings: Listings) -> str:
    """Return the first provider whose listing does not say all, or nothing."""
    return next(
        (
            account.binding.provider
            for account, listing in listings
            if not listing.complete or listing.account != account.binding.account
        ),
        "",
    )
