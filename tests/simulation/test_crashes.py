"""Crash at any commit, then restart: the same final state as without a crash (rule 10 of the design, fault 43)."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from actors.runtime.errors import ActorError
from messages.admin import StopJob
from messages.ids import CommandId, JobId
from messages.jobs import JobState, Outcome
from tests.support.journals import Mortal
from tests.support.node import ANA, ASK_S, NodeKit, virtually

pytestmark = pytest.mark.no_cover
"""The same job again and again, with steps that others take too."""

COMMAND = CommandId("api:0:the-one-order")
APPENDS_MIN = 14
"""A job makes at least this many appends; fewer would mean that the count is wrong."""


async def order(house: NodeKit, dataset: str) -> JobId:
    """Ask until there is an answer, as a client does: with the same key."""
    while True:
        try:
            return await house.train(command=COMMAND, dataset=dataset)
        except (ActorError, TimeoutError):
            await house.clock.sleep(1)


async def one_crash(house: NodeKit, at: int, *, after: bool, stop: bool) -> None:
    dataset = await house.upload()
    mortal = await house.restart_behind(partial(Mortal, at=at, after=after))
    customer = asyncio.create_task(order(house, dataset))
    halting = asyncio.create_task(stop_when_running(house)) if stop else None
    await mortal.died.wait()
    # What the machine does meanwhile goes on without the daemon; afterwards it may be over, or not.
    await house.clock.sleep(45 if after else 0)
    await house.restart()
    job_id = await customer
    if halting:
        await halting
    await house.ended(job_id, *((Outcome.SUCCEEDED, Outcome.CANCELLED) if stop else (Outcome.SUCCEEDED,)))
    await house.clock.sleep(5)
    await check(house, job_id)


async def stop_when_running(house: NodeKit) -> None:
    """Stop the job once it runs, asking again with the same key until there is an answer."""
    job_id = JobId.derived(COMMAND)
    while "job.work_started" not in await house.kinds(f"job/{job_id}"):
        await house.clock.sleep(0.25)
    while True:
        try:
            asked = StopJob(command_id=CommandId("api:0:the-one-stop"), requester=ANA, job_id=job_id)
            await house.node.dispatcher.ask(asked, ASK_S)
            return
        except (ActorError, TimeoutError):
            await house.clock.sleep(1)


async def check(house: NodeKit, job_id: JobId) -> None:
    """Closed once, settled once, nothing bills, and no work was done twice."""
    kinds = await house.kinds(f"job/{job_id}")
    assert kinds.count("job.closed") == 1
    assert kinds[-1] == "job.closed"
    ledger = await house.kinds("ledger")
    assert ledger.count("ledger.settled") == 1
    assert ledger.count("ledger.reserved") == ledger.count("ledger.released")
    assert house.billing() == 0
    job = await house.job(job_id)
    assert house.cloud.launches <= 1
    assert sum(1 for a in job.attempts if a.machine) <= 1
    assert job.phase is JobState.CLOSED


async def count_appends(house: NodeKit) -> int:
    dataset = await house.upload()
    mortal = await house.restart_behind(partial(Mortal, at=0, after=False))
    await house.closed(await order(house, dataset))
    await house.clock.sleep(5)
    return mortal.count


@pytest.fixture(scope="module")
def appends() -> int:
    return virtually(count_appends)


@pytest.mark.parametrize("stop", [False, True], ids=["left-alone", "stopped"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_append_changes_nothing_of_the_end(appends: int, after: bool, stop: bool) -> None:
    assert appends >= APPENDS_MIN
    for at in range(1, appends + 1):
        virtually(partial(one_crash, at=at, after=after, stop=stop))
