"""A pod of setup is ended whatever interrupts, and what could not be proven is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lastcall.setup.ending import INTERRUPTED, StillRuns, end_for_sure, words
from messages.machines import ProviderKind
from providers.interface import Ambiguous, EndAnswer, Unavailable
from tests.emulators.runpod.faults import Switch
from tests.integration.runpod.kit import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    try:
        yield made
    finally:
        await made.close()


async def test_an_interruption_in_the_middle_of_the_end_does_not_stop_it(house: House) -> None:
    request, machine = await house.launched()
    heard: list[str] = []
    work = asyncio.create_task(end_for_sure(house.training, house.clock, request.name, machine, {}, heard.append))
    await house.clock.advance(1)
    assert not work.done()
    work.cancel()
    while not work.done():
        await house.clock.advance(1)
    assert work.cancelled()
    assert heard == [INTERRUPTED]
    assert house.living(request.name) == 0
    assert house.clock.elapsed > 100, "the proof was waited for"


async def test_what_a_lost_create_made_late_is_found_and_ended(house: House) -> None:
    request = await house.request()
    house.arm(create_materialise_after=Switch(90.0))
    with pytest.raises(Ambiguous):
        await house.run(house.training.launch(request))
    await house.run(end_for_sure(house.training, house.clock, request.name, None, {}))
    await house.clock.advance(600)
    assert house.living(request.name) == 0


async def test_a_create_that_made_nothing_is_believed_after_the_quiet_time_only(house: House) -> None:
    request = await house.request()
    await house.run(end_for_sure(house.training, house.clock, request.name, None, {}))
    assert house.clock.elapsed >= 180


async def test_a_pod_that_cannot_be_proven_gone_is_named(house: House) -> None:
    request, machine = await house.launched()
    house.arm(delete_fail=Switch(503))
    with pytest.raises(StillRuns, match=request.name):
        await house.run(end_for_sure(house.training, house.clock, request.name, machine, {}))
    house.heal()
    await house.run(end_for_sure(house.training, house.clock, request.name, machine, {}))
    assert house.living(request.name) == 0


async def test_an_end_that_takes_long_is_told_of_while_it_does(house: House) -> None:
    request, machine = await house.launched()
    house.arm(delete_fail=Switch(503))
    heard: list[str] = []
    with pytest.raises(StillRuns):
        await house.run(end_for_sure(house.training, house.clock, request.name, machine, {}, heard.append))
    assert len(heard) == 1
    assert request.name in heard[0]


async def test_a_machine_that_resists_keeps_no_other_of_its_name_running(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A create without an answer may have made two; both are asked to end, whatever becomes of either."""
    house.arm(name_dup=Switch(1))
    request, first = await house.launched()
    assert house.living(request.name) == 2
    sound = house.training.terminate

    async def resists(machine_id: str) -> EndAnswer:
        if machine_id == first.id:
            raise Unavailable("not now")
        return await sound(machine_id)

    monkeypatch.setattr(house.training, "terminate", resists)
    with pytest.raises(StillRuns, match=request.name):
        await house.run(end_for_sure(house.training, house.clock, request.name, None, {}))
    assert house.living(request.name) == 1


@pytest.mark.parametrize(("kind", "where"), [("runpod", "RunPod"), ("aws", "EC2"), ("fake", "provider's")])
def test_what_is_left_is_told_with_the_console_of_its_provider(kind: ProviderKind, where: str) -> None:
    assert where in words(kind, "lc1-x")


async def test_a_search_that_never_gets_an_answer_ends_and_says_the_name(house: House) -> None:
    request = await house.request()
    house.transport.cut_off = True
    with pytest.raises(StillRuns, match=request.name):
        await house.run(end_for_sure(house.training, house.clock, request.name, None, {}))
