"""Everything that is said of a fitted model, in one judgement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from containers.training.figures import number
from containers.training.frame import Frame
from containers.training.judgement import Asked, Judged, judge
from containers.training.splits import Way, split_rows
from containers.training.threshold import thresholds
from containers.training.training import read_order
from messages.admin import TrainOrder
from messages.ids import DatasetId
from messages.jobs import TrainSpec

ROWS = 300


def judged(classes: int, way: Way | None = None) -> tuple[Judged, Any]:
    """Judge a tree that knows its training rows by heart: ``sure`` decides, ``noise`` is learnt, ``blank`` is not."""
    draw = np.random.default_rng(7)
    sure = draw.normal(size=ROWS)
    features = pd.DataFrame({"sure": sure, "noise": draw.normal(size=ROWS), "blank": np.zeros(ROWS)})
    rough = sure + (0.8 if classes else 0.5) * draw.normal(size=ROWS)
    y = np.digitize(rough, [0.0, 1.0][: classes - 1]) if classes else rough
    patients = None if way is None else np.asarray(np.arange(ROWS) % 60, dtype=np.float64)
    names = ("low", "middle", "high")[:classes]
    frame = Frame(features, y, names, np.arange(1, ROWS + 1), 0, patients)
    task = "classification" if classes else "regression"
    split = split_rows(frame, task, way or Way(0.2, 42))
    tree = DecisionTreeClassifier(random_state=1) if classes else DecisionTreeRegressor(random_state=1)
    model = Pipeline([("model", tree)]).fit(features.iloc[split.train], y[split.train])
    columns = list(features.columns)
    metadata = {"model_type": "decision_tree", "task": task, "target_column": "y", "split": {}}
    metadata |= {"feature_columns": columns, "classes": list(names)}
    return judge(model, metadata, frame, split, Asked(42)), split


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_judgement_has_all_that_an_honest_one_needs(classes: int) -> None:
    found, split = judged(classes)
    document = found.measured.document
    top = document["headline"]
    assert top["low"] < top["value"] < top["high"]
    assert set(document["held_out"]) == set(document["baseline"])
    assert top["baseline"] == document["baseline"][top["name"]]
    assert document["guessing"]
    assert top["train"] == (0.0 if not classes else 1.0), "it knows its training rows by heart"
    assert document["gap"].startswith("overfits: ")
    assert document["verdict"].endswith("× better than guessing")
    assert [c["name"] for c in document.get("per_class", [])] == ["low", "middle", "high"][:classes]
    assert ("threshold" in document) == (classes == 2)
    signals = document["importance"]
    assert signals["columns"][0]["name"] == "sure"
    assert {c["name"]: c["mean"] for c in signals["columns"]}["blank"] == 0.0
    assert (signals["of"], signals["rows"]) == (3, len(split.test)), "columns of the file, rows that are held out"


def test_what_is_left_out_of_an_order_is_a_fifth_of_the_rows_and_seed_42() -> None:
    order = read_order({"input": "data.csv", "target": "y"})
    assert (order.source, order.test_share, order.seed) == (Path("data.csv"), 0.2, 42)
    asked = TrainOrder(dataset="a", target="y")
    spec = TrainSpec(dataset_id=DatasetId("ds_dddddddddd"), dataset_key="k", dataset_sha256="0" * 64, target="y")
    for one in (asked, spec):
        assert (one.test_share, one.seed, one.group, one.time) == (0.2, 42, None, None)


def test_where_rows_are_split_by_group_the_threshold_is_chosen_on_whole_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def chosen(*arguments: Any) -> Any:
        given.append(arguments[-1])
        return thresholds(*arguments)

    monkeypatch.setattr("containers.training.judgement.thresholds", chosen)
    _, split = judged(2, Way(0.2, 42, group="patient"))
    assert given[0].tolist() == (split.train % 60).tolist()
    judged(2)
    assert given[1] is None


@pytest.mark.parametrize(("rise", "told"), [(0.05, "too low by"), (-0.05, "too high by"), (0.0, None)])
def test_of_rows_split_by_time_it_is_said_where_the_target_has_moved_on(rise: float, told: str | None) -> None:
    draw = np.random.default_rng(7)
    days = np.arange(ROWS, dtype=np.float64)
    features = pd.DataFrame({"sure": draw.normal(size=ROWS)})
    target = features["sure"].to_numpy() + rise * days + draw.normal(size=ROWS)
    way = Way(0.2, 42, time="day")
    frame = Frame(features, target, (), np.arange(ROWS) + 1, 0, days)
    split = split_rows(frame, "regression", way)
    tree = Pipeline([("model", DecisionTreeRegressor(min_samples_leaf=20, random_state=1))])
    tree.fit(features.iloc[split.train], target[split.train])
    metadata = {
        "task": "regression",
        "model_type": "decision_tree",
        "target_column": "y",
        "split": way.json(split, frame.row_numbers),
    }
    notes = [
        note for note in judge(tree, metadata, frame, split, Asked(42, split.last_value)).notes if "later rows" in note
    ]
    assert (told is None and not notes) or (told is not None and told in notes[0] and "moves with time" in notes[0])


@pytest.mark.parametrize(("rare", "told"), [(12, True), (100, False)])
def test_a_score_that_hangs_on_a_few_rows_and_a_class_that_is_never_predicted_are_said(rare: int, told: bool) -> None:
    draw = np.random.default_rng(7)
    y = (np.arange(ROWS) < rare).astype(np.int64)
    features = pd.DataFrame({"sure": 0.2 * y + draw.normal(size=ROWS)})
    frame = Frame(features, y, ("no", "yes"), np.arange(1, ROWS + 1), 0, None)
    split = split_rows(frame, "classification", Way(0.2, 42))
    tree = Pipeline([("model", DecisionTreeClassifier(max_depth=1, min_samples_leaf=50, random_state=1))])
    tree.fit(features.iloc[split.train], y[split.train])
    metadata = {"model_type": "decision_tree", "task": "classification", "target_column": "y", "split": {}}
    metadata |= {"feature_columns": ["sure"], "classes": ["no", "yes"]}
    found = judge(tree, metadata, frame, split, Asked(42))
    few = [note for note in found.notes if note.startswith("Only ")]
    assert few == (["Only 2 held-out rows are “yes”: the score hangs on them. More such rows would tell."] * told)
    never = [note for note in found.notes if note.startswith("No held-out row is predicted as “yes”")]
    assert found.measured.document["held_out"]["recall"] == 0.0
    best = found.measured.document["threshold"]["best_f1"]["threshold"]
    assert len(never) == 1
    assert never[0].endswith(f"best F1 was from {number(best)} on.")
