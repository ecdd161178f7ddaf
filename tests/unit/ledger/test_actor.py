"""The ledger over a journal: it books what it hears once, catches up after a restart, and a full disk loses nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from actors.journal.interface import JournalUnavailable
from actors.ledger.budgets import Budgets
from actors.ledger.requests import (
    BookBills,
    BudgetsLeft,
    CostReport,
    JobBill,
    MoneyTotals,
    OpenBills,
    ReserveMoney,
)
from messages import events as ev
from messages.errors import Refusal
from messages.ids import JobId, ModelId, PredictionId
from messages.jobs import Outcome
from tests.support.desk import Desk
from tests.support.jobs import JOB, START, USER, gone, machine, offer, queued
from tests.support.virtual import virtual

OTHER = JobId("job_bbbbbbbbbb")


def orphan(job_id: JobId | None = JOB, machine_id: str = "late") -> ev.OrphanGone:
    late = machine("n", machine_id)
    return ev.OrphanGone(machine=late, job_id=job_id, reason="r", proof=gone(START), cost_usd=Decimal("0.25"), at=START)


def reserving(attempt: int = 1) -> ReserveMoney:
    return ReserveMoney(
        job_id=JOB, user_id=USER, attempt=attempt, offer=offer(), cap_left_usd=Decimal(1), max_runtime_s=600
    )


def prediction(prediction_id: str) -> ev.PredictionMade:
    return ev.PredictionMade(
        prediction_id=PredictionId(prediction_id),
        user_id=USER,
        model_id=ModelId("mdl_mmmmmmmmmm"),
        key="k",
        rows=1,
        cost_usd=Decimal("0.01"),
    )


@virtual
async def test_the_same_attempt_gets_the_same_reservation_and_a_closed_job_none() -> None:
    desk = Desk()
    async with desk.open():
        held = await desk.ask(reserving())
        assert await desk.ask(reserving()) == held
        assert (await desk.ask(MoneyTotals())).reserved_usd == held.hold_usd
        await desk.closed()
        assert await desk.kinds() == ["reserved", "released", "settled"]
        with pytest.raises(Refusal, match="E-NOTFOUND"):
            await desk.ask(reserving(2))


@virtual
async def test_a_machine_found_late_is_booked_to_who_ordered_its_job_and_without_a_job_to_nobody() -> None:
    desk = Desk()
    async with desk.open(Budgets(total_usd=Decimal(2))):
        await desk.closed()
        for found in (orphan(), orphan(), orphan(None, "nobodys"), orphan(OTHER, "unknown")):
            await desk.tell("fleet", found)
        assert await desk.kinds() == ["settled", "corrected"]
        [row] = await desk.ask(BudgetsLeft(user_id=USER))
        assert row.spent_usd == Decimal("0.25")
        report = await desk.ask(CostReport(user_id=USER, by="provider"))
        assert [(r.key, r.jobs, r.cost_usd, r.difference_usd) for r in report.rows] == [
            ("fake", 1, Decimal("1.25"), None)
        ]


@virtual
async def test_the_ledger_warns_from_the_configured_share_on() -> None:
    for share, said in (("0.7", "70% used or more"), ("0.8", "50% used or more")):
        desk = Desk()
        async with desk.open(Budgets(total_usd=Decimal("0.24"), warning_share=Decimal(share))):
            await desk.ask(reserving())
            [row] = await desk.ask(BudgetsLeft(user_id=USER))
            assert 0.7 < row.reserved_usd / row.limit_usd < 0.8
            assert row.warning == said


@virtual
async def test_what_happened_while_nobody_booked_is_booked_at_the_start_and_once() -> None:
    desk = Desk()
    async with desk.open():
        await desk.tell("prediction/prd_pppppppppp", prediction("prd_pppppppppp"))
        desk.journal.full = True
        await desk.tell("prediction/prd_qqqqqqqqqq", prediction("prd_qqqqqqqqqq"))
        await desk.closed()
        await desk.tell("fleet", orphan())
        assert await desk.kinds() == ["spent"]
    for _ in range(2):
        async with desk.open():
            assert sorted(await desk.kinds()) == ["corrected", "settled", "spent", "spent"]


@virtual
async def test_a_job_that_closed_while_nobody_booked_costs_what_its_attempt_cost() -> None:
    desk = Desk()
    async with desk.open():
        held = await desk.ask(reserving())
        desk.journal.full = True
        reserved = ev.MoneyReserved(
            attempt=1, reservation=held.reservation, hold_usd=held.hold_usd, at=desk.clock.now()
        )
        ended = ev.AttemptEnded(attempt=1, rate_usd_per_hour=Decimal(0), fixed_usd=Decimal(0), cost_usd=Decimal("0.4"))
        over = ev.JobClosed(outcome=Outcome.SUCCEEDED, cost_usd=Decimal("0.4"), at=desk.clock.now())
        await desk.tell(f"job/{JOB}", queued(job_id=JOB), reserved, ended, over)
    async with desk.open(Budgets(total_usd=Decimal(2))):
        assert await desk.kinds() == ["reserved", "released", "settled"]
        [row] = await desk.ask(BudgetsLeft(user_id=USER))
        assert (row.spent_usd, row.reserved_usd) == (Decimal("0.4"), Decimal(0))


@virtual
async def test_a_full_disk_delays_bookings_and_loses_none() -> None:
    """Fault 45."""
    desk = Desk()
    async with desk.open():
        desk.journal.full = True
        await desk.closed()
        await desk.tell("fleet", orphan())
        await desk.clock.sleep(60)
        assert await desk.kinds() == []
        desk.journal.full = False
        await desk.clock.sleep(2)
        assert await desk.kinds() == ["settled", "corrected"]


@virtual
async def test_bills_the_disk_did_not_take_are_booked_when_they_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.ledger.bookings.SLICE_BILLS", 1)
    desk = Desk()
    async with desk.open():
        for job_id in (JOB, OTHER):
            await desk.closed(job_id)
        assert await desk.ask(OpenBills()) == ()
        await desk.clock.sleep(timedelta(hours=4).total_seconds())
        assert [one.job_id for one in await desk.ask(OpenBills())] == [JOB, OTHER]
        bills = tuple(JobBill(job_id=j, billed_usd=Decimal("1.5"), machines=("m",)) for j in (JOB, OTHER))
        desk.journal.taken = 1
        with pytest.raises(JournalUnavailable):
            await desk.ask(BookBills(bills=bills, missing=(OTHER, JobId("job_cccccccccc"))))
        assert await desk.kinds() == ["settled", "settled", "billed", "corrected"]
        assert (await desk.ask(CostReport(user_id=USER, by="job"))).unbilled_jobs == 1
        desk.journal.taken = None
        assert await desk.ask(BookBills(bills=bills)) == 1
        report = await desk.ask(CostReport(user_id=USER, by="job"))
        assert (report.total_usd, report.difference_usd, report.unbilled_jobs) == (Decimal(3), Decimal(1), 0)
    async with desk.open():
        assert await desk.ask(BookBills(bills=bills)) == 0
        assert (await desk.ask(MoneyTotals())).spent_today_usd == Decimal(1)


@virtual
async def test_what_one_providers_bill_lacks_is_not_forgotten_when_another_ones_comes() -> None:
    desk = Desk()
    async with desk.open():
        for job_id in (JOB, OTHER):
            await desk.closed(job_id)
        await desk.ask(BookBills(bills=(), missing=(JOB,), provider="runpod"))
        await desk.ask(BookBills(bills=(), missing=(OTHER,), provider="aws"))
        assert (await desk.ask(CostReport(user_id=USER, by="job"))).unbilled_jobs == 2
        await desk.ask(BookBills(bills=(), provider="runpod"))
        assert (await desk.ask(CostReport(user_id=USER, by="job"))).unbilled_jobs == 1
