"""Rows held out by group and by time, in whole trainings."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.integration.training.bundles import document, read, train
from tests.unit.training.files import table, write

LAST = {"model": "before", "name": "rmse", "value": 9e9, "low": 8e9, "high": 1e10}


def visits(folder: Path) -> Path:
    """Write eighty visits of twenty patients on eighty days, the later the dearer."""
    draw = random.Random(3)
    rows = [
        f"p{i % 20},2026-{1 + i // 28:02d}-{1 + i % 28:02d},{draw.random():.3f},{i + draw.random():.3f}"
        for i in range(80)
    ]
    return write(folder, table("patient,day,dose,cost", rows))


def trained(folder: Path, **more: Any) -> tuple[Path, list[dict[str, str]]]:
    """Return a bundle, and the rows of the file it was judged on."""
    source = visits(folder)
    out = train(folder, source, "cost", model="linear", **more)
    everything = read(source)
    return out, [everything[int(one["row"]) - 1] for one in read(out / "predictions_holdout.csv")]


def test_rows_of_a_group_are_held_out_together_and_the_report_says_so(tmp_path: Path) -> None:
    machine = {"provider": "runpod", "machine_type": "NVIDIA RTX A5000", "rate_usd_per_hour": "0.27"}
    told = {"ordered_at": "2026-11-26T08:00:00Z", "machine": machine, "last_run": LAST}
    out, tested = trained(tmp_path, group="patient", features=["day", "dose"], test_share=0.25, **told)
    held_out = {row["patient"] for row in tested}
    assert len(tested) == 4 * len(held_out) == 20
    metadata, metrics = document(out / "metadata.json"), document(out / "metrics.json")
    assert (metadata["split"]["method"], metadata["split"]["column"], metadata["test_share"]) == (
        "group",
        "patient",
        0.25,
    )
    assert metrics["split"] == metadata["split"]
    assert metadata["score"] == metrics["headline"]["value"]
    assert (metadata["training_samples"], metadata["test_samples"]) == (60, 20)
    assert (metadata["model_type"], metadata["target_column"]) == ("linear", "cost")
    assert (metadata["feature_columns"], metadata["hyperparameters"]) == (["day", "dose"], {"fit_intercept": True})
    assert {**machine, "computed_on": "processor"}.items() <= metadata["machine"].items()
    assert metrics["groups"] == {"train": 20 - len(held_out), "test": len(held_out)}
    report = (out / "report.html").read_text()
    for said in ("25% in whole groups of “patient”", "2026-11-26", "NVIDIA RTX A5000"):
        assert said in report
    assert metrics["last_run"]["verdict"].startswith("clearly better than your last run")
    assert "Clearly better than your last run" in report


def test_by_time_the_last_rows_are_held_out_and_guessing_may_repeat_the_last_value(tmp_path: Path) -> None:
    out, tested = trained(tmp_path, time="day")
    everything = read(visits(tmp_path))
    assert {row["day"] for row in tested} == {row["day"] for row in everything[-16:]}
    metrics = document(out / "metrics.json")
    assert metrics["split"]["method"] == "time"
    assert metrics["guessing"] == "the last value of the training rows"
    assert "day" not in document(out / "metadata.json")["feature_columns"]
