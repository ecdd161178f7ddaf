"""CostLedger: the only writer of the stream ``ledger``.

It answers reservations, and follows the journal for the events of jobs that move money. Both are idempotent: what
was booked before is not booked again, so a crash between a job's event and its booking loses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import tzinfo
from typing import ClassVar

from actors.journal.interface import ANY, START, Journal, JournalUnavailable, Position, Recorded
from actors.ledger import budgets as rules
from actors.ledger.billing import open_bills
from actors.ledger.bookings import Bookings
from actors.ledger.entries import JobFacts, charge_entry, entries, orphan_entry, prediction_entry, reserve
from actors.ledger.rents import bill_from, rent_entries
from actors.ledger.reports import Reports
from actors.ledger.requests import (
    BookBills,
    BookMore,
    BookNow,
    BookRentBill,
    BookStored,
    BudgetsLeft,
    Charge,
    CostReport,
    Held,
    JobFact,
    MoneyFact,
    MoneyTotals,
    OpenBill,
    OpenBills,
    OrphanFact,
    PredictionFact,
    RentBillFrom,
    ReserveMoney,
)
from actors.ledger.standing import stored_entries
from actors.ledger.state import LedgerState, fold, reservation_id
from actors.runtime.actor import Actor, Deferred
from actors.runtime.slices import in_slices
from actors.runtime.world import Clock
from messages import events as ev
from messages.errors import Refusal
from messages.ids import JobId, UserId
from messages.machines import ProviderKind, Timings

STREAM = "ledger"
DISK_RETRY_S = 1.0
SLICE_ACCOUNTS = 512
"""Books of closed jobs looked through between two turns of the others: some two milliseconds."""
FLEET_STREAM = "fleet"
Fact = JobFact | PredictionFact | OrphanFact
LedgerMessage = (
    ReserveMoney
    | JobFact
    | PredictionFact
    | OrphanFact
    | OpenBills
    | BookBills
    | BookMore
    | BookStored
    | RentBillFrom
    | BookRentBill
    | Charge
    | BookNow
    | CostReport
    | BudgetsLeft
    | MoneyTotals
)


class CostLedger(Actor[LedgerMessage]):
    """Prices, budgets, reservations, accruals and settlement of one node."""

    answers: ClassVar[tuple[type[Exception], ...]] = (*Actor.answers, JournalUnavailable)
    """A disk that takes nothing is an answer to who asks, no fault of the ledger."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        budgets: rules.Budgets,
        zone: tzinfo,
        timings: Mapping[ProviderKind, Timings],
        provider: ProviderKind,
    ) -> None:
        """``timings`` are of every provider that is rented from; ``provider`` is the one that answers predictions."""
        self._journal = journal
        self._clock = clock
        self._budgets = budgets
        self._timings = timings
        self._provider = provider
        self._state = LedgerState(zone)
        self._reports = Reports(journal, clock, budgets)
        self._facts: deque[Fact] = deque()
        """What is not booked yet, in order; grows only while the disk takes nothing, and the jobs with it."""
        self._bookings: deque[Bookings] = deque()
        """Readings of bills that are being booked, one after the other; a provider makes one an hour."""
        self._missing: dict[str, frozenset[JobId]] = {}
        """Provider → jobs its last bill should have had and had not."""

    async def on_start(self) -> None:
        """Fold the ledger, catch up with what jobs did while nobody booked, then follow."""
        recorded = await self._journal.read(STREAM)
        self._state = fold((r.event for r in recorded), self._state.zone)
        after = await self._catch_up()
        self.ctx.start(self._follow(after), "follow")

    async def receive(self, msg: LedgerMessage) -> object | None:
        """Answer one request or book one fact."""
        match msg:
            case ReserveMoney():
                return await self._reserve(msg)
            case JobFact() | PredictionFact() | OrphanFact():
                self._facts.append(msg)
                await self._book_all()
                return None
            case BookNow():
                await self._book_all()
                return None
            case OpenBills():
                return self.ctx.reply_later(self._open_bills())
            case BookBills():
                return self._begin_bills(msg)
            case BookMore():
                await self._book_more()
                return None
            case BookStored():
                booked = stored_entries(self._state, msg, self._clock.now())
                await self._append(booked)
                return len(booked)
            case RentBillFrom():
                return bill_from(self._state, msg.provider, self._clock.now())
            case BookRentBill():
                corrected = rent_entries(self._state, msg, self._clock.now())
                await self._append(corrected)
                return len(corrected)
            case Charge():
                charged = charge_entry(self._state, self._budgets, msg, self._clock.now())
                await self._append(charged)
                return bool(charged)
            case CostReport():
                return await self._reports.costs(self._state, msg.user_id, msg.by, self._missing)
            case BudgetsLeft():
                return self._reports.budgets(self._state, msg.user_id)
            case _:
                return self._reports.totals(self._state)

    # ------------------------------------------------------------------------------------------- writing

    async def _append(self, booked: list[ev.LedgerEvent]) -> None:
        if not booked:
            return
        await self._journal.append(STREAM, ANY, booked, actor="CostLedger")
        for event in booked:
            self._state.apply(event)

    async def _reserve(self, asked: ReserveMoney) -> Held:
        held = self._state.open.get(reservation_id(asked.job_id, asked.attempt))
        if held is None:
            sql = "SELECT 1 FROM jobs WHERE job_id = ? AND state = 'closed'"
            if await self._journal.query(sql, (asked.job_id,)):
                raise Refusal("E-NOTFOUND", f"{asked.job_id} is over.")
            timings = self._timings[asked.offer.provider]
            event = reserve(self._state, self._budgets, asked, timings, self._clock.now())
            await self._append([event])
            held = self._state.open[event.reservation]
        return Held(reservation=held.id, hold_usd=held.hold_usd, at=held.at)

    async def _book_all(self) -> None:
        """Book what waits, in order. A disk that takes nothing is asked again; nothing is skipped."""
        while self._facts:
            try:
                await self._book(self._facts[0])
            except JournalUnavailable:
                self.ctx.after(DISK_RETRY_S, BookNow(), key="book")
                return
            self._facts.popleft()

    async def _book(self, msg: Fact) -> None:
        match msg:
            case PredictionFact():
                await self._append(prediction_entry(self._state, msg.fact, self._provider, msg.at))
            case OrphanFact():
                await self._book_orphan(msg.fact)
            case _:
                await self._book_job(msg.job_id, msg.fact)

    async def _book_orphan(self, fact: ev.OrphanGone) -> None:
        """Book what a machine found late cost; a job this journal does not know has nobody to pay for it."""
        if fact.job_id is None:
            return
        for (user_id,) in await self._journal.query("SELECT user_id FROM jobs WHERE job_id = ?", (fact.job_id,)):
            booked = orphan_entry(self._state, fact, fact.job_id, UserId(user_id), self._clock.now())
            await self._append(booked)

    def _begin_bills(self, asked: BookBills) -> Deferred:
        """Book the bills a few at a time, with other messages in between; who asked hears when all are."""
        self._missing[asked.provider] = frozenset(asked.missing)
        self._bookings.append(Bookings(asked.bills))
        self.ctx.ref.tell(BookMore())
        return self.ctx.reply_later(self._bookings[-1].over())

    async def _book_more(self) -> None:
        if not self._bookings:  # those of the instance before this one; their asker knows
            return
        bookings = self._bookings[0]
        booked = bookings.next(self._state, self._clock.now())
        try:
            await self._append(booked)
        except JournalUnavailable as error:
            bookings.broken(error)
            self._bookings.popleft()
        else:
            if bookings.booked(booked):
                self._bookings.popleft()
        if self._bookings:
            self.ctx.ref.tell(BookMore())

    async def _book_job(self, job_id: JobId, fact: MoneyFact) -> None:
        rows = await self._journal.query("SELECT user_id, provider, state FROM jobs WHERE job_id = ?", (job_id,))
        for user_id, provider, state in rows:
            closed = state == "closed"
            if closed and isinstance(fact, ev.MoneyReserved) and await self._is_ended(job_id, fact.attempt):
                continue  # a closed job is caught up with: the attempt's end releases the money, with what it cost
            job = JobFacts(UserId(user_id), provider, closed)
            await self._append(entries(self._state, job_id, job, fact, self._clock.now()))

    async def _is_ended(self, job_id: JobId, attempt: int) -> bool:
        recorded = await self._journal.read(f"job/{job_id}")
        return any(isinstance(r.event, ev.AttemptEnded) and r.event.attempt == attempt for r in recorded)

    # ------------------------------------------------------------------------------------------- following

    async def _catch_up(self) -> Position:
        """Book what happened to every job with an open reservation or without a settlement; return where to go on."""
        last = await self._journal.query("SELECT applied_position FROM projections WHERE name = 'jobs'")
        open_jobs = {held.job_id for held in self._state.open.values()}
        closed = await self._journal.query("SELECT job_id FROM jobs WHERE state = 'closed'")
        missing = {JobId(row[0]) for row in closed} - self._state.settled
        for job_id in sorted(open_jobs | missing):
            self._take(await self._journal.read(f"job/{job_id}"))
        for (prediction_id,) in await self._journal.query("SELECT id FROM predictions"):
            if prediction_id not in self._state.predictions:
                self._take(await self._journal.read(f"prediction/{prediction_id}"))
        self._take(await self._journal.read(FLEET_STREAM))
        await self._book_all()
        return Position(last[0][0]) if last else START

    def _take(self, stream: list[Recorded]) -> None:
        self._facts.extend(fact for fact in map(_fact, stream) if fact is not None)

    async def _follow(self, after: Position) -> None:
        async for recorded in self._journal.follow(after):
            fact = _fact(recorded)
            if fact is not None:
                await self.ctx.ref.send(fact)

    # ------------------------------------------------------------------------------------------- reading

    async def _open_bills(self) -> tuple[OpenBill, ...]:
        found: list[OpenBill] = []
        async for some in in_slices(self._clock, list(self._state.accounts.items()), SLICE_ACCOUNTS):
            found += open_bills(some, self._clock.now())
        return tuple(found)


def _fact(recorded: Recorded) -> Fact | None:
    if isinstance(recorded.event, ev.PredictionMade):
        return PredictionFact(fact=recorded.event, at=recorded.at)
    if isinstance(recorded.event, ev.OrphanGone):
        return OrphanFact(fact=recorded.event)
    if not recorded.stream.startswith("job/") or not isinstance(recorded.event, MoneyFact):
        return None
    return JobFact(job_id=JobId(recorded.stream.removeprefix("job/")), fact=recorded.event)
