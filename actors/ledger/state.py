"""The ledger's state: nothing but the fold of the stream ``ledger``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal

from messages import events as ev
from messages.base import seconds
from messages.ids import JobId, PredictionId, UserId
from messages.money import ZERO, accrued

ACCOUNTS_KEPT_S = 31 * 86_400.0
"""How long after its end a job's books wait for a bill, or for a bill to change; they are final then."""


def reservation_id(job_id: JobId, attempt: int) -> str:
    """Return the id of an attempt's reservation: one per attempt, for ever."""
    return f"{job_id}/{attempt}"


@dataclass(slots=True)
class Reservation:
    """Money held for an attempt that is not over."""

    id: str
    job_id: JobId
    user_id: UserId
    hold_usd: Decimal
    at: datetime
    offered: ev.Reserved
    """The event that made it: the prices of the offer."""
    accrual: ev.AccrualStarted | None = None
    changed: ev.AccrualChanged | None = None
    """The last change of its rate."""

    def accrued_usd(self, now: datetime) -> Decimal:
        """Return what the attempt's machine has cost until ``now``; never more than is held."""
        if self.accrual is None:
            return ZERO
        since = self.changed or self.accrual
        before = self.changed.accrued_usd if self.changed else self.accrual.fixed_usd
        least_s = 0.0 if self.changed else self.offered.least_s
        span = max(least_s, (now - since.at).total_seconds())
        return min(self.hold_usd, accrued(since.rate_usd_per_hour, span) + before)


@dataclass(slots=True)
class Account:
    """The books of a closed job, for as long as a bill may still say otherwise."""

    user_id: UserId
    closed_at: datetime
    booked_usd: Decimal
    """As observed, and every correction since."""
    billed_usd: Decimal | None = None
    """What the last bill said; ``None`` while no bill of it is complete."""
    machines: tuple[str, ...] = ()
    """Ids of the machines that bill had lines for."""
    readings: int = 0
    """Bills that said something new."""


@dataclass(slots=True)
class Rent:
    """Days of a rented store that are paid for, for as long as a bill may still say otherwise."""

    user_id: UserId
    first: date
    last: date
    booked_usd: Decimal
    """As listed, and every correction since."""
    billed_usd: Decimal | None = None
    """What the last bill said; ``None`` while no bill of it is complete."""


