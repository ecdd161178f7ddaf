"""Another provider in the configuration of a daemon whose RunPod job still runs (R1.2)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from messages.errors import EXIT_CONFIG
from tests.support.aws_house import an_aws, an_aws_house, variables
from tests.support.cloud_house import ROWS, TRAINED_S, train
from tests.support.runpod_house import RunPodHouse, a_runpod_house

START_S = 60.0


def without_keys(house: RunPodHouse) -> subprocess.CompletedProcess[str]:
    """Start a daemon whose provider is this computer and that has no key of RunPod, and wait for its end."""
    kept = {name: value for name, value in house.environment.items() if not name.startswith("RUNPOD_")}
    return subprocess.run(
        [sys.executable, "-m", house.entry],
        cwd=house.root,
        env=kept | {"CLOUD_PROVIDER": "local"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


def test_a_running_runpod_job_is_supervised_to_its_end_after_a_switch_to_aws_and_its_keys_cannot_be_taken_away(
    tmp_path: Path,
) -> None:
    with a_runpod_house(tmp_path, quick=True, pull_s=8.0) as house, an_aws(tmp_path / "aws", quick=True) as aws:
        job_id = train(house)
        house.until(house.pods, "a pod")
        name = house.job(job_id)["job"]["name"]
        house.stop()

        refused = without_keys(house)
        assert refused.returncode == EXIT_CONFIG
        lines = [line for line in refused.stderr.splitlines() if line.startswith("lastcall: ")]
        assert len(lines) == 1
        assert lines[0].startswith(f"lastcall: E-BOUND: 1 open job is bound to runpod: {name} ({job_id})")
        assert "runpod.api_key (RUNPOD_API_KEY)" in lines[0]
        assert len(house.pods()) == 1

        house.start(variables(aws), CLOUD_PROVIDER="aws")
        other_id = train(house)
        rented = house.closed(job_id, TRAINED_S)
        assert rented["job"]["outcome"] == "succeeded", (rented["job"]["code"], rented["job"]["detail"])
        assert rented["machine"]["provider"] == "runpod"
        assert rented["machine"]["terminated_confirmed_at"]
        assert rented["model"]["id"]
        other = house.closed(other_id, TRAINED_S)
        assert (other["job"]["outcome"], other["machine"]["provider"]) == ("succeeded", "aws"), other["job"]
        assert other["machine"]["terminated_confirmed_at"]
        assert house.pods() == aws.control()["alive"] == []
        assert house.seen()["calls"]["pods.create"] == 1
        assert len(aws.control()["history"]) == 1


def test_a_data_set_on_the_volume_is_used_here_after_the_switch_by_a_copy_that_the_plan_tells_of(
    tmp_path: Path,
) -> None:
    with a_runpod_house(tmp_path) as house:
        dataset = house.upload(ROWS)
        assert house.get("/v1/datasets")["datasets"][0]["provider"] == "runpod"
        house.stop()

        house.start(CLOUD_PROVIDER="local")
        assert house.get("/v1/datasets")["datasets"][0]["provider"] == "runpod"
        assert house.ask("GET", f"/v1/datasets/{dataset}/content") == (200, ROWS)
        order = {"dataset": dataset, "target": "churn", "name": "good", "model": "logistic"}
        plan = house.post("/v1/jobs?dry_run=1", order)["plan"]
        assert plan["copied_from"] == "runpod"
        assert plan["warnings"] == ["The data set is copied from runpod first: 0.0 MB, which costs nothing."]
        here = house.closed(house.train("good", dataset=dataset))
        assert (here["job"]["outcome"], here["machine"]["provider"]) == ("succeeded", "local")
        assert house.post("/v1/jobs?dry_run=1", order)["plan"]["warnings"] == []
        assert house.get("/v1/models")["models"][0]["provider"] == "local"
        status, _ = house.ask("DELETE", f"/v1/datasets/{dataset}", key="gone")
        assert status == 200
        house.stop()

        house.start()
        assert house.get("/v1/datasets")["datasets"] == []
        assert [row["provider"] for row in house.get("/v1/models")["models"]] == ["local"]


def test_a_data_set_in_the_bucket_is_used_here_after_the_switch_by_a_copy_whose_price_is_told_and_booked(
    tmp_path: Path,
) -> None:
    with an_aws_house(tmp_path) as house:
        dataset = house.upload(ROWS)
        assert house.get("/v1/datasets")["datasets"][0]["provider"] == "aws"
        house.stop()

        house.start(CLOUD_PROVIDER="local")
        assert house.get("/v1/datasets")["datasets"][0]["provider"] == "aws"
        order = {"dataset": dataset, "target": "churn", "name": "good", "model": "logistic"}
        plan = house.post("/v1/jobs?dry_run=1", order)["plan"]
        assert plan["copied_from"] == "aws"
        assert plan["warnings"] == ["The data set is copied from aws first: 0.0 MB, which costs <$0.001."]
        assert house.get("/v1/costs?by=provider")["rows"] == []
        here = house.closed(house.train("good", dataset=dataset))
        assert (here["job"]["outcome"], here["machine"]["provider"]) == ("succeeded", "local")
        rows = {row["key"]: row for row in house.get("/v1/costs?by=provider")["rows"]}
        assert (rows["aws"]["cost_usd"], rows["aws"]["jobs"]) == ("0.000001", 0)
        assert house.post("/v1/jobs?dry_run=1", order)["plan"]["warnings"] == []
        assert house.instances() == []
