"""Folds of training rows: whole, apart, the same again, and dealt the way rows are held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from containers.training.families import FAMILIES, complete_parameters
from containers.training.folds import ROWS_MAX, deal, sample
from containers.training.frame import Frame
from containers.training.learning import Ground, unfitted
from containers.training.splits import Way, split_rows


def frame(target: Any, classes: tuple[str, ...] = (), beside: Any = None) -> Frame:
    y = np.asarray(target)
    return Frame(pd.DataFrame({"a": range(len(y))}), y, classes, np.arange(1, len(y) + 1), 0, beside)


@pytest.mark.parametrize(("rows", "count"), [(100, 5), (2000, 3)])
def test_each_training_row_is_judged_on_once_and_no_held_out_row_is_touched(rows: int, count: int) -> None:
    training = np.arange(rows) + 7
    ground = frame(np.random.default_rng(1).normal(size=rows + 50))
    folds = deal(ground, training, Way(0.2, 42))
    assert len(folds) == count
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(training)
    assert all(sorted([*fold.train, *fold.test]) == list(training) for fold in folds)
    again, other = deal(ground, training, Way(0.2, 42)), deal(ground, training, Way(0.2, 43))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(folds, again, strict=True))
    assert not np.array_equal(folds[0].test, other[0].test)


def test_classes_keep_their_shares_in_every_fold() -> None:
    y = (np.arange(200) % 10 == 0).astype(np.int64)
    for fold in deal(frame(y, ("no", "yes")), np.arange(200), Way(0.2, 42)):
        assert len(fold.test) == 40
        assert y[fold.test].sum() == 4


def test_a_fold_that_has_one_class_alone_is_left_out() -> None:
    y = (np.arange(50) < 3).astype(np.int64)
    assert len(deal(frame(y, ("no", "yes")), np.arange(50), Way(0.2, 42))) == 3
    assert deal(frame(y * 0 + (np.arange(50) < 1), ("no", "yes")), np.arange(50), Way(0.2, 42)) == []


@pytest.mark.parametrize("texts", [False, True])
def test_groups_stand_whole_in_one_fold(texts: bool) -> None:
    groups = np.random.default_rng(3).integers(0, 20, 300)
    beside: Any = pd.Categorical([f"g{g}" for g in groups]) if texts else groups.astype(float)
    folds = deal(frame(np.arange(300.0), beside=beside), np.arange(280), Way(0.2, 42, group="patient"))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(280))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert 40 <= len(fold.test) <= 72


def test_by_time_every_fold_learns_from_the_past_only() -> None:
    times = np.random.default_rng(5).permutation(120) // 2 * 1.0
    folds = deal(frame(np.arange(120.0), beside=times), np.arange(100), Way(0.2, 42, time="day"))
    assert len(folds) == 5
    for fold in folds:
        assert times[fold.train].max() < times[fold.test].min()
        assert set(fold.test) <= set(range(100))


def test_many_rows_are_sampled_the_same_way_each_time() -> None:
    rows = np.arange(ROWS_MAX + 5000)
    found = sample(rows, 42)
    assert len(found) == ROWS_MAX
    assert np.all(np.diff(found) > 0)
    assert np.array_equal(found, sample(rows, 42))
    assert sample(rows[:10], 42) is not None
    assert len(sample(rows[:10], 42)) == 10


VISITS = 60
BESIDE = {
    "group": (np.arange(VISITS, dtype=np.float64) % 12, Way(0.2, 42, group="patient")),
    "time": (np.random.default_rng(3).permutation(VISITS).astype(np.float64), Way(0.2, 42, time="day")),
}


@pytest.mark.parametrize("how", BESIDE)
@pytest.mark.parametrize("name", ["lasso", "elasticnet"])
def test_the_strength_of_shrinkage_is_found_on_rows_held_out_as_those_it_is_judged_on(name: str, how: str) -> None:
    beside, way = BESIDE[how]
    draw = np.random.default_rng(0)
    features = pd.DataFrame({"a": draw.normal(size=VISITS), "b": draw.normal(size=VISITS)})
    y = features["a"].to_numpy() + draw.normal(size=VISITS)
    whole = Frame(features, y, (), np.arange(1, VISITS + 1), 0, beside)
    rows = split_rows(whole, "regression", way).train
    family = FAMILIES[name]
    pipeline = unfitted(Ground(whole, "regression", 42, 1, way), rows, family, complete_parameters(family, {}))
    folds = pipeline.named_steps["model"].cv
    assert len(folds) > 2
    for learnt, judged in folds:
        known, asked = beside[rows[learnt]], beside[rows[judged]]
        assert known.max() < asked.min() if how == "time" else not set(known) & set(asked)
    pipeline.fit(features.iloc[rows], y[rows])
    plain = unfitted(Ground(whole, "regression", 42, 1, Way(0.2, 42)), rows, family, complete_parameters(family, {}))
    assert plain.named_steps["model"].cv.shuffle, "at random they are dealt as ever"
