"""A machine whose journal is gone: a new process finds it by its name and its job folder. Faults 48 and 53."""

from __future__ import annotations

from typing import Any

from messages.ids import JobId
from messages.jobs import JobState, Outcome
from messages.upkeep import Reconcile, ReconcileDocument, ReconcileOrder
from tests.simulation.clouds.house import CloudHouse, simulate
from tests.simulation.clouds.machines import Work
from tests.support.node import ANA, ARTIFACTS

ASK_S = 900.0
WORK_S = 900.0
LONG_S = 3_000.0
LOST_AFTER_S = 300.0


async def reconcile(house: CloudHouse, **order: object) -> ReconcileDocument:
    """Ask for a judgement of every machine."""
    asked = Reconcile(requester=ANA, order=ReconcileOrder.model_validate(order))
    found: ReconcileDocument = await house.node.reconciler.ask(asked, ASK_S)
    return found


async def without_its_journal(house: CloudHouse) -> JobId:
    """Let a job run, and lose the journal that knows of it."""
    job_id = await house.train()
    await house.until(job_id, JobState.RUNNING)
    await house.clock.sleep(LOST_AFTER_S)
    await house.lose_journal()
    await house.start()
    await house.clock.sleep(30)
    return job_id


async def taken_over(house: CloudHouse) -> None:
    """Take it over; it ends with model, proof and cost."""
    job_id = await without_its_journal(house)
    assert house.billing() == 1
    (row,) = [row for row in (await reconcile(house)).machines if row.whose != "foreign"]
    assert (row.whose, row.does, row.job_id) == ("second_writer", "adopt", job_id)
    assert row.age_s > LOST_AFTER_S
    found = await reconcile(house, adopt=True)
    assert [r.done for r in found.machines] == [True], found
    assert found.safe_mode is None
    job = await house.ended(job_id, Outcome.SUCCEEDED)
    assert job.closed is not None
    assert job.closed.model_id is not None
    (attempt,) = job.attempts
    assert attempt.gone is not None
    assert attempt.ended is not None
    assert attempt.ended.billed_from is not None
    assert attempt.ended.billed_until is not None
    assert (attempt.ended.billed_until - attempt.ended.billed_from).total_seconds() > WORK_S
    assert job.closed.cost_usd > 0
    assert house.billing() == 0
    assert len(house.machines.started) == 1


async def ended_by_name(house: CloudHouse) -> None:
    """Have it ended by its name."""
    await without_its_journal(house)
    (row,) = (await reconcile(house)).machines
    found = await reconcile(house, reap=True, names=[row.name])
    assert [(r.does, r.done) for r in found.machines] == [("reap", True)]
    assert (house.billing(), found.unknown, found.safe_mode) == (0, 0, None)


def simulate_taking_over(cloud: type[CloudHouse], seed: int, **kit: Any) -> None:
    """Run the first of the two stories."""
    simulate(cloud, taken_over, seed=seed, works=lambda _name, _attempt: Work(WORK_S, artifacts=ARTIFACTS), **kit)


def simulate_ending_by_name(cloud: type[CloudHouse], **kit: Any) -> None:
    """Run the second."""
    simulate(cloud, ended_by_name, works=lambda _name, _attempt: Work(LONG_S, artifacts=ARTIFACTS), **kit)
