"""Rows of a group are one piece of news: what chance does to a score where whole groups are held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from containers.training import evaluation as ev
from containers.training import resampling as rs
from containers.training import scoring as sc
from containers.training.frame import Frame
from containers.training.judgement import GROUPS_TOLD_MIN, Asked, judge
from containers.training.splits import Way, split_rows


def clustered(groups: int, each: int, seed: int = 1) -> tuple[np.ndarray, Any, Any]:
    """Return groups, and the target and wrong answers that are nearly the same throughout a group."""
    draw = np.random.default_rng(seed)
    number = np.repeat(np.arange(groups), each)
    target, answers = (draw.normal(size=groups)[number] + 0.01 * draw.normal(size=len(number)) for _ in range(2))
    return number, target, answers


def width(pair: tuple[float, float]) -> float:
    return pair[1] - pair[0]


def test_of_rows_alike_within_their_group_the_interval_is_as_wide_as_of_so_many_groups() -> None:
    number, target, answers = clustered(20, 50)
    truth = sc.Truth(target, 0)
    by_row, by_group = (rs.interval("rmse", truth, answers, 42, groups) for groups in (None, number))
    assert width(by_group) > 4 * width(by_row)
    one_of_each = sc.Truth(target[::50], 0)
    assert width(by_group) == pytest.approx(width(rs.interval("rmse", one_of_each, answers[::50], 42)), rel=0.3)
    assert by_group == rs.interval("rmse", truth, answers, 42, number)


def test_the_interval_by_group_is_never_narrower_than_by_row() -> None:
    for groups in (1, 2, 3, 200):
        number, target, answers = clustered(groups, 5)
        truth = sc.Truth(target, 0)
        by_row, by_group = (rs.interval("rmse", truth, answers, 42, one) for one in (None, number))
        assert by_group[0] <= by_row[0]
        assert by_row[1] <= by_group[1]


def test_whole_groups_are_drawn_however_their_rows_lie_in_the_file() -> None:
    number = np.array([7, 3, 7, 9, 3, 7])
    blocks = rs.Blocks.of(number)
    draw = np.random.default_rng(1)
    for _ in range(20):
        rows, times = np.unique(blocks.resampled(draw), return_counts=True)
        for group in (3, 7, 9):
            assert len({int(t) for row, t in zip(rows, times, strict=True) if number[row] == group}) <= 1
        assert sorted(blocks.shuffled(draw)) == list(range(6))
        assert (number[blocks.shuffled(draw)] == number).all()
        sources = {group: {int(g) for g in number[blocks.dealt(draw)[number == group]]} for group in (3, 7, 9)}
        assert all(len(source) == 1 for source in sources.values())


@pytest.mark.no_cover  # the same steps on many draws
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_noise_that_is_alike_within_few_groups_is_seldom_called_better_than_guessing(classes: int) -> None:
    claims = by_rows = 0
    for seed in range(60):
        number, target, answers = clustered(8, 20, seed)
        y, given = target, answers
        if classes:
            y = (np.arange(8) % classes)[np.random.default_rng(seed).permutation(8)][number]
            given = np.random.default_rng(seed + 500).dirichlet(np.ones(classes), 8)[number]
        truth = sc.Truth(y, classes)
        claims += rs.luck(truth, given, 42, number) <= ev.LUCK_MAX
        by_rows += rs.luck(truth, given, 42) <= ev.LUCK_MAX
    assert claims <= 4
    assert by_rows > 15, "rows that repeat each other make chance look like knowledge"


def test_what_is_known_within_groups_is_seen_however_few_they_are() -> None:
    draw = np.random.default_rng(4)
    number, target = np.repeat([0, 1], 40), draw.normal(size=80)
    answers = target + 0.1 * draw.normal(size=80)
    assert rs.luck(sc.Truth(target, 0), answers, 42, number) <= ev.LUCK_MAX


def test_of_one_group_nothing_is_known_between_groups() -> None:
    number, target, answers = clustered(1, 30)
    assert rs.luck(sc.Truth(np.round(target), 0), np.round(answers, 3) * 0, 42, number) == 1.0


def test_many_groups_are_believed_by_their_interval() -> None:
    number, target, answers = clustered(rs.DEAL_ROWS_MAX + 1, 1)
    assert rs.luck(sc.Truth(target, 0), answers, 42, number) == 0.0


@pytest.mark.parametrize(("groups", "told"), [(30, True), (60, False)])
def test_the_judgement_is_by_group_and_says_when_groups_are_few(groups: int, told: bool) -> None:
    number, target, _ = clustered(groups, 10)
    features = pd.DataFrame({"a": np.random.default_rng(2).normal(size=len(number))})
    frame = Frame(features, target, (), np.arange(1, len(number) + 1), 0, number.astype(float))
    split = split_rows(frame, "regression", Way(0.2, 42, group="patient"))
    assert split.groups is not None
    held_out = split.groups[split.test]
    assert (len(np.unique(held_out)) < GROUPS_TOLD_MIN) == told
    model = _Mean()
    metadata = {
        "model_type": "linear",
        "task": "regression",
        "target_column": "y",
        "split": {},
        "feature_columns": ["a"],
    }
    judged = judge(model, metadata, frame, split, Asked(42))
    top = judged.measured.document["headline"]
    truth = sc.Truth(target[split.test], 0)
    assert (top["low"], top["high"]) == rs.interval(top["name"], truth, np.zeros(len(split.test)), 42, held_out)
    assert any("held out: how well it does on others is hardly known" in note for note in judged.notes) == told


class _Mean:
    """A model that always says 0."""

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.zeros(len(rows))


@pytest.mark.parametrize(("rows", "low"), [(6, 0.541), (36, 0.903), (360, 0.990)])
def test_a_faultless_score_is_as_sure_as_so_many_rows_make_it_and_never_a_point(rows: int, low: float) -> None:
    actual = np.arange(rows) % 3
    found = rs.interval("f1_macro", sc.Truth(actual, 3), np.eye(3)[actual], 42)
    assert found == pytest.approx((low, 1.0), abs=1e-3)
    by_group = rs.interval("f1_macro", sc.Truth(actual, 3), np.eye(3)[actual], 42, np.arange(rows) // 3)
    assert by_group[0] < found[0], "groups are fewer than rows"


@pytest.mark.parametrize(("name", "positive"), [("roc_auc", 0), ("roc_auc", 1), ("average_precision", 1)])
def test_a_faultless_order_of_two_classes_tells_as_much_as_its_rarer_class_has_rows(name: str, positive: int) -> None:
    hit = (np.arange(300) < 3).astype(np.int64)
    answers = np.column_stack([1.0 - hit, hit])
    low, high = rs.interval(name, sc.Truth(hit, 2, positive), answers, 42)
    assert (low, high) == pytest.approx((0.025 ** (1 / 3), 1.0))
    assert ev.verdict(name, 1.0, 0.5, low, high).startswith("not clearly better")


def test_of_rows_in_order_of_time_the_interval_is_over_stretches_of_it_and_the_verdict_says_so() -> None:
    """A random walk's errors go on from row to row: four hundred of them are few pieces of news."""
    draw = np.random.default_rng(3)
    walk = np.cumsum(draw.normal(size=400))
    known = walk[:100] - 1.0
    truth, learnt = sc.Truth(walk, 0), sc.Truth(known, 0)
    answers = np.full(400, walk.mean())
    stretches = np.arange(400) // 20
    by_row, by_time = (
        ev.measure(learnt, known, truth, answers, name="rmse", seed=42, stretches=one).document
        for one in (None, stretches)
    )
    ends = [(found["headline"]["low"], found["headline"]["high"]) for found in (by_row, by_time)]
    assert width(ends[1]) > 1.5 * width(ends[0])
    assert by_row["verdict"].endswith("more rows would tell")
    assert by_time["verdict"].endswith("more stretches of time would tell")


@pytest.mark.parametrize("unit", [1e-14, 1.0, 1e12])
def test_what_chance_does_to_numbers_does_not_hang_on_their_unit(unit: float) -> None:
    draw = np.random.default_rng(3)
    target = draw.normal(size=60)
    answers = target + draw.normal(size=60)
    assert rs.luck(sc.Truth(target * unit, 0), answers * unit, 42) == 1 / (rs.DEALS + 1)
