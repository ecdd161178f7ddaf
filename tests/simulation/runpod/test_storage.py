"""Storage trouble seen by the whole node on the emulated RunPod."""

from __future__ import annotations

from messages.jobs import Outcome
from tests.simulation.runpod.house import RunPodHouse, simulate


def test_a_full_volume_refuses_the_job_before_any_pod_is_rented() -> None:
    """Fault 38: only a fresh upload shows it (fact sheet 5.1)."""

    async def story(house: RunPodHouse) -> None:
        dataset = await house.upload()
        house.s3.faults.merge({"full": True}, house.now())
        job = await house.closed(await house.train(dataset=dataset))
        assert job.closed is not None
        assert (job.closed.outcome, job.closed.code) == (Outcome.REFUSED, "E-STORAGEFULL")
        assert house.platform.calls["pods.create"] == 0

    simulate(story)
