"""A reading of thousands of bills is booked a few at a time, and a crash in the middle of it changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.journal.interface import JournalUnavailable
from actors.ledger.bookings import SLICE_BILLS
from actors.ledger.requests import BookBills, BookMore, CostReport, JobBill, MoneyTotals, ReserveMoney
from messages.ids import JobId
from tests.support.desk import Desk
from tests.support.jobs import JOB, USER, offer
from tests.support.virtual import virtual

SLICES = 4
JOBS = [JobId.derived("bookings", str(number)) for number in range(SLICES * SLICE_BILLS)]


def bills(amount: str = "1.5") -> BookBills:
    found = (JobBill(job_id=job_id, billed_usd=Decimal(amount), machines=("m",)) for job_id in JOBS)
    return BookBills(bills=tuple(found), provider="fake")


@asynccontextmanager
async def closed() -> AsyncIterator[Desk]:
    """A desk whose jobs are over for as long as a bill takes."""
    desk = Desk()
    async with desk.open():
        for job_id in JOBS:
            await desk.closed(job_id)
        await desk.clock.sleep(timedelta(hours=4).total_seconds())
    yield desk


async def books(desk: Desk) -> tuple[object, list[str]]:
    report = await desk.ask(CostReport(user_id=USER, by="job"))
    return report.model_copy(update={"running_usd": Decimal(0)}), sorted(await desk.kinds())


@virtual
async def test_whoever_asks_meanwhile_does_not_wait_for_all_bills() -> None:
    async with closed() as desk, desk.open():
        desk.journal.pause_s = 1.0
        booking = asyncio.create_task(desk.ask(bills()))
        await desk.clock.sleep(1.5)
        asked = ReserveMoney(
            job_id=JOB, user_id=USER, attempt=1, offer=offer(), cap_left_usd=Decimal(1), max_runtime_s=600
        )
        await desk.ask(asked)
        kinds = await desk.kinds()
        assert kinds[: kinds.index("reserved")].count("billed") == 2 * SLICE_BILLS
        assert await booking == len(JOBS)
        assert (await desk.kinds()).count("billed") == len(JOBS)


@virtual
async def test_each_few_bills_are_one_append() -> None:
    async with closed() as desk, desk.open():
        desk.journal.taken = SLICES
        assert await desk.ask(bills()) == len(JOBS)
        assert desk.journal.taken == 0


@pytest.mark.parametrize("slices", range(SLICES))
@virtual
async def test_a_crash_in_the_middle_leaves_what_no_crash_leaves(slices: int) -> None:
    async with closed() as desk, desk.open():
        await desk.ask(bills())
        whole = await books(desk)
    async with closed() as desk:
        async with desk.open():
            desk.journal.taken = slices
            with pytest.raises(JournalUnavailable):
                await desk.ask(bills())
            assert (await desk.kinds()).count("corrected") == slices * SLICE_BILLS
        async with desk.open():
            assert await desk.ask(bills()) == len(JOBS) - slices * SLICE_BILLS
            assert await books(desk) == whole
            assert await desk.ask(bills()) == 0
            assert await books(desk) == whole


@virtual
async def test_who_asks_no_more_does_not_keep_bills_from_being_booked() -> None:
    async with closed() as desk, desk.open():
        asking = asyncio.create_task(desk.ask(bills()))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await desk.clock.sleep(1)
        assert (await desk.kinds()).count("billed") == len(JOBS)


@virtual
async def test_two_readings_at_once_are_booked_one_after_the_other() -> None:
    async with closed() as desk, desk.open():
        first, second = await asyncio.gather(desk.ask(bills("1.5")), desk.ask(bills("2")))
        assert (first, second) == (len(JOBS), len(JOBS))
        assert (await desk.ask(CostReport(user_id=USER, by="job"))).total_usd == 2 * len(JOBS)


@virtual
async def test_a_job_that_stands_twice_in_a_reading_is_booked_by_its_last_bill() -> None:
    async with closed() as desk, desk.open():
        twice = tuple(JobBill(job_id=JOBS[0], billed_usd=Decimal(n), machines=("m",)) for n in (2, 3))
        assert await desk.ask(BookBills(bills=twice, provider="fake")) == 2
        assert (await desk.ask(CostReport(user_id=USER, by="job"))).total_usd == len(JOBS) - 1 + 3


@virtual
async def test_what_an_instance_before_wanted_to_book_is_no_failure_of_this_one() -> None:
    async with closed() as desk, desk.open():
        desk.ledger.tell(BookMore())
        assert await desk.ask(MoneyTotals())
        assert await desk.ask(BookBills(bills=(), provider="fake")) == 0
