"""CostLedger: the only writer of the stream ``ledger``.

It answers reservations, and follows the journal for the events of jobs that move money. Both are idempotent: what
was booked before is not booked again, so a crash between a job's event and its booking loses nothing.
"""

from __future__ import annotations

from collections import deque
from datetime import tzinfo
from decimal import Decimal
from typing import ClassVar, Literal

from actors.journal.interface import ANY, START, Journal, JournalUnavailable, Position, Recorded
from actors.ledger import budgets as rules
from actors.ledger.entries import JobFacts, entries, prediction_entry, reserve
from actors.ledger.requests import (
    BookNow,
    BudgetsLeft,
    CostReport,
    Held,
    JobFact,
    MoneyFact,
    MoneyTotals,
    PredictionFact,
    ReserveMoney,
    Totals,
)
from actors.ledger.state import LedgerState, fold, reservation_id
from actors.runtime.actor import Actor
from actors.runtime.world import Clock
from messages import events as ev
from messages.documents import BudgetRow, CostDocument, CostRow
from messages.errors import Refusal
from messages.ids import JobId, UserId
from messages.machines import ProviderKind, Timings
from messages.money import ZERO, from_micro

STREAM = "ledger"
DISK_RETRY_S = 1.0
LedgerMessage = ReserveMoney | JobFact | PredictionFact | BookNow | CostReport | BudgetsLeft | MoneyTotals

_KEYS = {
    "day": "day",
    "user": "user_id",
    "model": "coalesce(model_id, '(none)')",
    "provider": "provider",
    "job": "job_id",
}


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
        timings: dict[ProviderKind, Timings],
        provider: ProviderKind,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._budgets = budgets
        self._timings = timings
        self._provider = provider
        self._state = LedgerState(zone)
        self._facts: deque[JobFact | PredictionFact] = deque()
        """What is not booked yet, in order; grows only while the disk takes nothing, and the jobs with it."""

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
            case JobFact() | PredictionFact():
                self._facts.append(msg)
                await self._book_all()
                return None
            case BookNow():
                await self._book_all()
                return None
            case CostReport():
                return await self._report(msg.user_id, msg.by)
            case BudgetsLeft():
                return self._budget_rows(msg.user_id)
            case _:
                return self._totals()

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

    async def _book(self, msg: JobFact | PredictionFact) -> None:
        if isinstance(msg, PredictionFact):
            await self._append(prediction_entry(self._state, msg.fact, self._provider, msg.at))
        else:
            await self._book_job(msg.job_id, msg.fact)

    async def _book_job(self, job_id: JobId, fact: MoneyFact) -> None:
        rows = await self._journal.query("SELECT user_id, provider, state FROM jobs WHERE job_id = ?", (job_id,))
        for user_id, provider, state in rows:
            job = JobFacts(UserId(user_id), provider, state == "closed")
            await self._append(entries(self._state, job_id, job, fact, self._clock.now()))

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

    def _totals(self) -> Totals:
        now = self._clock.now()
        today = self._state.day(now)
        return Totals(
            spent_today_usd=self._state.spent_between(today, today),
            spent_month_usd=self._state.spent_between(today.replace(day=1), today),
            reserved_usd=self._state.reserved_usd,
            running_usd=self._running(None),
        )

    def _running(self, user: UserId | None) -> Decimal:
        now = self._clock.now()
        held = (h for h in self._state.open.values() if user in (None, h.user_id))
        return sum((h.accrued_usd(now) for h in held), ZERO)

    def _budget_rows(self, user: UserId) -> tuple[BudgetRow, ...]:
        found = rules.windows(self._state, self._budgets, user, self._clock.now())
        return tuple(
            BudgetRow(
                name=w.name,
                limit_usd=w.limit_usd,
                spent_usd=w.spent_usd,
                reserved_usd=w.reserved_usd,
                left_usd=w.left_usd,
                warning=w.warning,
            )
            for w in found
        )

    async def _report(self, user: UserId, by: Literal["day", "user", "model", "provider", "job"]) -> CostDocument:
        sql = (
            f"SELECT {_KEYS[by]} AS key, count(DISTINCT job_id), sum(usd_micro) FROM costs "  # noqa: S608 (own names)
            "WHERE user_id = ? GROUP BY key ORDER BY key"
        )
        found = await self._journal.query(sql, (user,))
        rows = tuple(CostRow(key=str(key), jobs=jobs, cost_usd=from_micro(micro)) for key, jobs, micro in found)
        return CostDocument(
            by=by,
            rows=rows,
            total_usd=sum((row.cost_usd for row in rows), ZERO),
            running_usd=self._running(user),
            reserved_usd=self._state.reserved_for(user),
            budgets=self._budget_rows(user),
        )


def _fact(recorded: Recorded) -> JobFact | PredictionFact | None:
    if isinstance(recorded.event, ev.PredictionMade):
        return PredictionFact(fact=recorded.event, at=recorded.at)
    if not recorded.stream.startswith("job/") or not isinstance(recorded.event, MoneyFact):
        return None
    return JobFact(job_id=JobId(recorded.stream.removeprefix("job/")), fact=recorded.event)
