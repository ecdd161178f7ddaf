"""One job at a time on the emulated RunPod: the main road, and what must hold there."""

from __future__ import annotations

from messages.jobs import Outcome
from tests.simulation.runpod.house import RunPodHouse, simulate


def test_a_job_trains_on_a_pod_and_ends_with_its_model_and_proof() -> None:
    async def story(house: RunPodHouse) -> None:
        job_id = await house.train()
        job = await house.closed(job_id)
        assert job.closed is not None
        assert (job.closed.outcome, job.closed.model_id is not None) == (Outcome.SUCCEEDED, True)
        assert house.billing() == 0
        assert house.pods.started == [(house.name_of(job), 1)]

    simulate(story)
