"""A pod that is deleted between two pages of a list hides another one: from such lists absence needs two in a row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from messages.machines import Alive, Gone, Machine
from tests.emulators.runpod.faults import Switch
from tests.integration.runpod.kit import House

PAGE = 3
STRANGERS = 3
"""All of the first page: our pod is the first of the second one."""


@pytest.fixture(autouse=True)
def small_pages() -> Iterator[None]:
    with patch("providers.runpod.listing.PAGE_ITEMS", PAGE):
        yield


async def populated(strangers: int = STRANGERS) -> tuple[House, Machine]:
    """Return a house whose account has somebody else's pods on the first page, and a pod of ours that is old enough."""
    house = House()
    house.arm(foreign_pods=Switch(strangers))
    house.platform.tick(house.now())
    house.arm(foreign_pods=Switch(0))
    _, machine = await house.launched()
    await house.clock.advance(600)
    return house, machine


async def test_a_list_that_hid_a_living_pod_proves_no_absence_and_the_next_one_shows_it() -> None:
    house, machine = await populated()
    house.arm(list_mid_delete=Switch(1, calls=1))
    hiding = await house.run(house.training.list_machines())
    assert hiding.complete  # nothing tells it from a whole one
    assert hiding.named(machine.name) == ()
    assert hiding.absent_since(machine.id, machine.name) is None
    shown = await house.run(house.training.list_machines())
    assert [m.id for m in shown.named(machine.name)] == [machine.id]
    await house.close()


async def test_two_lists_of_several_pages_in_a_row_prove_absence_from_the_first_one_on() -> None:
    house, machine = await populated()
    first = await house.run(house.training.list_machines())
    await house.clock.advance(5)
    second = await house.run(house.training.list_machines())
    assert second.absent_since("never-made") == first.began
    assert second.absent_since(machine.name) is None
    await house.close()


async def test_a_machine_that_only_the_list_before_showed_is_not_absent_yet() -> None:
    house, machine = await populated()
    await house.run(house.training.list_machines())
    await house.run(house.training.terminate(machine.id))
    gone = await house.run(house.training.list_machines())
    assert gone.named(machine.name) == ()
    assert gone.absent_since(machine.id) is None
    again = await house.run(house.training.list_machines())
    assert again.absent_since(machine.id) == gone.began
    await house.close()


async def test_a_living_pod_that_get_does_not_find_and_a_list_hides_is_not_proven_gone() -> None:
    house, machine = await populated()
    house.arm(get_404=Switch(True, names=machine.name), list_mid_delete=Switch(1, calls=1))
    assert isinstance(await house.prove(machine), Alive)
    assert house.living(machine.name) == 1
    await house.close()


async def test_the_end_of_a_pod_is_proven_from_lists_of_several_pages_too() -> None:
    house, machine = await populated()
    for number in range(2, 9):
        await house.launched(number)
    await house.clock.advance(600)
    asked = house.calls("pods.list")
    proof = await house.ended(machine)
    assert isinstance(proof, Gone)
    assert "two complete lists" in proof.evidence[1]
    assert house.calls("pods.list") - asked <= 2 * 5
    await house.close()


@pytest.mark.parametrize("phase_s", [0.0, 1.0, 2.0, 3.0, 4.0])
async def test_a_proof_takes_its_two_lists_from_those_that_are_made_anyway(phase_s: float) -> None:
    """Lists do not depend on the number of jobs that close, whenever a proof begins."""
    house, machine = await populated(2 * PAGE)
    made = 0

    async def patrol() -> None:
        nonlocal made
        while True:
            made += 1
            await house.training.list_machines()
            await house.clock.sleep(house.training.timings.list_interval_s)

    house.transport.sent.clear()
    patrolling = asyncio.create_task(patrol())
    await house.clock.advance(30 + phase_s)
    await house.run(house.training.terminate(machine.id))
    proof = await house.prove(machine)
    patrolling.cancel()
    await asyncio.gather(patrolling, return_exceptions=True)
    await house.close()
    assert isinstance(proof, Gone)
    assert "two complete lists" in proof.evidence[1]
    assert sum("/pods?" in sent.url and "cursor=" not in sent.url for sent in house.transport.sent) == made


async def test_the_borders_of_two_lists_in_a_row_lie_in_different_places() -> None:
    """Newest first, what a new pod pushes back over a border could be hidden at the same border once more."""
    house, _ = await populated(8)
    for _ in range(3):
        await house.run(house.training.list_machines())
    limits = [r.url.partition("limit=")[2].partition("&")[0] for r in house.transport.sent if "/pods?" in r.url]
    assert limits == ["3", "3", "3", "2", "2", "2", "2", "2", "3", "3", "3"]
    await house.close()
