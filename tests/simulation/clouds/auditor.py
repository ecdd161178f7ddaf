"""Judges a run from outside: the cloud's own books against the journal, after every event (faults.md 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from actors.journal.sqlite import SqliteJournal
from actors.ledger.state import LedgerState
from actors.supervisor.rules import SEND_WITHIN_S
from messages import events as ev
from messages.events import Event
from messages.folder import RESULT
from messages.ids import JobId
from messages.machines import LaunchRequest
from tests.simulation.clouds.books import Lived
from tests.simulation.clouds.house import CloudHouse
from tests.support.journals import Append, Mortal

BOUND_S: Final = 60.0
"""I1: a machine bills so long after its end is due, daemon up and everything answering."""
AFTER_S: Final = 60.0
"""More after a restart, or after what blinded the daemon was taken away."""
SURPLUS_S: Final = 90.0
"""I2: a surplus machine is dead so long after it is visible."""
DEADLINE_S: Final = 30.0
"""After the soft deadline the daemon ends the machine itself (design.md 7)."""
TICK_S: Final = 5.0
SLOW_TICK_S: Final = 60.0
"""While there is no daemon."""
PATIENCE_S: Final = 90.0
"""What an end that can be seen may be booked late."""
GUARD_S: Final = 300.0
"""I1: by the timer in the machine alone."""
ROUND_USD: Final = Decimal("0.01")


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass
class Known:
    """What the journal holds of one machine name."""

    job_id: JobId
    attempt: int
    request: LaunchRequest
    intended_at: float
    adopted: str | None = None
    ended_at: float | None = None
    """When its attempt was over, by the journal."""


@dataclass
class Auditor:
    """Sees every append and looks at the books; raises at the first thing that must not be."""

    house: CloudHouse
    budget_usd: Decimal | None = None
    known: dict[str, Known] = field(default_factory=dict)
    reasons: dict[str, float] = field(default_factory=dict)
    """Machine id → when the first reason to end it was journaled."""
    unsettled: dict[str, None] = field(default_factory=dict)
    """Orphans whose end nobody has written down yet."""
    found_late: bool = False
    """Whether there was any."""
    stops: dict[JobId, float] = field(default_factory=dict)
    closed: dict[JobId, ev.JobClosed] = field(default_factory=dict)
    ledger: LedgerState = field(default_factory=lambda: LedgerState(_utc()))
    rent_usd: Decimal = Decimal(0)
    """Part of what was booked: the store's, not the machines'."""
    blind_since: float | None = None
    """Since when the daemon is down or cannot reach what it needs."""
    seen_again: float = 0.0
    """When it last could again."""
    blind: list[tuple[float, float]] = field(default_factory=list)
    """The times it could not."""
    dead_since: float | None = None
    """Since when there is no daemon: the timer in the machine is all there is."""
    deaths: int = 0
    excess_allowed: bool = False
    """A price rose from outside: rule 6 does not hold to the cent."""
    trace: list[str] = field(default_factory=list)
    looked: int = 0
    wrong: Violation | None = None
    """The first violation; code of ours that catches it does not make it undone."""

    def blinded(self) -> None:
        """Take note that the daemon cannot see or do what it must."""
        if self.blind_since is None:
            self.blind_since = self.house.now()

    def sees(self) -> None:
        """Take note that it can again."""
        now = self.house.now()
        if self.blind_since is not None:
            self.blind.append((self.blind_since, now))
        self.blind_since, self.seen_again = None, now

    def seeing_s(self, since: float, until: float) -> float:
        """Return for how many seconds of a span the daemon could see."""
        blind = sum(max(0.0, min(until, b) - max(since, a)) for a, b in self.blind)
        return until - since - blind

    def died(self) -> None:
        """Take note that the daemon is gone."""
        self.deaths += 1
        self.dead_since = self.house.now()

    def stop_answered(self, job_id: JobId) -> None:
        """Take note that somebody was told that the job is being stopped."""
        self.stops.setdefault(job_id, self.house.now())

    @staticmethod
    def tail_of(command: str) -> str:
        """Return what names of machines say of the job that a command ordered."""
        return str(JobId.derived(command).tail)

    # --- the journal

    def appended(self, stream: str, events: Sequence[Event]) -> None:
        """Take what was just made durable, and look."""
        now = self.house.now()
        with self._kept():
            for event in events:
                self.trace.append(f"{now:.3f} {stream} {event.kind}")
                self._take(stream, event, now)
            self.look()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except Violation as wrong:
            self.wrong = self.wrong or wrong
            raise

    def check(self) -> None:
        """Raise the violation there was, if any."""
        if self.wrong is not None:
            raise self.wrong

    def _take(self, stream: str, event: Event, now: float) -> None:
        job_id = JobId(stream.removeprefix("job/")) if stream.startswith("job/") else None
        match event:
            case ev.LaunchIntended() if job_id:
                if event.request.name in self.known:
                    raise Violation(f"I2: two intents of the name {event.request.name}")
                self.known[event.request.name] = Known(job_id, event.attempt, event.request, now)
            case ev.MachineCreated() | ev.MachineFound():
                self._adopted(event)
            case ev.EndDecided() if job_id:
                for name, one in self.known.items():
                    if (one.job_id, one.attempt) == (job_id, event.attempt):
                        self._reason(one.adopted or name, now)
            case ev.SurplusFound():
                self._reason(event.machine.id, now)
            case ev.OrphanReaped():
                self.unsettled[event.machine.id] = None
                self.found_late = True
                self._reason(event.machine.id, now)
            case ev.OrphanGone():
                self.unsettled.pop(event.machine.id, None)
            case ev.StopAccepted() if job_id:
                self.stops.setdefault(job_id, now)
            case ev.GoneProved() | ev.SurplusGone():
                self._gone(event.machine_id, now)
            case ev.AttemptEnded() if job_id:
                self._attempt_over(job_id, event.attempt, now)
            case ev.JobClosed() if job_id:
                if job_id in self.closed:
                    raise Violation(f"I5: {job_id} closed twice")
                self.closed[job_id] = event
            case _ if isinstance(event, ev.LedgerEvent):
                self.ledger.apply(event)
                self._rent(event)
                self._money()
            case _:
                pass

    def _reason(self, machine_id: str, now: float) -> None:
        self.reasons.setdefault(machine_id, now)

    def _adopted(self, event: ev.MachineCreated | ev.MachineFound) -> None:
        one = self.known.get(event.machine.name)
        if one is None:
            raise Violation(f"I7: {event.machine.name} adopted without an intent")
        if one.adopted is None:
            one.adopted = event.machine.id
            if event.machine.name in self.reasons:  # an end was decided before its id was known
                self.reasons.setdefault(one.adopted, self.reasons[event.machine.name])

    def _attempt_over(self, job_id: JobId, attempt: int, now: float) -> None:
        for one in self.known.values():
            if (one.job_id, one.attempt) == (job_id, attempt):
                one.ended_at = now

    def _gone(self, machine_id: str, now: float) -> None:
        if self.house.is_there(machine_id) and not any(self.house.faults.hits[name] for name in self.house.LIES):
            raise Violation(f"I3: {machine_id} is called gone and bills")

    def _rent(self, event: ev.LedgerEvent) -> None:
        """Keep apart what the store costs by itself: no machine's bill has it, and no reservation is asked for it."""
        match event:
            case ev.Stored():
                self.rent_usd += event.amount_usd
            case ev.StoredBilled():
                self.rent_usd += event.difference_usd
            case _:
                pass

    def _money(self) -> None:
        if self.budget_usd is None or self.excess_allowed:
            return
        held = self.ledger.total_usd - self.rent_usd + self.ledger.reserved_usd
        if held > self.budget_usd:
            raise Violation(f"I6: ${held} spent and held of ${self.budget_usd}")

    # --- the books

    def look(self) -> None:
        """Compare the books with what is known."""
        self.looked += 1
        now = self.house.now()
        self.house.tick()
        lives = self.house.lives()
        for life in lives:
            if life.foreign:
                self._foreign(life)
                continue
            one = self.known.get(life.name)
            if one is None or one.intended_at > life.asked_at + 0.001:
                raise Violation(f"I7: machine {life.name} has no durable intent older than its create")
            if life.exists_from is not None and life.ended_at is None:
                self._bounded(life, one, now)
        self._once(lives)

    def _once(self, lives: Sequence[Lived]) -> None:
        """One intent, one create, sent soon, and where creates are idempotent one machine."""
        first: dict[str, Lived] = {}
        for life in lives:
            self._in_its_time(life)
            if life.foreign:
                continue
            if (before := first.setdefault(life.name, life)) is life:
                self._sent_soon(life)
                continue
            twins = self.house.TWINS
            if twins is None:
                if before.asked_at != life.asked_at:
                    raise Violation(f"I2: two creates were sent for {life.name}")
            elif not any(self.house.faults.hits[name] for name in twins):
                raise Violation(f"I2: {life.name} is the name of {before.id} and of {life.id}")

    def _sent_soon(self, life: Lived) -> None:
        """A create leaves soon after its intent: what is older was decided in another world."""
        late_s = life.asked_at - self.known[life.name].intended_at
        if late_s > SEND_WITHIN_S + self.house.slowest_s + self.house.REPEATED_S:
            raise Violation(f"I7: the create of {life.name} went out {late_s:.1f} s late")

    def _in_its_time(self, life: Lived) -> None:
        """Where creates are idempotent none is made once its attempt is over: nobody would look for it."""
        one = self.known.get(life.name)
        if life.foreign or one is None or one.ended_at is None or self.house.TWINS is None:
            return
        if life.asked_at > one.ended_at and not any(self.house.faults.hits[name] for name in self.house.TWINS):
            raise Violation(f"I2: {life.id} was made after the attempt of {life.name} was over")

    def _foreign(self, life: Lived) -> None:
        if life.ended_by_us:
            raise Violation(f"I4: the foreign machine {life.name} was ended by {life.how}")

    def _bounded(self, life: Lived, one: Known, now: float) -> None:
        self._guarded(life, one, now)
        if self.blind_since is not None:
            return
        due = self._due(life, one)
        if due is None:
            return
        since = max(due, self.seen_again)
        patience = BOUND_S + (AFTER_S if self.seen_again >= due else 0.0)
        if one.adopted not in (None, life.id) or one.ended_at is not None:
            patience = max(patience, SURPLUS_S)
        if now - since > patience:
            raise Violation(f"I1/I2: machine {life.id} of {life.name} bills {now - since:.0f} s past its end")

    def _guarded(self, life: Lived, one: Known, now: float) -> None:
        """With the daemon dead and nothing else wrong, the timer in the machine is the bound."""
        if self.dead_since is None or not life.was_started or self.house.faults.shown() or life.paused:
            return
        due = max(one.request.soft_deadline.timestamp(), self.seen_again)
        if now - due > GUARD_S:
            raise Violation(f"I1: machine {life.id} bills {now - due:.0f} s past its deadline without the daemon")

    def _due(self, life: Lived, one: Known) -> float | None:
        """Return when this machine should have been told to end, or ``None`` when nothing has come due yet."""
        now = self.house.now()
        if life.visible_at is None:
            return None
        found = [
            one.request.soft_deadline.timestamp() + DEADLINE_S,
            self.reasons.get(life.id),
            self.stops.get(one.job_id),
            self._marked(one),
        ]
        if one.adopted not in (None, life.id) or one.ended_at is not None:
            found.append(life.visible_at)
        due = min((at for at in found if at is not None), default=None)
        return None if due is None or due > now else max(due, life.visible_at)

    def _marked(self, one: Known) -> float | None:
        stat = self.house.files.stat(f"{one.request.folder}/{RESULT}")
        return stat.mtime if stat else None

    # --- the end

    def final(self) -> None:
        """Judge the whole run once everything is over."""
        self.check()
        self.look()
        for life in self.house.lives():
            if not life.foreign and life.ended_by_us and life.ended_at is not None:
                self._ended_for_a_reason(life.id, life.ended_at)
        for name, attempt in self.house.machines.started:
            if self.house.machines.started.count((name, attempt)) > 1:
                raise Violation(f"I5: the work of {name} began twice")
        if self.ledger.reserved_usd != 0:
            raise Violation(f"I6: ${self.ledger.reserved_usd} stay held after everything closed")
        self.billed(at_least=True)

    def _ended_for_a_reason(self, machine_id: str, at: float) -> None:
        since = self.reasons.get(machine_id)
        if since is None or since > at + 0.001:
            raise Violation(f"I4: {machine_id} was told to end before a reason was journaled")

    def billed(self, *, at_least: bool = False) -> None:
        """I8: what was booked is what the cloud bills for machines of ours.

        Until the bill is read (``at_least``), or where the provider has none, an end that nobody could see is booked as
        of the first look that could, and where the cloud said yes to an end and did not mean it, as of that yes. A
        machine that was found late is booked from when it was found.
        """
        ours = {life.id: life for life in self.house.lives() if not life.foreign}
        bills = {one: usd for one, usd in self.house.billed_usd().items() if one in ours}
        billed = sum(bills.values(), Decimal(0))
        room = max(ROUND_USD, billed / 100)
        booked = self.ledger.total_usd - self.rent_usd - self._without_bill(bills, ours)
        has_bill = self.house.provider.training.has_bill
        if (at_least or not has_bill) and (
            self.found_late or any(self.house.faults.hits[name] for name in self.house.FALSE_YES)
        ):
            return
        if at_least and booked > billed:
            return
        unseen = Decimal(0) if has_bill else sum((self._unseen_usd(life) for life in ours.values()), Decimal(0))
        if not -room <= booked - billed <= room + unseen:
            raise Violation(f"I8: ${booked:.4f} booked, ${billed:.4f} billed")

    def _unseen_usd(self, life: Lived) -> Decimal:
        """Return what may be booked of a machine beside its bill.

        That is the time in which nobody could see it, and before it billed, and the most its log can cost where no
        marker says what it did.
        """
        one = self.known.get(life.name)
        if one is None or life.ended_at is None:
            return Decimal(0)
        spans = [*self.blind, *([(self.blind_since, self.house.now())] if self.blind_since is not None else [])]
        unseen_s = sum(max(0.0, b - max(life.ended_at, a)) for a, b in spans)
        unseen_s += min(life.bills_from or life.ended_at, life.ended_at) - life.asked_at
        lived_s = life.ended_at - life.asked_at
        offer = one.request.offer
        rate = offer.rate_usd_per_hour + offer.disk_usd_per_hour
        log = (
            offer.log.usd_max(lived_s + unseen_s + PATIENCE_S)
            if offer.log and self._marked(one) is None
            else Decimal(0)
        )
        return rate * Decimal(round(unseen_s + PATIENCE_S)) / 3600 + log

    def _without_bill(self, bills: Mapping[str, Decimal], ours: Mapping[str, Lived]) -> Decimal:
        """Return what is booked of jobs whose machines ended as they were made: no bill will speak of them."""
        paid = {self.known[ours[one].name].job_id for one, usd in bills.items() if usd and ours[one].name in self.known}
        return sum((a.booked_usd for job_id, a in self.ledger.accounts.items() if job_id not in paid), Decimal(0))

    async def watch(self) -> None:
        """Look between events too; runs until cancelled."""
        while True:
            await asyncio.sleep(TICK_S if self.dead_since is None else SLOW_TICK_S)
            self.check()
            with self._kept():
                self.look()


class Tapped(Mortal):
    """A journal that shows the auditor what became durable, and that can die at its ``at``-th append."""

    def __init__(self, inner: SqliteJournal, auditor: Auditor, at: int = 0, *, after: bool = False) -> None:
        super().__init__(inner, at, after=after)
        self._auditor = auditor

    async def after(self, asked: Append) -> None:
        self._auditor.appended(asked.stream, asked.events)
        await super().after(asked)


def _utc() -> Any:
    from datetime import UTC

    return UTC
