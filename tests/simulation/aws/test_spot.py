"""Spot refused, and spot taken in mid-run: the next offer, within money and policy, judged by the auditor. Fault 24."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from actors.supervisor.state import Job
from messages.jobs import JobState, Outcome
from tests.simulation.aws.house import AwsHouse, simulate
from tests.simulation.clouds.auditor import Auditor, Tapped
from tests.simulation.clouds.machines import Work
from tests.support.node import ARTIFACTS

WORK_S = 1_800.0


def works(_name: str, _attempt: int) -> Work:
    return Work(WORK_S, artifacts=ARTIFACTS)


@asynccontextmanager
async def audited(house: AwsHouse) -> AsyncIterator[Auditor]:
    """Let the auditor see everything; all is over and nothing is left in the end."""
    auditor = Auditor(house)
    await house.restart_behind(partial(Tapped, auditor=auditor))
    watch = asyncio.create_task(auditor.watch())
    try:
        yield auditor
        while house.billing() or auditor.ledger.open:
            await house.clock.sleep(1)
        await house.clock.sleep(5)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    auditor.final()


def told(job: Job) -> list[tuple[bool, bool]]:
    """Return of each attempt whether it was spot, and whether it had a machine."""
    return [(a.request.offer.spot, a.machine is not None) for a in job.attempts if a.request]


async def taken(house: AwsHouse, job_id: Any, how: str, after_s: float = 300.0) -> None:
    """Wait for a machine at work, and have AWS take it after a while."""
    await house.until(job_id, JobState.RUNNING)
    await house.clock.sleep(after_s)
    house.faults.arm_json({"spot.kill": how}, house.now())
    house.tick()
    while (await house.job(job_id)).phase is JobState.RUNNING:
        await house.clock.sleep(1)
    house.faults.arm_json({"spot.kill": None}, house.now())


def test_refused_spot_gives_way_to_on_demand() -> None:
    async def story(house: AwsHouse) -> None:
        async with audited(house):
            house.faults.arm_json({"quota.spot": True}, house.now())
            job = await house.ended(await house.train(), Outcome.SUCCEEDED)
            assert told(job) == [(True, False), (True, False), (False, True)]

    simulate(story, works=works)


@pytest.mark.parametrize("how", ["notice", "sudden"])
def test_a_taken_instance_is_followed_by_the_next_offer_and_each_is_paid(how: str) -> None:
    async def story(house: AwsHouse) -> None:
        async with audited(house) as auditor:
            job_id = await house.train()
            await taken(house, job_id, how)
            job = await house.ended(job_id, Outcome.SUCCEEDED)
            assert [machine for _, machine in told(job)] == [True, True]
            first, second = (a.ended.cost_usd for a in job.attempts if a.ended)
            assert 0 < first < second
            assert auditor.ledger.total_usd == first + second

    simulate(story, works=works)


def test_a_second_one_that_is_taken_is_the_last() -> None:
    """The retry policy counts attempts that were paid for."""

    async def story(house: AwsHouse) -> None:
        async with audited(house):
            job_id = await house.train()
            for _ in range(2):
                await taken(house, job_id, "sudden")
            job = await house.ended(job_id, Outcome.INTERRUPTED)
            assert [machine for _, machine in told(job)] == [True, True]

    simulate(story, works=works)


def test_no_next_one_is_rented_once_the_money_is_used_up() -> None:
    async def story(house: AwsHouse) -> None:
        async with audited(house) as auditor:
            cap = Decimal("0.047")
            job_id = await house.train(max_cost_usd=cap, max_runtime_s=3_600)
            await taken(house, job_id, "sudden", 830)
            job = await house.ended(job_id, Outcome.INTERRUPTED)
            assert [machine for _, machine in told(job)] == [True]
            assert auditor.ledger.total_usd <= cap

    simulate(story, works=works)
