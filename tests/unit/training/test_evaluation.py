"""Splits, metrics and verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from containers.training import evaluation as ev
from containers.training import resampling as rs
from containers.training import scoring as sc
from containers.training import splits
from containers.training.refusal import Refused


def binary(rows: int = 200, share: float = 0.5) -> tuple[sc.Truth, np.ndarray]:
    draw = np.random.default_rng(1)
    y = (draw.random(rows) < share).astype(np.int64)
    chance = np.clip(0.3 * y + draw.random(rows) * 0.7, 0, 1)
    return sc.Truth(y, 2), np.column_stack([1 - chance, chance])


@pytest.mark.parametrize("sizes", [(8, 2), (50, 5, 2), (1, 30, 30), (100, 1, 1, 99)])
def test_a_split_is_seeded_keeps_every_class_on_both_sides_and_loses_no_row(sizes: tuple[int, ...]) -> None:
    y = np.repeat(np.arange(len(sizes)), sizes)
    train, test, *_ = splits.at_random(y, "classification", 0.2, 42)
    again = splits.at_random(y, "classification", 0.2, 42)
    assert np.array_equal(train, again[0])
    assert np.array_equal(test, again[1])
    assert sorted([*train, *test]) == list(range(len(y)))
    for label, size in enumerate(sizes):
        assert (y[train] == label).any(), "every class is learnt"
        assert (y[test] == label).any() == (size > 1), "every class of two rows or more is tested"


@pytest.mark.parametrize(("rows", "tested"), [(10, 2), (11, 2), (100, 20), (101, 20)])
def test_a_regression_split_takes_its_share(rows: int, tested: int) -> None:
    train, test, *_ = splits.at_random(np.arange(float(rows)), "regression", 0.2, 42)
    assert (len(train), len(test)) == (rows - tested, tested)
    assert not set(train) & set(test)
    assert not np.array_equal(test, splits.at_random(np.arange(float(rows)), "regression", 0.2, 43)[1])


def test_binary_metrics_are_those_of_scikit_learn() -> None:
    truth, answers = binary()
    found = sc.scores(truth, answers)
    guess = answers.argmax(axis=1)
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(truth.values, answers[:, 1]), abs=1e-12)
    assert found["average_precision"] == sk.average_precision_score(truth.values, answers[:, 1])
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth.values, guess))
    assert found["f1"] == sk.f1_score(truth.values, guess)
    assert sc.headline_score("average_precision", truth, answers) == found["average_precision"]


def test_macro_f1_by_counts_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(3)
    y, answers = draw.integers(0, 4, 90), draw.dirichlet(np.ones(4), 90)
    truth = sc.Truth(y, 4)
    assert sc.headline_score("f1_macro", truth, answers) == pytest.approx(sc.scores(truth, answers)["f1_macro"])


def test_regression_metrics_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(3)
    y, answers = draw.normal(size=50), draw.normal(size=50)
    found = sc.scores(sc.Truth(y, 0), answers)
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(y, answers))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, answers))
    assert found["r2"] == pytest.approx(sk.r2_score(y, answers))
    assert sc.scores(sc.Truth(np.ones(3), 0), np.ones(3))["r2"] == 1.0


def test_the_headline_follows_the_shares_of_the_classes() -> None:
    assert sc.headline_metric(binary()[0]) == "roc_auc"
    assert sc.headline_metric(binary(share=0.1)[0]) == "average_precision"
    assert sc.headline_metric(binary(share=0.9)[0]) == "roc_auc", "what nearly every row has is found by guessing"
    assert sc.headline_metric(sc.Truth(np.arange(3), 3)) == "f1_macro"
    assert sc.headline_metric(sc.Truth(np.arange(3.0), 0)) == "rmse"


def test_the_class_looked_for_is_the_one_named_so_else_the_rarer() -> None:
    assert ev.positive_class(("no", "yes"), np.array([0, 1, 1])) == 1
    assert ev.positive_class(("sim", "zzz"), np.array([0, 0, 1])) == 0
    assert ev.positive_class(("churned", "stayed"), np.array([0, 1, 1])) == 0
    assert ev.positive_class(("a", "b"), np.array([0, 1])) == 1


def test_the_interval_holds_the_value_and_is_the_same_again() -> None:
    truth, answers = binary()
    low, high = rs.interval("roc_auc", truth, answers, 42)
    assert low < sc.scores(truth, answers)["roc_auc"] < high
    assert (low, high) == rs.interval("roc_auc", truth, answers, 42)


def test_resamples_are_bounded_for_big_hold_outs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rs, "RESAMPLE_CELLS_MAX", 1000)
    calls: list[int] = []

    def score(*_: object) -> float:
        calls.append(1)
        return 0.5

    monkeypatch.setattr(rs, "headline_score", score)
    rs.interval("roc_auc", *binary(), 42)
    assert len(calls) == rs.RESAMPLES_MIN


@pytest.mark.parametrize(
    ("name", "value", "baseline", "low", "high", "words"),
    [
        ("rmse", 5.0, 12.0, 4.0, 6.0, "2.4× better than guessing"),
        ("roc_auc", 0.8, 0.5, 0.7, 0.9, "2.5× better than guessing"),
        ("roc_auc", 1.0, 0.5, 1.0, 1.0, "faultless on the held-out rows: at least 20× better"),
        ("f1_macro", 1.0, 0.167, 0.541, 1.0, "faultless on the held-out rows: at least 1.8× better"),
        ("rmse", 0.1, 12.0, 0.05, 1.0, "more than 20× better"),
        ("roc_auc", 0.51, 0.5, 0.4, 0.6, "check the target"),
        ("rmse", 12.5, 12.0, 10.0, 14.0, "check the target"),
        ("rmse", 10.0, 12.0, 8.0, 13.0, "not clearly better"),
        ("f1_macro", 1.0, 1.0, 1.0, 1.0, "check the target"),
    ],
)
def test_the_verdict_is_in_words(name: str, value: float, baseline: float, low: float, high: float, words: str) -> None:
    assert words in ev.verdict(name, value, baseline, low, high)


def knows_nothing(classes: int, rows: int, seed: int) -> tuple[sc.Truth, np.ndarray]:
    """Answers that have nothing to do with the target, every class being there."""
    draw = np.random.default_rng(seed)
    if not classes:
        return sc.Truth(draw.normal(size=rows), 0), 0.3 * draw.normal(size=rows)
    y = np.concatenate((np.arange(classes), draw.integers(0, classes, max(0, rows - classes))))
    return sc.Truth(y, classes), draw.dirichlet(np.ones(classes), len(y))


@pytest.mark.no_cover  # the same steps on many draws
@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize("rows", [2, 3, 4, 6, 8, 12, 20, 30])
def test_on_few_rows_noise_is_seldom_called_better_than_guessing(classes: int, rows: int) -> None:
    """However far from guessing its score and interval are."""
    claims = 0
    for seed in range(200):
        truth, answers = knows_nothing(classes, rows, seed)
        claims += "× better" in ev.verdict("roc_auc", 1.0, 0.5, 1.0, 1.0, rs.luck(truth, answers, 42))
    assert claims <= 10


@pytest.mark.no_cover  # the same steps on many draws
def test_noise_on_few_rows_is_seldom_called_better_by_the_whole_judgement() -> None:
    claims = 0
    for seed in range(200):
        truth, answers = knows_nothing(0, 6, seed)
        said = ev.measure(truth, answers, truth, answers, name="rmse", seed=42).document["verdict"]
        claims += "× better" in said
    assert claims <= 10


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_good_answers_on_a_dozen_rows_are_still_called_better(classes: int) -> None:
    draw = np.random.default_rng(5)
    labels, amounts = np.arange(12) % max(classes, 1), draw.normal(size=12)
    truth = sc.Truth(labels if classes else amounts, classes)
    answers = np.eye(classes)[labels] * 0.6 + 0.4 / classes if classes else amounts + 0.1 * draw.normal(size=12)
    said = ev.measure(truth, answers, truth, answers, name=sc.headline_metric(truth), seed=42).document["verdict"]
    assert "× better than guessing" in said


def test_a_perfect_score_that_chance_reaches_often_is_no_claim() -> None:
    truth = sc.Truth(np.array([0, 1]), 2)
    answers = np.array([[0.6, 0.4], [0.4, 0.6]])
    assert rs.luck(truth, answers, 42) == pytest.approx(0.5, abs=0.1)
    said = ev.measure(truth, answers, truth, answers, name="roc_auc", seed=42).document["verdict"]
    assert said.startswith("not clearly better than guessing: the interval includes it")
    chance = rs.luck(truth, answers, 42)
    assert "so few held-out rows" in ev.verdict("roc_auc", 1.0, 0.5, 0.6, 1.0, chance)


def test_answers_that_are_all_alike_are_as_good_as_any_deal() -> None:
    assert rs.luck(sc.Truth(np.array([0.1, 0.2, 0.7]), 0), np.full(3, 1 / 3), 42) == 1.0
    assert rs.luck(sc.Truth(np.array([0, 1, 1]), 2), np.full((3, 2), 0.5), 42) == 1.0


def test_overfitting_is_said() -> None:
    assert ev.gap("roc_auc", 0.99, 0.81) == "overfits: ROC AUC 0.990 on the training rows, 0.810 on held-out rows"
    assert ev.gap("roc_auc", 0.85, 0.81) == ""
    assert "overfits" in ev.gap("rmse", 1.0, 2.0)


def test_random_answers_are_judged_no_better_than_guessing() -> None:
    draw = np.random.default_rng(0)
    y = draw.normal(size=100)
    truth = sc.Truth(y, 0)
    measured = ev.measure(truth, y, truth, draw.normal(size=100), name="rmse", seed=42)
    assert measured.document["verdict"] == "no better than guessing: check the target"
    assert measured.document["headline"]["baseline"] == pytest.approx(y.std())


@pytest.mark.parametrize(
    ("truth", "answers", "name"),
    [
        (sc.Truth(np.array([1e200, -1e200]), 0), np.zeros(2), "rmse"),
        (sc.Truth(np.array([1.0, 2.0]), 0), np.array([math.nan, 1.0]), "rmse"),
        (sc.Truth(np.array([1, 1]), 2), np.array([[0.5, 0.5], [0.4, 0.6]]), "roc_auc"),
    ],
)
def test_metrics_that_are_no_numbers_are_an_error_and_not_a_result(
    truth: sc.Truth, answers: np.ndarray, name: str
) -> None:
    """faults.md 30."""
    with pytest.raises(Refused, match="E-METRICS"):
        ev.measure(truth, answers, truth, answers, name=name, seed=42)