@dataclass(slots=True)
class LedgerState:
    """Open reservations, and what was spent by user and day. Changed in place: 10,000 jobs make it large."""

    zone: tzinfo
    open: dict[str, Reservation] = field(default_factory=dict)
    spent: dict[tuple[UserId, date], Decimal] = field(default_factory=dict)
    settled: set[JobId] = field(default_factory=set)
    predictions: set[PredictionId] = field(default_factory=set)
    """Predictions that are booked."""
    sources: set[str] = field(default_factory=set)
    """What corrections follow from and charges are for, each booked once."""
    accounts: dict[JobId, Account] = field(default_factory=dict)
    """Jobs closed in the last ``ACCOUNTS_KEPT_S``, in the order they were settled."""
    early: dict[JobId, Decimal] = field(default_factory=dict)
    """Corrections of jobs that are not settled yet."""
    stored: dict[tuple[UserId, str], ev.Stored] = field(default_factory=dict)
    """User and provider → what was last paid for what is kept there."""
    rents: dict[str, list[Rent]] = field(default_factory=dict)
    """Provider → the days of its rented store that were paid for in the last ``ACCOUNTS_KEPT_S``, in order."""
    reserved_usd: Decimal = ZERO
    total_usd: Decimal = ZERO

    def day(self, at: datetime) -> date:
        """Return the budget day of an instant, in the configured zone."""
        return at.astimezone(self.zone).date()

    def apply(self, event: ev.LedgerEvent) -> None:
        """Take one event of the ledger's stream."""
        match event:
            case ev.Reserved():
                self.open[event.reservation] = Reservation(
                    event.reservation, event.job_id, event.user_id, event.hold_usd, event.at, event
                )
                self.reserved_usd += event.hold_usd
            case ev.AccrualStarted():
                if held := self.open.get(event.reservation):
                    held.accrual = held.accrual or event
            case ev.AccrualChanged():
                if held := self.open.get(event.reservation):
                    held.changed = event
            case ev.Released():
                self._release(event)
            case ev.Settled():
                self._settle(event)
            case ev.Spent():
                self.predictions.add(event.prediction_id)
                self._spend(event.user_id, event.at, event.amount_usd)
            case ev.Corrected():
                self._correct(event)
            case ev.Charged():
                self.sources.add(event.source)
                self._spend(event.user_id, event.at, event.amount_usd)
            case ev.Stored():
                self._store(event)
            case ev.StoredBilled():
                self._bill_rent(event)
            case _:
                self._bill(event)

    def _release(self, event: ev.Released) -> None:
        held = self.open.pop(event.reservation, None)
        if held is None:
            return
        self.reserved_usd -= held.hold_usd
        self._spend(held.user_id, event.at, event.spent_usd)

    def _settle(self, event: ev.Settled) -> None:
        self.settled.add(event.job_id)
        oldest = event.at - seconds(ACCOUNTS_KEPT_S)
        while self.accounts:
            first = next(iter(self.accounts))
            if self.accounts[first].closed_at >= oldest:
                break
            del self.accounts[first]
        booked_usd = event.observed_usd + self.early.pop(event.job_id, ZERO)
        self.accounts[event.job_id] = Account(event.user_id, event.at, booked_usd)

    def _correct(self, event: ev.Corrected) -> None:
        self._spend(event.user_id, event.at, event.delta_usd)
        if event.source:
            self.sources.add(event.source)
        if account := self.accounts.get(event.job_id):
            account.booked_usd += event.delta_usd
        elif event.job_id not in self.settled:
            self.early[event.job_id] = self.early.get(event.job_id, ZERO) + event.delta_usd

    def _bill(self, event: ev.Billed) -> None:
        if account := self.accounts.get(event.job_id):
            account.billed_usd = event.billed_usd
            account.machines = event.machines
            account.readings += 1

    def _store(self, event: ev.Stored) -> None:
        before = self.stored.get((event.user_id, event.provider))
        self.stored[event.user_id, event.provider] = event
        self._spend(event.user_id, event.at, event.amount_usd)
        if event.rented and event.size_bytes:
            oldest = event.day - timedelta(seconds=ACCOUNTS_KEPT_S)
            first = event.day if before is None else max(before.day, oldest - timedelta(days=1)) + timedelta(days=1)
            kept = [rent for rent in self.rents.get(event.provider, ()) if rent.last >= oldest]
            self.rents[event.provider] = [*kept, Rent(event.user_id, first, event.day, event.amount_usd)]

    def _bill_rent(self, event: ev.StoredBilled) -> None:
        self._spend(event.user_id, event.at, event.difference_usd)
        for rent in self.rents.get(event.provider, ()):
            if (rent.user_id, rent.last) == (event.user_id, event.last):
                rent.booked_usd += event.difference_usd
                rent.billed_usd = event.billed_usd

    def _spend(self, user: UserId, at: datetime, amount: Decimal) -> None:
        key = (user, self.day(at))
        self.spent[key] = self.spent.get(key, ZERO) + amount
        self.total_usd += amount

    def spent_between(self, first: date, last: date, user: UserId | None = None) -> Decimal:
        """Return what was spent on the days from ``first`` to ``last``, by one user or by all."""
        return sum(
            (amount for (who, day), amount in self.spent.items() if first <= day <= last and user in (None, who)),
            ZERO,
        )

    def reserved_for(self, user: UserId | None) -> Decimal:
        """Return what is held now, for one user or for all."""
        if user is None:
            return self.reserved_usd
        return sum((held.hold_usd for held in self.open.values() if held.user_id == user), ZERO)


def fold(events: Iterable[ev.Event], zone: tzinfo) -> LedgerState:
    """Return the state after ``events``."""
    state = LedgerState(zone)
    for event in events:
        if isinstance(event, ev.LedgerEvent):
            state.apply(event)
    return state
