"""Importance, thresholds, duplicates and the comparison with the last run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from containers.training import evaluation as ev
from containers.training import importance as imp
from containers.training import scoring as sc
from containers.training.duplicates import shared_rows
from containers.training.frame import Frame
from containers.training.splits import Split
from containers.training.threshold import EACH_MIN, ROWS_MAX, thresholds


def features(rows: int, columns: int, seed: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame({f"c{i}": draw.normal(size=rows) for i in range(columns)})


def test_the_column_that_decides_matters_and_one_that_is_ignored_does_not() -> None:
    data = features(400, 3)
    answers = 3 * data["c1"].to_numpy() + data["c2"].to_numpy()
    seen: list[int] = []

    def answer(rows: pd.DataFrame) -> Any:
        seen.append(len(rows))
        return 3 * rows["c1"].to_numpy() + rows["c2"].to_numpy()

    found = imp.importance("rmse", sc.Truth(answers, 0), data, answers, answer, 42)
    assert [one["name"] for one in found["columns"]] == ["c1", "c2", "c0"]
    assert found["columns"][0]["number"] == 2
    assert found["columns"][2] == {"name": "c0", "number": 1, "mean": 0.0, "sd": 0.0}
    assert found == imp.importance("rmse", sc.Truth(answers, 0), data, answers, answer, 42)
    assert sum(seen) <= 2 * imp.PREDICTED_ROWS_MAX


def test_work_is_bounded_with_very_many_columns_and_the_deciding_ones_are_among_those_tried() -> None:
    data = features(3000, 150)
    data["text"] = pd.Categorical(np.where(data["c149"] > 0, "up", "down"))
    data["blank"] = np.full(3000, np.nan)
    answers = np.column_stack([1 / (1 + np.exp(data["c149"].to_numpy())), 1 / (1 + np.exp(-data["c149"].to_numpy()))])
    predicted = 0

    def answer(rows: pd.DataFrame) -> Any:
        nonlocal predicted
        predicted += len(rows)
        chance = 1 / (1 + np.exp(-rows["c149"].to_numpy()))
        return np.column_stack([1 - chance, chance])

    truth = sc.Truth((data["c149"].to_numpy() > 0).astype(np.int64), 2)
    found = imp.importance("roc_auc", truth, data, answers, answer, 42)
    assert (found["of"], found["tried"], len(found["columns"])) == (152, imp.TRIED_MAX, imp.SHOWN_MAX)
    assert found["columns"][0]["name"] == "c149"
    assert predicted <= imp.PREDICTED_ROWS_MAX


def model(data: pd.DataFrame, y: Any) -> Pipeline:
    return Pipeline([("model", LogisticRegression())]).fit(data, y)


def test_the_other_threshold_is_chosen_on_training_rows_and_judged_on_held_out_ones() -> None:
    data = features(4000, 2)
    y = (data["c0"] + np.random.default_rng(3).normal(size=4000) > 1.8).to_numpy().astype(np.int64)
    fitted = model(data, y)
    held_out = features(500, 2, seed=8)
    truth = sc.Truth((held_out["c0"] > 1.3).to_numpy().astype(np.int64), 2)
    answers = fitted.predict_proba(held_out)
    found = thresholds(fitted, data, sc.Truth(y, 2), truth, answers, 42)
    best = found["best_f1"]
    assert 0.05 < best["threshold"] < 0.5, "of a rare class less than even odds are the better bet"
    assert best["f1"] > found["default"]["f1"]
    assert found["chosen_on"] <= ROWS_MAX + EACH_MIN
    swapped = thresholds(fitted, data, sc.Truth(y, 2), truth._replace(values=1 - truth.values), answers, 42)
    assert swapped["best_f1"]["threshold"] == best["threshold"], "held-out rows have no say in it"


def test_what_is_known_of_a_group_does_not_choose_the_threshold_for_another() -> None:
    """Every patient is known by a column of their own, so that a tree knows them again and nobody else."""
    patients = np.repeat(np.arange(60), 10)
    ill = (np.random.default_rng(2).random(60) < 0.3)[patients].astype(np.int64)
    data = pd.DataFrame({"patient": patients.astype(float)})
    tree = Pipeline([("model", DecisionTreeClassifier(random_state=1))]).fit(data, ill)
    truth, answers = sc.Truth(ill, 2), np.tile([0.5, 0.5], (600, 1))
    by_row = thresholds(tree, data, truth, truth, answers, 42)["best_f1"]
    by_group = thresholds(tree, data, truth, truth, answers, 42, patients)["best_f1"]
    assert by_row["threshold"] == 1.0, "rows of known patients are told apart without a doubt"
    assert by_group["threshold"] < 1.0, "of new ones nothing is known: everybody may be ill"


def test_no_threshold_is_chosen_where_one_group_has_the_whole_class() -> None:
    data = features(120, 2)
    groups = np.arange(120) // 20
    truth = sc.Truth((groups == 0).astype(np.int64), 2)
    fitted = model(data, truth.values)
    found = thresholds(fitted, data, truth, truth, fitted.predict_proba(data), 42, groups)
    assert found["best_f1"] is None


def test_of_a_class_with_few_rows_no_threshold_is_chosen() -> None:
    data = features(60, 2)
    y = (np.arange(60) < EACH_MIN - 1).astype(np.int64)
    truth = sc.Truth(y, 2)
    fitted = model(data, y)
    assert thresholds(fitted, data, truth, truth, fitted.predict_proba(data), 42)["best_f1"] is None


def test_rows_on_both_sides_are_counted_with_their_target(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pd.DataFrame({"a": [1.0, 1, 2, 3, np.nan, np.nan], "b": pd.Categorical(["x", "x", "y", "z", "", ""])})
    frame = Frame(data, np.array([1.0, 1, 2, 3, 4, 5]), (), np.arange(1, 7), 0)
    split = Split(np.array([0, 2, 4]), np.array([1, 3, 5]))
    assert shared_rows(frame, split) == 1, "the last two differ in the target"
    monkeypatch.setattr("containers.training.duplicates.CELLS_MAX", 3)
    assert shared_rows(frame, split) is None


HEADLINE = {"name": "roc_auc", "value": 0.84, "low": 0.82, "high": 0.86, "higher_is_better": True}


AT_RANDOM = {"method": "random", "column": None, "share": 0.2, "sha256": "a"}


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"name": "roc_auc", "value": 0.85, "low": 0.83, "high": 0.87}, "no clear difference from your last run"),
        (
            {"name": "roc_auc", "value": 0.7, "low": 0.68, "high": 0.72},
            "clearly better than your last run: 0.840 after",
        ),
        ({"name": "roc_auc", "value": 0.95, "low": 0.94, "high": 0.96}, "clearly worse"),
        ({"name": "rmse", "value": 0.95, "low": 0.94, "high": 0.96}, ""),
    ],
)
def test_a_run_is_compared_with_the_one_before_it(last: dict[str, Any], words: str) -> None:
    said = ev.compare_with_last(HEADLINE, last, AT_RANDOM)
    assert said.startswith(words)
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("before", "compared"),
    [
        (None, True),
        (AT_RANDOM | {"share": 0.3, "sha256": "b"}, True),
        ({"method": "group", "column": "patient", "share": 0.2, "sha256": "a"}, False),
    ],
)
def test_a_run_is_not_compared_with_one_whose_rows_were_held_out_in_another_way(before: Any, compared: bool) -> None:
    last = {"name": "roc_auc", "value": 0.7, "low": 0.68, "high": 0.72, "held_out": before}
    said = ev.compare_with_last(HEADLINE, last, AT_RANDOM)
    assert said.startswith("clearly better" if compared else "not compared with your last run")


def test_of_rows_in_order_of_time_the_better_of_mean_and_last_value_is_what_guessing_is() -> None:
    trend: Any = np.arange(100.0)
    train, test = sc.Truth(trend[:80], 0), sc.Truth(trend[80:], 0)
    found = ev.measure(train, trend[:80], test, trend[80:] + 1, name="rmse", seed=42, last_value=79.0).document
    assert found["guessing"] == "the last value of the training rows"
    assert found["baseline"]["rmse"] < 15
    flat = ev.measure(train, trend[:80], test, trend[80:] + 1, name="rmse", seed=42, last_value=-500.0).document
    assert flat["guessing"] == "the mean of the training rows"


def test_percent_errors_are_left_out_where_a_value_is_zero() -> None:
    assert "mape" not in sc.scores(sc.Truth(np.array([0.0, 1]), 0), np.array([1.0, 1]))
    found = sc.scores(sc.Truth(np.array([2.0, 4, 10]), 0), np.array([1.0, 4, 5]))
    assert found["mape"] == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert (found["median_ae"], found["max_error"]) == (1.0, 5.0)


def test_classes_are_counted_one_by_one() -> None:
    y = np.array([0, 0, 1, 1, 2, 2])
    answers = np.eye(4)[[0, 1, 1, 1, 2, 0]] * 0.7 + 0.05
    found = ev.measure(
        sc.Truth(y, 4), answers, sc.Truth(y, 4), answers, name="f1_macro", seed=42, classes=("a", "b", "c", "d")
    ).document
    assert [(c["name"], c["support"]) for c in found["per_class"]] == [("a", 2), ("b", 2), ("c", 2), ("d", 0)]
    assert found["per_class"][1]["recall"] == 1.0
    assert 0 < found["held_out"]["top_3"] <= 1
    two = ev.measure(
        sc.Truth(y % 2, 2),
        answers[:, :2],
        sc.Truth(y % 2, 2),
        answers[:, :2],
        name="roc_auc",
        seed=42,
        classes=("n", "y"),
    ).document
    assert sum(two["confusion"].values()) == 6
    assert two["positive"] == "y"


def test_enough_rows_of_a_rare_class_are_dealt_for_its_importance_to_mean_something() -> None:
    data, rare = features(1640, 64), (np.arange(1640) % 100 == 0).astype(np.int64)
    chance = 0.5 * rare + 0.001 * data["c0"].to_numpy()
    found = imp.importance(
        "average_precision",
        sc.Truth(rare, 2),
        data,
        np.column_stack([1 - chance, chance]),
        lambda rows: np.column_stack([1 - rows["c0"].to_numpy(), rows["c0"].to_numpy()]),
        42,
    )
    assert found["rows"] == imp.PREDICTED_ROWS_MAX // 64, "as many as the work allows, where 100 hold one row of them"
    assert found["repeats"] == 1


def test_a_tie_at_the_threshold_is_counted_as_predictions_answer_it() -> None:
    data, y = features(100, 2), np.arange(100) % 2
    tree = DecisionTreeClassifier(max_depth=1).fit(data, y)
    tied = np.full((100, 2), 0.5)
    for positive, recall in ((0, 1.0), (1, 0.0)):
        found = thresholds(tree, data, sc.Truth(y, 2, positive), sc.Truth(y, 2, positive), tied, 42)
        assert found["default"]["recall"] == recall == sc.scores(sc.Truth(y, 2, positive), tied)["recall"]
