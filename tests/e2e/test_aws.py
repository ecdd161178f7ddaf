"""Trainings on AWS as a user runs them: a real daemon, instances that really run their user-data, real libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.emulators.runpod.launch import Emulator as Index
from tests.integration.training.bundles import document
from tests.integration.training.bundles import train as learn
from tests.support.aws_house import AwsHouse, an_aws, an_aws_house
from tests.support.cloud_house import ROWS, TRAINED_S, WHEELS, fitting, metrics, rounds_in, train


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsHouse]:
    with an_aws_house(tmp_path_factory.mktemp("aws"), quick=True) as house:
        yield house


@pytest.fixture
def aws(shared: AwsHouse) -> Iterator[AwsHouse]:
    """The module's daemon and cloud, sound and with nothing rented, before a test and after it."""
    yield shared
    shared.emulator.control({"heal": True})
    shared.until_nothing_bills()


def test_spot_that_is_refused_gives_way_to_on_demand_as_the_plan_said_and_the_result_says(aws: AwsHouse) -> None:
    aws.arm(quota__spot=True)
    dataset = aws.upload()
    plan = aws.post("/v1/jobs?dry_run=1", {"dataset": dataset, "target": "churn", "model": "logistic"})["plan"]
    assert [offer["spot"] for offer in plan["offers"][:3]] == [True, True, False]
    done = aws.closed(train(aws), TRAINED_S)
    assert done["job"]["outcome"] == "succeeded", (done["job"]["code"], done["job"]["detail"])
    assert (done["job"]["attempts"], done["machine"]["spot"]) == (3, False)
    assert [(one["spot"], one["outcome"]) for one in done["earlier"]] == [(True, "refused")] * 2
    assert all("MaxSpotInstanceCountExceeded" in one["detail"] for one in done["earlier"])
    assert len({one["place"] for one in done["earlier"]}) == 2


def test_a_taken_spot_instance_is_followed_by_the_next_offer_which_goes_on_with_its_rounds_within_the_money(
    tmp_path: Path,
) -> None:
    """The daemon is killed in between. Fault 24."""
    fit = {"model": "hist_gradient_boosting", "parameters": {"max_iter": 300}}
    with an_aws_house(tmp_path, slow_s=0.01) as house:
        job_id = train(house, max_cost_usd="1", **fit)
        fitting(house, job_id)
        house.arm(spot__kill="notice")
        house.until(lambda: "job.marker_seen" in house.kinds(f"job/{job_id}"), "the first attempt's marker", TRAINED_S)
        house.kill()
        house.start()
        done = house.closed(job_id, TRAINED_S)
        assert done["job"]["outcome"] == "succeeded", (done["job"]["code"], done["job"]["detail"])
        assert [one["spot"] for one in house.instances()] == [True, True]
        (first,) = done["earlier"]
        assert (first["outcome"], first["detail"]) == ("interrupted", "the platform took the machine")
        assert 0 < float(first["cost_usd"]) < float(done["job"]["cost_usd"]) <= 1
        (begun,) = rounds_in((line["text"] for line in house.lines(f"/v1/jobs/{job_id}/logs")), "starting at")
        (stopped,) = rounds_in(first_log(house, job_id), "stopped after")
        assert begun == stopped, "what the first had done when it was told to stop is done"
        headline = metrics(house, done)["headline"]
        house.until_nothing_bills()
    (tmp_path / "data.csv").write_bytes(ROWS)
    undisturbed = learn(tmp_path / "undisturbed", tmp_path / "data.csv", "churn", **fit)
    assert headline == document(undisturbed / "metrics.json")["headline"]


def first_log(house: AwsHouse, job_id: str) -> list[str]:
    """Return the lines of a job's first attempt as they lie in the bucket."""
    (intended, _) = (event for event in house.events(f"job/{job_id}") if event["kind"] == "job.launch_intended")
    folder, found = intended["body"]["request"]["folder"], list[str]()
    with suppress(HTTPError):
        for number in range(1, 100):
            found += house.stored(f"{folder}/log/{number:06d}.ndjson").decode().splitlines()
    return found


def test_a_daemon_killed_before_the_create_is_answered_and_again_at_work_starts_nothing_twice(tmp_path: Path) -> None:
    faults = {"latency": {"value": 6.0, "on": ["ec2.RunInstances"]}}
    with an_aws_house(tmp_path, faults, quick=True) as house:
        job_id = train(house)
        house.until(house.instances, "a create")
        house.kill()
        house.emulator.control({"heal": True})
        house.start()
        house.running(job_id)
        house.kill()
        house.start()
        done = house.closed(job_id, TRAINED_S)
        assert done["job"]["outcome"] == "succeeded", (done["job"]["code"], done["job"]["detail"])
        assert len(house.instances()) == 1
        kinds = house.kinds(f"job/{job_id}")
        assert (kinds.count("job.work_started"), kinds.count("job.closed")) == (1, 1)
        assert "job.create_ambiguous" in kinds
        house.until_nothing_bills()


def test_without_an_image_of_ours_the_libraries_come_from_the_package_index(tmp_path: Path) -> None:
    """No Docker, and a model with a library of its own: the instance's Python, the bundle from the bucket."""
    with Index(tmp_path / "index", wheels=WHEELS) as index, an_aws(tmp_path) as aws:
        house = AwsHouse(tmp_path, aws)
        house.more = {"LASTCALL_AWS_IMAGE": "", "LASTCALL_AWS_PACKAGE_INDEX": index.urls["index"].rstrip("/")}
        house.start()
        try:
            done = house.closed(train(house, model="lightgbm"), TRAINED_S)
            assert done["job"]["outcome"] == "succeeded", (done["job"]["code"], done["job"]["detail"])
            asked = index.control()["index"]
            assert asked["index.project scikit-learn"] == asked["index.project lightgbm"] == 1
            assert not {"index.project xgboost-cpu", "index.project catboost"} & set(asked)
            house.until_nothing_bills()
        finally:
            house.stop()


def test_a_stop_ends_the_instance_and_says_so(aws: AwsHouse) -> None:
    job_id = train(aws)
    aws.until(aws.alive, "an instance")
    aws.stop_job(job_id)
    aws.until_nothing_bills()
    done = aws.closed(job_id)
    assert (done["job"]["outcome"], done["job"]["code"]) == ("cancelled", "E-CANCELLED")
    assert done["machine"]["terminated_confirmed_at"]
