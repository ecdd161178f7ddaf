"""A pod's console while somebody looks: no call before and none after (fact sheet 2.4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.views.console import READERS_MAX
from messages.documents import ConsoleOut
from messages.errors import Refusal
from messages.jobs import JobState
from providers.interface import Unavailable
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ANA, BEN

LOGS = "pods.logs"


async def taken(house: RunPodHouse, ref: str, after: str = "0:0", *, follow: bool = False) -> list[ConsoleOut]:
    return [piece async for piece in console(house, ref, after, follow=follow)]


def console(house: RunPodHouse, ref: str, after: str = "0:0", *, follow: bool = False, who: Any = ANA) -> Any:
    attempt, _, position = after.partition(":")
    return house.node.services.views.console(who, ref, int(attempt), int(position), follow)


def test_a_living_pods_console_is_read_on_from_where_it_was_left() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        assert house.platform.calls[LOGS] == 0
        first = await taken(house, job_id)
        assert "image" in "".join(piece.text for piece in first)
        assert all(piece.position.startswith("1:") for piece in first)
        assert await taken(house, job_id, first[-1].position) == []
        calls = house.platform.calls[LOGS]
        await house.closed(job_id)
        assert house.platform.calls[LOGS] == calls

    simulate(story)


def test_another_users_console_is_not_there() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        with pytest.raises(Refusal, match="E-NOTFOUND"):
            await anext(console(house, job_id, who=BEN))
        assert house.platform.calls[LOGS] == 0
        await house.closed(job_id)

    simulate(story)


def test_a_console_is_followed_from_before_the_machine_to_the_end_of_the_job() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        pieces = await taken(house, job_id, follow=True)
        assert "image" in "".join(piece.text for piece in pieces)
        assert (await house.job(job_id)).phase is JobState.CLOSED
        calls = house.platform.calls[LOGS]
        await house.clock.sleep(600)
        assert house.platform.calls[LOGS] == calls

    simulate(story)


def test_a_reader_that_leaves_ends_the_questions() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        source = console(house, job_id, follow=True)
        await anext(source)
        await source.aclose()
        calls = house.platform.calls[LOGS]
        await house.closed(job_id)
        assert house.platform.calls[LOGS] == calls

    simulate(story)


def test_when_pod_and_console_are_gone_it_is_said_with_what_is_left_to_read() -> None:
    async def story(house: RunPodHouse) -> None:
        job = await house.closed(await house.train())
        await house.clock.sleep(3600)
        with pytest.raises(Refusal, match="is gone") as caught:
            await taken(house, job.id)
        assert caught.value.code == "E-NOTFOUND"
        assert caught.value.extra["hint"].endswith(f"lastcall logs {job.name}")

    simulate(story)


def test_a_job_without_a_machine_has_no_console() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        with pytest.raises(Refusal, match="has no machine"):
            await taken(house, job_id)
        await house.closed(job_id)

    simulate(story)


def test_a_provider_that_does_not_answer_is_asked_again_while_it_is_followed() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        house.transport.cut_off = True
        with pytest.raises(Unavailable):
            await taken(house, job_id)
        source = console(house, job_id, follow=True)
        first = asyncio.ensure_future(anext(source))
        await house.clock.sleep(10)
        house.heal()
        assert (await first).text
        await source.aclose()
        await house.closed(job_id)

    simulate(story)


def test_only_so_many_read_consoles_at_a_time() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        sources = [console(house, job_id, follow=True) for _ in range(READERS_MAX)]
        for source in sources:
            await anext(source)
        with pytest.raises(Refusal, match="E-BUSY"):
            await anext(console(house, job_id))
        await sources[0].aclose()
        assert await taken(house, job_id)
        for source in sources[1:]:
            await source.aclose()
        await house.closed(job_id)

    simulate(story)
