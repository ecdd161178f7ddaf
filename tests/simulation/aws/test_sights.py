"""An instance that EC2 shows here and not there: what it says of an id alone is no proof against its own lists."""

from __future__ import annotations

import pytest

from messages.jobs import JobState, Outcome
from tests.simulation.aws.house import AwsHouse, simulate
from tests.simulation.clouds.machines import Work
from tests.support.node import ARTIFACTS

WORK_S = 300.0
LAG_S = 40.0
"""Longer than work takes to begin, so that lists lack a machine that works."""


@pytest.mark.parametrize("lag_s", [LAG_S, 600.0], ids=["listed late", "never listed"])
def test_a_machine_that_is_listed_or_beats_has_not_vanished_whatever_is_said_of_its_id(lag_s: float) -> None:
    """Fault 18: missing at first, and "not found" by its id a minute later, while a list or its heartbeat shows it."""

    async def story(house: AwsHouse) -> None:
        house.faults.arm_json({"describe.lag": lag_s}, house.now())
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        house.faults.arm_json({"list.not_found": True}, house.now())
        await house.clock.sleep(WORK_S - 5)
        house.heal()
        job = await house.ended(job_id, Outcome.SUCCEEDED)
        assert len([one for one in job.attempts if one.machine is not None]) == 1

    simulate(story, works=lambda _name, _attempt: Work(WORK_S, artifacts=ARTIFACTS))
