"""The network volume costs money every hour: the books against the emulated RunPod's own bills (I8, R8.1)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from actors.ledger.budgets import Budgets
from actors.ledger.requests import CostReport
from actors.storage.rent import Rent
from actors.storage.standing import SpaceMeter
from messages import events as ev
from providers.runpod.provider import build_runpod_training
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.settings import MAIN_KEY
from tests.emulators.runpod.wire import Request, Surface
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.desk import Desk
from tests.support.jobs import USER
from tests.support.node import ANA
from tests.support.runpod_sim import VOLUME, SimTransport, settings, with_volume
from tests.support.virtual import virtual

DAY_S = 86_400.0
DAYS = 31
DEARER = Decimal("1.05")


@virtual
async def test_over_a_month_the_books_have_what_the_volume_is_billed() -> None:
    """It grows, is not reached for days, nobody looks for some, and RunPod bills a twentieth more than it lists."""
    desk = Desk()
    clock = desk.clock
    began = clock.now()
    platform = with_volume(Platform(now=began.timestamp()), began.timestamp())
    platform.faults.arm_json({"billing.fix": {"value": float(DEARER)}}, began.timestamp())
    transport = SimTransport(platform, clock)
    training = build_runpod_training(settings(), clock, transport)

    async def looked_after(days: float) -> None:
        rent = Rent("runpod", training, USER, clock, desk.ledger, lambda *_, **__: None)
        meter = SpaceMeter({}, {"runpod": rent}, clock, desk.ledger, lambda *_, **__: None)
        task = asyncio.get_running_loop().create_task(meter.run())
        await clock.sleep(days * DAY_S)
        task.cancel()

    async with desk.open(Budgets(per_month_usd=Decimal(10))):
        await looked_after(8)
        grown = Request(
            Surface.REST,
            "PATCH",
            f"/v2/network-volumes/{VOLUME}",
            "",
            {"authorization": f"Bearer {MAIN_KEY}", "user-agent": "a person"},
            b'{"size": 80}',
        )
        assert platform.handle(grown, clock.now().timestamp()).status == 200
        await looked_after(7)
        transport.cut_off = True
        await looked_after(3)
        transport.cut_off = False
    await clock.sleep(4 * DAY_S)  # nobody is there
    async with desk.open(Budgets(per_month_usd=Decimal(10))):
        await looked_after(DAYS - (clock.now() - began).total_seconds() / DAY_S)
        report = await desk.ask(CostReport(user_id=USER, by="provider"))
        [row], [budget] = report.rows, report.budgets
        stored = [r.event for r in await desk.journal.read("ledger") if isinstance(r.event, ev.Stored)]
    await training.close()
    lines = platform.ledger.of(VOLUME)
    billed = DEARER * sum((line.amount(_midnight_after(stored[-1])) for line in lines), Decimal(0))
    assert billed > 4
    assert abs(row.cost_usd - billed) <= max(Decimal("0.01"), billed / 100)
    listed = sum((event.amount_usd for event in stored), Decimal(0))
    assert abs(listed - billed) > billed / 100  # without the bill the books would be off
    assert (row.jobs, report.difference_usd) == (0, row.cost_usd - listed)
    assert budget.spent_usd > 0


def _midnight_after(event: ev.Stored) -> float:
    return (event.at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)).timestamp()


def test_a_node_books_its_volume_once_a_day_and_holds_it_in_the_budgets() -> None:
    async def story(house: RunPodHouse) -> None:
        await house.closed(await house.train())
        await house.clock.sleep(900)
        await house.restart()
        await house.clock.sleep(900)
        for _ in range(2):
            await house.away(DAY_S)
            await house.clock.sleep(900)
        events = [r.event for r in await house.journal.read("ledger")]
        booked = [event for event in events if isinstance(event, ev.Stored)]
        assert [(event.user_id, event.rented) for event in booked] == [(ANA.user_id, True)] * 3
        assert any(isinstance(event, ev.StoredBilled) for event in events)
        report = await house.node.services.views.costs(ANA, "provider")
        [kept], [budget] = report.stored, report.budgets
        assert (kept.rented, kept.usd_per_month) == (True, Decimal("3.50"))
        assert report.total_usd == sum(row.cost_usd for row in report.rows)
        assert budget.spent_usd >= report.total_usd > Decimal("0.3")
        assert budget.reserved_usd > 0

    simulate(story, settings={"budgets": {"per_month_usd": "50"}})
