"""Trainings on RunPod as a user runs them: a real daemon, real pods on the emulated platform, real libraries."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud_house import TRAINED_S, fitting, metrics, rounds_in, train
from tests.support.runpod_house import STOCK_IMAGE, a_runpod_house


def test_the_environment_is_made_once_and_the_second_start_makes_no_pip_call(tmp_path: Path) -> None:
    """No image of ours, no registry: the stock image and the job bundle."""
    with a_runpod_house(tmp_path, STOCK_IMAGE) as house:
        first = house.closed(train(house), TRAINED_S * 2)
        assert first["job"]["outcome"] == "succeeded", first["job"]
        made = house.seen()["index"]
        assert made["index.project scikit-learn"] == 1
        second = house.closed(train(house), TRAINED_S)
        assert second["job"]["outcome"] == "succeeded"
        assert house.seen()["index"] == made
        again = metrics(house, second)
        assert again.pop("last_run"), "the second is told beside the first"
        assert again == metrics(house, first)


def test_a_daemon_killed_while_a_pod_works_finds_it_again_and_keeps_its_model(tmp_path: Path) -> None:
    with a_runpod_house(tmp_path, quick=True, pull_s=3.0) as house:
        job_id = train(house)
        house.until(house.pods, "a pod")
        house.kill()
        time.sleep(1)
        house.start()
        closed = house.closed(job_id, TRAINED_S)
        assert closed["job"]["outcome"] == "succeeded", (closed["job"]["code"], closed["job"]["detail"])
        assert house.seen()["calls"]["pods.create"] == 1
        assert house.pods() == []


def test_a_pod_that_is_taken_is_followed_by_the_next_which_goes_on_with_its_rounds(tmp_path: Path) -> None:
    """Fault 24: five seconds between the platform's two signals."""
    with a_runpod_house(tmp_path, slow_s=0.01) as house:
        job_id = train(house, model="hist_gradient_boosting", parameters={"max_iter": 300})
        fitting(house, job_id)
        house.emulator.control({"faults": {"spot.kill": True}})
        done = house.closed(job_id, TRAINED_S)
        assert done["job"]["outcome"] == "succeeded", (done["job"]["code"], done["job"]["detail"])
        assert [one["outcome"] for one in done["earlier"]] == ["interrupted"]
        said = [line["text"] for line in house.lines(f"/v1/jobs/{job_id}/logs")]
        (begun,) = rounds_in(said, "starting at")
        assert begun > 0
        assert any(line.startswith("going on from the checkpoint of attempt 1") for line in said)
        house.until_nothing_bills()


def test_a_stop_ends_the_pod_and_says_so(tmp_path: Path) -> None:
    with a_runpod_house(tmp_path, quick=True, pull_s=5.0) as house:
        job_id = train(house)
        house.until(house.pods, "a pod")
        house.stop_job(job_id)
        house.until_nothing_bills()
        closed = house.closed(job_id)
        assert (closed["job"]["outcome"], closed["job"]["code"]) == ("cancelled", "E-CANCELLED")
        assert closed["machine"]["terminated_confirmed_at"]


@pytest.mark.parametrize(
    ("faults", "ended_by"),
    [
        ({"pod.key_403": True}, ("account",)),
        ({"create.accept_then": {"value": "500", "calls": 1}}, ("pod", "account")),  # whoever is faster
    ],
    ids=["the pod may not end itself", "the create's answer is lost"],
)
def test_the_platform_at_its_worst_changes_nothing_of_the_result(
    tmp_path: Path, faults: dict[str, Any], ended_by: tuple[str, ...]
) -> None:
    """Faults 1 and 31."""
    with a_runpod_house(tmp_path, faults=faults, quick=True) as house:
        job = house.closed(train(house), TRAINED_S + 60)
        assert job["job"]["outcome"] == "succeeded", (job["job"]["code"], job["job"]["detail"])
        assert house.pods() == []
        seen = house.seen()
        (life,) = seen["history"]
        assert life["ended_by"] in ended_by
