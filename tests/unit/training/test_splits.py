"""Rows held out by group and by time: what stands on which side, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from containers.training import splits
from containers.training.frame import Frame
from containers.training.moments import moments
from containers.training.refusal import Refused
from tests.unit.training.files import ask, refused, table, write


def texts(*cells: str) -> Any:
    return pd.Categorical(cells)


@pytest.mark.parametrize("seed", range(5))
def test_a_group_stands_whole_on_one_side_and_the_share_is_kept(seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 60, 600)
    y = np.random.default_rng(9).integers(0, 2, 600)
    found = splits.by_group(groups, "patient", y, "classification", 0.2, seed)
    assert not set(groups[found.train]) & set(groups[found.test])
    assert sorted([*found.train, *found.test]) == list(range(600))
    assert 0.15 < len(found.test) / 600 < 0.25
    again = splits.by_group(groups, "patient", y, "classification", 0.2, seed)
    assert np.array_equal(found.test, again.test)


def test_of_several_ways_to_take_groups_the_one_nearest_to_the_classes_shares_is_taken() -> None:
    groups = np.repeat(np.arange(50), 10)
    y = (groups % 10 == 0).astype(np.int64)
    for seed in range(10):
        found = splits.by_group(groups, "patient", y, "classification", 0.2, seed)
        assert y[found.test].mean() == pytest.approx(0.1), "a tenth, as in the whole"


def test_at_random_every_class_keeps_its_share_of_the_rows_held_out() -> None:
    y = np.repeat([0, 1, 2], [900, 80, 20])
    for seed in range(5):
        found = splits.at_random(y, "classification", 0.2, seed)
        assert np.bincount(y[found.test]).tolist() == [180, 16, 4]


def test_groups_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(Refused, match="has 4 groups, at least 5"):
        splits.by_group(np.arange(40) % 4, "ward", np.zeros(40), "regression", 0.2, 42)
    whole = np.repeat(np.arange(5), 8)
    with pytest.raises(Refused, match="two classes on both sides"):
        splits.by_group(whole, "ward", (whole == 0).astype(np.int64), "classification", 0.2, 42)


def test_by_time_the_last_rows_are_held_out_and_equal_times_stay_together() -> None:
    times = np.array([5.0, 1, 2, 3, 4, 9, 9, 9, 6, 7])
    found = splits.by_time(times, "day", np.arange(10.0), "regression", 0.2)
    assert set(times[found.test]) == {9.0}
    assert times[found.train].max() < 9
    with pytest.raises(Refused, match="too few different times"):
        splits.by_time(np.full(10, 3.0), "day", np.arange(10.0), "regression", 0.2)
    with pytest.raises(Refused, match="single class"):
        splits.by_time(times, "day", (times > 5).astype(np.int64), "classification", 0.2)


def test_by_time_the_last_value_learnt_from_is_known() -> None:
    frame = Frame(pd.DataFrame({"a": range(10)}), np.arange(10.0) * 2, (), np.arange(1, 11), 0, np.arange(10.0))
    found = splits.split_rows(frame, "regression", splits.Way(0.2, 42, time="day"))
    assert found.last_value == 14.0
    assert splits.split_rows(frame._replace(beside=None), "regression", splits.Way(0.2, 42)).last_value is None
    way = splits.Way(0.2, 42, time="day")
    told = way.json(found, frame.row_numbers)
    assert (told["method"], told["column"]) == ("time", "day")
    assert told["sha256"] != way.json(found._replace(test=found.test[1:]), frame.row_numbers)["sha256"]


def test_groups_may_be_texts_or_numbers() -> None:
    y = np.arange(20.0)
    for beside in (texts(*(f"p{i % 10}" for i in range(20))), np.arange(20.0) % 10):
        frame = Frame(pd.DataFrame({"a": y}), y, (), np.arange(1, 21), 0, beside)
        found = splits.split_rows(frame, "regression", splits.Way(0.2, 42, group="p"))
        assert {i % 10 for i in found.train.tolist()} & {i % 10 for i in found.test.tolist()} == set()


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (("2026-01-02", "2025-12-31", "2026-01-01T10:00:00Z"), [1, 2, 0]),
        (("31/12/2025", "01/02/2026", "02/01/2026"), [0, 2, 1]),
        (("12/31/2025", "01/02/2026", "02/01/2026"), [0, 1, 2]),
        (("31.12.2025 10:00", "30.12.2025 23:00", ""), [2, 1, 0]),
    ],
)
def test_times_are_put_in_order_however_they_are_written(cells: tuple[str, ...], order: list[int]) -> None:
    assert np.argsort(moments(texts(*cells), "day"), kind="stable").tolist() == order


def test_times_that_cannot_be_told_are_refused() -> None:
    with pytest.raises(Refused, match="can be read in two ways"):
        moments(texts("01/02/2026", "03/04/2026"), "day")
    with pytest.raises(Refused, match="no time that can be read"):
        moments(texts("2026-01-02", "tomorrow"), "day")
    assert moments(np.array([2.0, np.nan]), "year").tolist() == [2.0, -np.inf]


def test_a_day_and_month_that_mean_the_same_either_way_are_no_doubt() -> None:
    assert len(set(moments(texts("01/01/2026", "02/02/2026"), "day").tolist())) == 2


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"group": "citty"}, "did you mean 'city'"),
        ({"group": "bought"}, "is the target"),
        ({"group": "city"}, "has 3 different groups"),
        ({"group": "city", "time": "age"}, "one of the two"),
        ({"time": "same"}, "has 1 different times"),
        ({"time": "none"}, "has no value"),
    ],
)
def test_a_column_that_cannot_split_is_refused_before_money_is_spent(
    tmp_path: Path, request_: dict[str, str], words: str
) -> None:
    rows = [f"{i},{('a', 'b', 'c')[i % 3]},{('yes', 'no')[i % 2]},7," for i in range(30)]
    answer = ask(write(tmp_path, table("age,city,bought,same,none", rows)), features=["age"], **request_)
    assert refused(answer) == "E-SPLIT"
    assert words in answer["detail"]


def test_the_column_split_by_is_learnt_from_only_when_named(tmp_path: Path) -> None:
    path = write(tmp_path, table("age,patient,bought", [f"{i},p{i % 9},{('yes', 'no')[i % 2]}" for i in range(40)]))
    assert ask(path, group="patient")["check"]["features"] == ["age"]
    assert ask(path, group="patient", features=["age", "patient"])["check"]["features"] == ["age", "patient"]


def test_by_time_rows_that_follow_each_other_are_one_stretch_in_whatever_order_the_file_has_them() -> None:
    days = np.random.default_rng(3).permutation(500).astype(np.float64)
    frame = Frame(pd.DataFrame({"x": days}), days, (), np.arange(1, 501), 0, days)
    found = splits.split_rows(frame, "regression", splits.Way(0.2, 42, time="day"))
    assert found.stretches is not None
    by_time = found.stretches[np.argsort(days[found.test])]
    assert by_time.tolist() == sorted(by_time)
    assert np.bincount(by_time).tolist() == [10] * 10
    assert splits.at_random(days, "regression", 0.2, 42).stretches is None
