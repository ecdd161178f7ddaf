"""Storage trouble seen by the whole node on the emulated RunPod."""

from __future__ import annotations

import pytest

from messages.admin import AddFromAddress
from messages.errors import Refusal
from messages.jobs import Outcome
from messages.storage import DatasetInfo
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ANA, ASK_S, BEN, CSV
from tests.support.runpod_sim import VOLUME
from tests.support.s3 import pieces


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


def test_a_file_on_the_volume_is_trained_on_by_its_address_and_by_nobody_else() -> None:
    async def story(house: RunPodHouse) -> None:
        key = f"datasets/user_{ANA.user_id}/export/churn.csv"
        await house.provider.storage.put(key, pieces(CSV))
        asked = AddFromAddress(command_id=house.command(), requester=ANA, address=f"runpod://{VOLUME}/{key}")
        for wrong in (
            {"requester": BEN},
            {"address": f"runpod://another0id/{key}"},
            {"address": f"s3://{VOLUME}/../{key}"},
        ):
            calls = dict(house.platform.calls)
            with pytest.raises(Refusal, match="E-KEY"):
                await house.node.storage.ask(asked.model_copy(update={**wrong, "command_id": house.command()}), ASK_S)
            assert {call: n for call, n in house.platform.calls.items() if call.startswith("s3.")} == {
                call: n for call, n in calls.items() if call.startswith("s3.")
            }
        info: DatasetInfo = await house.node.storage.ask(asked, ASK_S)
        assert (info.name, info.size_bytes) == ("churn.csv", len(CSV))
        await house.restart()
        assert await house.node.storage.ask(asked, ASK_S) == info
        job = await house.closed(await house.train(dataset=info.id))
        assert job.closed is not None
        assert job.closed.outcome is Outcome.SUCCEEDED
        await house.provider.storage.stat(key)

    simulate(story)
