"""The rent of a store: booked to whoever runs the node, with what its bill says, and silent stores stop nothing."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from actors.ledger.requests import BookRentBill, BookStored, RentBillFrom
from actors.runtime.virtual import VirtualClock
from actors.storage.rent import Rent
from actors.storage.standing import DAILY_S, FIRST_S, SpaceMeter
from messages.ids import UserId
from providers.interface import RentedSpace, RentsSpace, SpaceLine, Unavailable
from providers.runpod.training import RunPodTraining
from tests.support.jobs import START
from tests.support.runpod_wire import Wire, account
from tests.support.virtual import virtual

OWNER = UserId("usr_aaaaaaaaaa")
GIB = 1 << 30


class Volume:
    """A store of 2 GB for ten cents a month."""

    def __init__(self) -> None:
        self.fails = 0
        self.asked: list[tuple[datetime, datetime]] = []

    async def space(self) -> RentedSpace:
        if self.fails:
            self.fails -= 1
            raise Unavailable("503")
        return RentedSpace(2, Decimal("0.10"), date(2026, 10, 1))

    async def space_billed(self, since: datetime, until: datetime) -> list[SpaceLine]:
        self.asked.append((since, until))
        return [SpaceLine(since, until, Decimal("0.001"))]


class Ledger:
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.since: datetime | None = None

    async def ask(self, request: Any, _: float) -> Any:
        self.asked.append(request)
        return self.since if isinstance(request, RentBillFrom) else 1


@virtual
async def test_the_whole_size_is_booked_to_whoever_runs_the_node_and_the_bill_read_where_it_may_be_new() -> None:
    clock, ledger, volume = VirtualClock(START), Ledger(), Volume()
    rent = Rent("runpod", volume, OWNER, clock, ledger, lambda *_, **__: None)  # type: ignore[arg-type]
    await rent.look()
    booked, _ = ledger.asked
    assert isinstance(booked, BookStored)
    assert (booked.rented, booked.usd_per_gb_month) == (True, Decimal("0.05"))
    assert [(kept.user_id, kept.size_bytes) for kept in booked.users] == [(OWNER, 2 * GIB)]
    assert volume.asked == []
    ledger.since = START
    await clock.sleep(60)
    await rent.look()
    assert volume.asked == [(START, clock.now())]
    billed = ledger.asked[-1]
    assert isinstance(billed, BookRentBill)
    assert [(line.began, line.amount_usd) for line in billed.lines] == [(START, Decimal("0.001"))]


@virtual
async def test_a_store_that_does_not_answer_is_asked_again_the_next_day() -> None:
    clock, ledger, volume, told = VirtualClock(START), Ledger(), Volume(), []
    volume.fails = 1

    def log(event: str, **_: Any) -> None:
        told.append(event)

    rent = Rent("runpod", volume, OWNER, clock, ledger, log)  # type: ignore[arg-type]
    meter = SpaceMeter({}, {"runpod": rent}, clock, ledger, log)  # type: ignore[arg-type]
    assert meter.has_work
    task = asyncio.get_running_loop().create_task(meter.run())
    await clock.sleep(FIRST_S + 1)
    assert (ledger.asked, told) == ([], ["space_not_measured"])
    await clock.sleep(DAILY_S)
    assert told[1:] == ["rent_booked"]
    task.cancel()


def test_runpod_rents_space() -> None:
    assert isinstance(RunPodTraining(account(Wire())), RentsSpace)
