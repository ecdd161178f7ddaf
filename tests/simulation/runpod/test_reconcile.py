"""A pod whose journal is gone is taken over: the emulated RunPod, its volume, and a new process."""

from __future__ import annotations

import pytest

from messages.ids import JobId
from messages.jobs import JobState, Outcome
from messages.upkeep import Reconcile, ReconcileDocument, ReconcileOrder
from tests.simulation.clouds.machines import Work
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ANA, ARTIFACTS

WORK_S = 900.0


async def reconcile(house: RunPodHouse, **order: object) -> ReconcileDocument:
    asked = Reconcile(requester=ANA, order=ReconcileOrder.model_validate(order))
    found: ReconcileDocument = await house.node.reconciler.ask(asked, WORK_S)
    return found


async def without_its_journal(house: RunPodHouse) -> JobId:
    job_id = await house.train()
    await house.until(job_id, JobState.RUNNING)
    await house.clock.sleep(300)
    await house.lose_journal()
    await house.start()
    await house.clock.sleep(30)
    return job_id


@pytest.mark.parametrize("seed", range(3))
def test_a_pod_whose_journal_is_gone_is_taken_over_and_ends_with_model_proof_and_cost(seed: int) -> None:
    """Faults 48 and 53."""

    async def story(house: RunPodHouse) -> None:
        job_id = await without_its_journal(house)
        assert house.billing() == 1
        (row,) = (await reconcile(house)).machines
        assert (row.whose, row.does, row.job_id) == ("second_writer", "adopt", job_id)
        assert row.age_s > 300
        found = await reconcile(house, adopt=True)
        assert [r.done for r in found.machines] == [True], found
        assert found.safe_mode is None
        job = await house.closed(job_id)
        assert job.closed is not None
        assert (job.closed.outcome, job.closed.model_id is not None) == (Outcome.SUCCEEDED, True)
        (attempt,) = job.attempts
        assert attempt.gone is not None
        assert attempt.ended is not None
        assert attempt.ended.billed_from is not None
        assert attempt.ended.billed_until is not None
        assert (attempt.ended.billed_until - attempt.ended.billed_from).total_seconds() > 900
        assert job.closed.cost_usd > 0
        assert house.billing() == 0
        assert len(house.pods.started) == 1

    simulate(story, seed=seed, works=lambda _name, _attempt: Work(900.0, artifacts=ARTIFACTS))


def test_a_pod_that_nobody_wants_is_ended_by_its_name() -> None:
    async def story(house: RunPodHouse) -> None:
        await without_its_journal(house)
        (row,) = (await reconcile(house)).machines
        found = await reconcile(house, reap=True, names=[row.name])
        assert [(r.does, r.done) for r in found.machines] == [("reap", True)]
        assert (house.billing(), found.unknown, found.safe_mode) == (0, 0, None)

    simulate(story, works=lambda _name, _attempt: Work(3000.0, artifacts=ARTIFACTS))
