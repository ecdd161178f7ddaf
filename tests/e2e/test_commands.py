"""The command line against a real daemon and the real training: what a script gets to read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.house import CHECKOUT, House, a_house

COMMAND_S = 60.0


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One daemon with the real training for the whole module."""
    with a_house(tmp_path_factory.mktemp("real"), REAL_TRAINING="1") as house:
        yield house


@pytest.fixture(scope="module")
def penguins() -> Path:
    files = metadata.files("palmerpenguins") or []
    return Path(str(next(f for f in files if str(f).endswith("data/penguins.csv")).locate()))


def run(house: House, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "lastcall", *arguments],
        cwd=house.root,
        env=house.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def trained(real: House, penguins: Path) -> str:
    """What the usual one line prints: one training that several tests look at."""
    return run(real, "train", str(penguins), "--target", "species", "-y", "--json").stdout


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHECKOUT / "docs" / "schemas" / f"{name}.json").read_text())
    return found


def test_one_line_trains_and_prints_one_document(real: House, trained: str) -> None:
    assert len(trained.splitlines()) == 1
    document = json.loads(trained)
    jsonschema.validate(document, schema("train"))
    assert document["job"]["id"].startswith("job_")
    assert document["job"]["outcome"] == "succeeded"
    assert 0 < float(document["job"]["cost_usd"]) < 0.01
    assert document["machine"]["terminated_confirmed_at"]
    assert document["model"]["id"].startswith("mdl_")
    assert document["metrics"]["headline"]["value"] > document["metrics"]["headline"]["baseline"]
    assert real.job(document["job"]["id"])["machine"] == document["machine"]
    for name, arguments in (("ps", ("ps", "-a")), ("cost", ("cost",))):
        jsonschema.validate(json.loads(run(real, *arguments, "--json").stdout), schema(name))
    assert json.loads(run(real, "machines", "ls", "--json").stdout)["running"] == 0


def test_a_job_can_be_waited_for_stopped_and_read(real: House, penguins: Path) -> None:
    left = run(real, "train", str(penguins), "--target", "sex", "-y", "--no-follow", "--json")
    name = json.loads(left.stdout)["name"]
    run(real, "stop", name)
    assert run(real, "wait", name, status=11).returncode == 11
    assert "cancelled" in run(real, "ps", "-a").stdout


def test_a_model_predicts_and_travels_and_so_does_its_data(real: House, trained: str, penguins: Path) -> None:
    name = json.loads(trained)["job"]["name"]
    out = real.root / "answers.csv"
    run(real, "predict", name, str(penguins), "-o", str(out))
    assert ",prediction,probability_Adelie" in out.read_text().splitlines()[0]
    assert len(out.read_text().splitlines()) == 345
    shown = json.loads(run(real, "models", "show", name, "--json").stdout)
    assert {"model.skops", "metadata.json", "metrics.json", "schema.json"} <= {f["name"] for f in shown["files"]}
    run(real, "models", "get", name, "-o", str(real.root / "bundle"))
    assert (real.root / "bundle" / "model.skops").stat().st_size > 0
    (data,) = json.loads(run(real, "data", "ls", "--json").stdout)["datasets"]
    run(real, "data", "get", data["id"], "-o", str(real.root / "copy.csv"))
    assert (real.root / "copy.csv").read_bytes() == penguins.read_bytes()


def test_a_job_done_once_more_is_the_same_to_the_last_digit_until_its_data_is_gone(real: House, trained: str) -> None:
    job = json.loads(trained)["job"]
    again = json.loads(run(real, "reproduce", job["name"], "-y", "--json").stdout)
    assert (again["identical"], again["differences"]) == (True, [])
    assert again["models"][0]["name"] == job["name"]
    assert "The same to the last digit" in run(real, "compare", job["name"], "@last").stdout
    second = json.loads(run(real, "models", "show", "@last", "--json").stdout)["model"]["id"]
    run(real, "models", "rm", second)
    run(real, "models", "show", second, status=5)
    run(real, "data", "rm", job["dataset_id"])
    assert "E-DATA-GONE" in run(real, "reproduce", job["name"], "-y", status=6).stderr
