"""Logs, bills and exits on the emulated platform. Faults 21, 33, 79."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from messages.machines import Gone
from providers.interface import LogChunk
from tests.emulators.runpod.faults import Switch
from tests.emulators.runpod.runner import NoProgram, PodSpec, Printed
from tests.integration.runpod.kit import House


class Short(NoProgram):
    """A program that ends again and again, 50 s after each start, and prints a line at each."""

    def __init__(self) -> None:
        self.ends: dict[str, float] = {}
        self.said: dict[str, list[Printed]] = {}

    def start(self, pod: PodSpec, now: float) -> None:
        self.ends[pod.id] = now + 50
        self.said.setdefault(pod.id, []).append(Printed(now, f"job {pod.start}"))

    def poll(self, pod_id: str, now: float) -> int | None:
        return 0 if now >= self.ends.get(pod_id, now + 1) else None

    def lines(self, pod_id: str) -> list[Printed]:
        said = self.said.get(pod_id, [])
        self.said[pod_id] = []
        return said

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        self.ends.pop(pod_id, None)

    def next_due(self) -> float | None:
        return min(self.ends.values(), default=None)

    def advance(self, now: float) -> list[str]:
        return [pod_id for pod_id, at in self.ends.items() if at <= now]


async def read(house: House, machine_id: str, after: int = 0) -> list[LogChunk]:
    async def whole() -> list[LogChunk]:
        return [chunk async for chunk in house.training.logs(machine_id, after)]

    return await house.run(whole())


async def test_every_line_is_told_once_over_several_looks() -> None:
    house = House(runner=Short())
    _, machine = await house.launched()
    text, position = "", 0
    for _ in range(5):
        await house.clock.advance(40)
        for chunk in await read(house, machine.id, position):
            text, position = text + chunk.text, chunk.position
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("job ")] == ["job 1", "job 2", "job 3", "job 4"]
    await house.ended(machine)
    await house.close()


@pytest.mark.parametrize(
    "fault", [{"logs_flood": Switch(2000)}, {"logs_gap": Switch(True)}, {"logs_400": Switch(True)}]
)
async def test_a_log_that_misbehaves_stays_bounded_and_ends_nothing(
    house: House, fault: dict[str, Switch[object]]
) -> None:
    request, machine = await house.launched()
    await house.clock.advance(40)
    house.arm(**fault)
    before = house.clock.elapsed
    assert sum(len(chunk.text) for chunk in await read(house, machine.id)) < 1_000_000
    assert house.clock.elapsed - before <= 35
    assert house.living(request.name) == 1
    await house.ended(machine)


async def test_a_stopped_pod_whose_own_lines_are_lost_still_tells_what_the_system_said() -> None:
    """The log files on the volume have the rest (fact sheet 2.4)."""
    house = House(runner=Short())
    _, machine = await house.launched()
    await house.clock.advance(40)
    await house.act(machine, "stop")
    for wait_s, has_own in ((10.0, True), (200.0, False)):
        await house.clock.advance(wait_s)
        text = "".join(chunk.text for chunk in await read(house, machine.id))
        assert ("job 1" in text, "start container" in text) == (has_own, True)
    await house.ended(machine)
    await house.close()


async def test_the_bill_comes_late_and_may_be_corrected(house: House) -> None:
    began = house.clock.now()
    request, machine = await house.launched()
    await house.clock.advance(1000)
    await house.ended(machine)

    async def amounts() -> list[float]:
        until = house.clock.now() + timedelta(hours=1)
        return [float(line.amount_usd) for line in await house.run(house.training.billed(began, until))]

    await house.clock.advance(600)
    [first] = await amounts()
    rate = request.offer.rate_usd_per_hour + request.offer.disk_usd_per_hour
    assert first == pytest.approx(float(rate) * 1000 / 3600, rel=0.05)
    house.arm(billing_fix=Switch(1.1))
    assert await amounts() == [pytest.approx(first * 1.1, rel=0.01)]


async def test_a_bill_that_lags_has_less_on_it_and_all_of_it_once_it_has_caught_up(house: House) -> None:
    """Fault 79. What is missing is not yet billed, and never taken for what a machine cost."""
    began = house.clock.now()
    _, machine = await house.launched()
    await house.clock.advance(7200)
    await house.ended(machine)
    house.arm(billing_lag=Switch(5400.0))

    async def billed() -> float:
        until = house.clock.now() + timedelta(hours=1)
        return sum(float(line.amount_usd) for line in await house.run(house.training.billed(began, until)))

    early = await billed()
    await house.clock.advance(5400 + 600)
    assert 0 < early < 0.7 * await billed()
    assert await billed() == pytest.approx(2 * 0.276, rel=0.1)


async def test_a_container_that_begins_anew_is_told_from_the_listings_that_are_made_anyway() -> None:
    house = House(runner=Short())
    _, machine = await house.launched()
    told = asyncio.create_task(house.training.next_exit())
    for _ in range(40):
        if told.done():
            break
        await house.run(house.training.list_machines())
        await house.clock.advance(5)
    assert await told == machine.id
    assert house.living(machine.name) == 1
    assert isinstance(await house.ended(machine), Gone)
    await house.close()


async def test_waiting_for_exits_costs_no_call_while_somebody_lists(house: House) -> None:
    _, machine = await house.launched()
    told = asyncio.create_task(house.training.next_exit())
    lists = house.calls("pods.list")
    for _ in range(60):
        await house.run(house.training.list_machines())
        await house.clock.advance(5)
    assert house.calls("pods.list") - lists == 60
    await house.ended(machine)
    await house.run(house.training.list_machines())
    await house.clock.advance(5)
    assert await told == machine.id
