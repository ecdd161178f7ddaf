"""Crash at any commit, then restart: the same final state as without a crash (rule 10, fault 43).

The same once more with the answer of the create lost: then nobody knows the machine's id, and its name must do.
"""

from __future__ import annotations

import asyncio
from functools import partial

from actors.runtime.errors import ActorError
from messages.ids import CommandId, JobId
from messages.jobs import JobState, Outcome
from providers.interface import ProviderError
from tests.simulation.clouds.auditor import Auditor, Tapped
from tests.simulation.clouds.house import CloudHouse, simulate
from tests.simulation.clouds.machines import Work
from tests.support.node import ARTIFACTS

COMMAND = CommandId("api:0:the-one-order")
APPENDS_MIN = 14
"""A job makes at least this many appends; fewer would mean that the count is wrong."""
DOWN_S = 45.0


def works(_name: str, _attempt: int) -> Work:
    return Work(20.0, artifacts=ARTIFACTS)


async def order(house: CloudHouse, dataset: str) -> JobId:
    """Ask until there is an answer, as a client does: with the same key."""
    while True:
        try:
            return await house.train(command=COMMAND, dataset=dataset)
        except (ActorError, ProviderError, TimeoutError):
            await house.clock.sleep(1)


async def one_crash(house: CloudHouse, at: int, *, after: bool, lost: bool) -> int:
    """Let the daemon die at its ``at``-th append (0: never) and return how many appends there were."""
    auditor = Auditor(house)
    dataset = await house.upload()
    tap = await house.restart_behind(partial(Tapped, auditor=auditor, at=at, after=after))
    if lost:
        house.lose_create()
    watch = asyncio.create_task(auditor.watch())
    customer = asyncio.create_task(order(house, dataset))
    if at:
        await tap.died.wait()
        auditor.died()
        auditor.blinded()
        await house.stop()
        await house.clock.sleep(DOWN_S if after else 0)
        await house.start(wrap=partial(Tapped, auditor=auditor))
        auditor.dead_since = None
        auditor.sees()
    job_id = await customer
    await house.closed(job_id)
    while house.billing() or auditor.ledger.open:
        await house.clock.sleep(1)
    await house.clock.sleep(5)
    appends = tap.count
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await check(house, auditor, job_id)
    return appends


async def check(house: CloudHouse, auditor: Auditor, job_id: JobId) -> None:
    """Closed once with its model, settled once, one machine at most, and no work was done twice."""
    auditor.final()
    job = await house.job(job_id)
    assert job.phase is JobState.CLOSED
    assert job.closed is not None
    assert (job.closed.outcome, job.closed.model_id is not None) == (Outcome.SUCCEEDED, True)
    kinds = await house.kinds(f"job/{job_id}")
    assert (kinds.count("job.closed"), kinds[-1]) == (1, "job.closed")
    ledger = await house.kinds("ledger")
    assert ledger.count("ledger.settled") == 1
    assert ledger.count("ledger.reserved") == ledger.count("ledger.released")
    assert sum(1 for attempt in job.attempts if attempt.machine) == 1
    assert len(house.machines.started) == 1
    assert len([life for life in house.lives() if not life.foreign]) == 1


def crash(cloud: type[CloudHouse], *, at: int, after: bool, lost: bool) -> int:
    """Run one job with a crash at its ``at``-th append; return how many appends there were."""
    return simulate(cloud, partial(one_crash, at=at, after=after, lost=lost), works=works)


def crash_everywhere(cloud: type[CloudHouse], *, after: bool, lost: bool) -> None:
    """Count the appends of a job without a crash, then crash at each of them."""
    appends = crash(cloud, at=0, after=after, lost=lost)
    if appends < APPENDS_MIN:
        raise AssertionError(f"only {appends} appends were counted")
    for at in range(1, appends + 1):
        crash(cloud, at=at, after=after, lost=lost)
