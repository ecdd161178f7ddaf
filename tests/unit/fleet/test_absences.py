"""A machine has vanished when its id is unknown twice, its account answers, and no list shows it meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from actors.fleet.absences import Absences
from actors.fleet.messages import Watched
from actors.runtime.virtual import VirtualClock
from messages.machines import Listing, Machine, MachineState
from providers.fake.cloud import FakeCloud
from providers.fake.settings import FakeSettings
from providers.fake.training import FakeTraining
from providers.interface import Unavailable
from tests.support.jobs import JOB, START, machine
from tests.support.virtual import virtual
from tests.support.watching import watched


class Search:
    """A machine whose id the provider does not know, and who looks for it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.training = FakeTraining(FakeCloud(FakeSettings(), self.clock))
        self.absences = Absences(self.training)

    async def watched(self, **more: Any) -> Watched:
        return watched(**{"account": await self.training.fingerprint(), **more})

    async def vanished(self, watched: Watched) -> bool:
        return await self.absences.confirmed(watched, self.clock) is not None


@virtual
async def test_what_is_unknown_twice_has_vanished_and_waited_for_the_second_look() -> None:
    search = Search()
    began_s = search.clock.monotonic()
    assert await search.vanished(await search.watched())
    assert search.clock.monotonic() - began_s >= search.training.timings.absence_gap_s


@virtual
@pytest.mark.parametrize("when", ["between the looks", "before them"])
async def test_a_list_that_shows_it_between_the_looks_outweighs_them(when: str) -> None:
    search = Search()
    watched = await search.watched()
    if when == "before them":
        search.absences.listed([JOB])
    looking = asyncio.create_task(search.vanished(watched))
    await search.clock.sleep(search.training.timings.absence_gap_s / 2)
    if when == "between the looks":
        search.absences.listed([JOB])
    assert await looking is (when == "before them")


@virtual
async def test_another_account_and_one_that_does_not_answer_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search()
    assert not await search.vanished(await search.watched(account="another"))
    watched = await search.watched()

    async def silent() -> str:
        raise Unavailable("no answer")

    monkeypatch.setattr(search.training, "fingerprint", silent)
    assert not await search.vanished(watched)
    monkeypatch.setattr(search.training, "describe", lambda _: silent())
    assert not await search.vanished(watched)


@virtual
@pytest.mark.parametrize(("state", "vanished"), [(MachineState.GONE, True), (MachineState.UNKNOWN, False)])
async def test_an_id_whose_machine_is_told_to_be_over_is_as_good_as_unknown(
    monkeypatch: pytest.MonkeyPatch, state: MachineState, vanished: bool
) -> None:
    """EC2 tells of an instance for an hour after its end; what is not known is alive."""
    search = Search()

    async def seen(_: str) -> Machine:
        return machine("m1").model_copy(update={"state": state})

    monkeypatch.setattr(search.training, "describe", seen)
    assert await search.vanished(await search.watched()) is vanished


@virtual
async def test_emptiness_counts_only_after_a_while() -> None:
    search = Search()
    gap_s = search.training.timings.absence_gap_s

    def shows(after_s: float, *machines: Any) -> bool:
        at = START + timedelta(seconds=after_s)
        return search.absences.count(Listing(account="a", began=at, ended=at, complete=True, machines=machines))

    assert shows(0.0, machine("m1"))
    assert not shows(1.0)
    assert not shows(2 * gap_s)
    assert shows(1.0 + 2 * gap_s)
    assert shows(2.0 + 2 * gap_s, machine("m1"))
    assert not shows(3.0 + 2 * gap_s)
