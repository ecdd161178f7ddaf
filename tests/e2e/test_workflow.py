"""The main job from a file to a proof, once for each configuration in ``workflow/``. Nothing here names a provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lastcall.config.load import AVAILABLE_PROVIDERS
from tests.support.cloud_house import ROWS, TRAINED_S, metrics, train
from tests.support.clouds import a_configured_house
from tests.support.house import a_house

CONFIGS = sorted((Path(__file__).parent / "workflow").glob("*.toml"))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the same training gives where nothing is configured."""
    with a_house(tmp_path_factory.mktemp("usual"), REAL_TRAINING="1") as house:
        return metrics(house, house.closed(train(house), TRAINED_S))


@pytest.mark.parametrize("config", CONFIGS, ids=[config.stem for config in CONFIGS])
def test_from_a_file_to_a_model_and_nothing_left_running(config: Path, tmp_path: Path, expected: Any) -> None:
    with a_configured_house(tmp_path, config) as house:
        dataset = house.upload(ROWS)
        order = {"dataset": dataset, "target": "churn", "name": "churn", "model": "logistic"}
        plan = house.post("/v1/jobs?dry_run=1", order)["plan"]
        assert plan["offers"]
        assert plan["self_termination"] in ("proven", "unproven")
        assert float(plan["hold_usd"]) <= float(plan["limits"]["max_cost_usd"])

        done = house.closed(house.train("churn", dataset=dataset), TRAINED_S)
        job, machine = done["job"], done["machine"]
        assert job["outcome"] == "succeeded", (job["code"], job["detail"])
        assert metrics(house, done) == expected
        assert machine["provider"] == plan["provider"]
        assert machine["terminated_confirmed_at"]
        assert machine["proof"]
        assert 0 <= float(job["cost_usd"]) <= float(plan["hold_usd"])
        assert [line for line in house.lines(f"/v1/jobs/{job['id']}/logs") if line["text"]]

        made = house.post(f"/v1/predictions?model={done['model']['id']}&name=new.csv", ROWS)
        assert made["rows"] == 240
        status, answers = house.ask("GET", f"/v1/predictions/{made['id']}/content")
        assert status == 200
        assert b",prediction" in answers.splitlines()[0]

        assert house.get("/v1/machines")["running"] == 0
        assert house.alive() == []
        assert house.processes() == []
        assert house.ask("DELETE", f"/v1/models/{done['model']['id']}", key="model")[0] == 200
        assert house.ask("DELETE", f"/v1/datasets/{dataset}", key="data")[0] == 200


def test_there_is_a_configuration_for_every_provider_and_no_provider_in_this_test() -> None:
    assert {config.stem for config in CONFIGS} == set(AVAILABLE_PROVIDERS)
    words = Path(__file__).read_text("utf-8").lower()
    assert [name for name in AVAILABLE_PROVIDERS if name in words] == []
