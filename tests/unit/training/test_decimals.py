"""How a file writes its numbers is decided from all its columns, and doubt is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from containers.training.bundle import schema
from containers.training.frame import load
from containers.training.profile import Survey, survey
from tests.unit.training.files import ask, table, write

EITHER = ["1.200", "2.500"]
COMMAS = ["1,200", "2,500"]


def rows(*columns: list[str], count: int = 20) -> list[str]:
    return [";".join(column[i % len(column)] for column in columns) for i in range(count)]


def file(tmp_path: Path, *columns: list[str]) -> Path:
    names = ["x", "y", "z"][: len(columns)]
    return write(tmp_path, table(";".join([*names, "t"]), rows(*columns, ["yes", "no"])))


def values(path: Path, **given: Any) -> tuple[Survey, list[float]]:
    found = survey(path, "t", **given)
    frame = load(path, found, ["x"], "t", "classification")
    return found, sorted(set(frame.features["x"].tolist()))


@pytest.mark.parametrize(
    ("other", "decimal", "read"),
    [
        (["1,5", "2"], ",", [1200.0, 2500.0]),
        (["1.234,56", "7"], ",", [1200.0, 2500.0]),
        (["1234,567", "7"], ",", [1200.0, 2500.0]),
        (["0,125", "7"], ",", [1200.0, 2500.0]),
        (["1.5", "2"], ".", [1.2, 2.5]),
        (["0.125", "7"], ".", [1.2, 2.5]),
        (["1234.567", "7"], ".", [1.2, 2.5]),
        (["1", "2"], None, [1.2, 2.5]),
        (["1.300", "7"], None, [1.2, 2.5]),
        (["1,300", "7"], None, [1.2, 2.5]),
        (["31.12.2025", "1.1.2025"], None, [1.2, 2.5]),
        (["1,5 km", "2.5"], None, [1.2, 2.5]),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_read_as_the_other_columns_are_written(
    tmp_path: Path, other: list[str], decimal: str | None, read: list[float]
) -> None:
    path = file(tmp_path, EITHER, other)
    found, numbers = values(path)
    assert (found.decimal, numbers) == (decimal, read)
    warned = [w for w in ask(path, "t")["check"]["warnings"] if "two ways" in w]
    assert bool(warned) == (decimal is None)


def test_columns_that_contradict_each_other_decide_nothing_and_doubt_is_said(tmp_path: Path) -> None:
    path = file(tmp_path, EITHER, ["1,5", "2"], ["1.5", "2"])
    found, numbers = values(path)
    assert (found.decimal, numbers) == (None, [1.2, 2.5])
    [warned] = [w for w in ask(path, "t")["check"]["warnings"] if "two ways" in w]
    assert "x" in warned
    assert "1.200" in warned
    assert "read as 1.2." in warned


def test_commas_that_may_stand_between_thousands_are_decimals_and_doubt_is_said(tmp_path: Path) -> None:
    path = file(tmp_path, COMMAS, ["1.5", "2"])
    assert values(path)[1] == [1.2, 2.5]
    [warned] = [w for w in ask(path, "t")["check"]["warnings"] if "two ways" in w]
    assert "1,200" in warned
    sure = file(tmp_path, COMMAS, ["1,5", "2"])
    assert "two ways" not in str(ask(sure, "t")["check"]["warnings"])


def test_the_first_number_in_doubt_is_shown_and_not_one_without_a_mark(tmp_path: Path) -> None:
    path = file(tmp_path, ["7", "1.200"])
    [warned] = [w for w in ask(path, "t")["check"]["warnings"] if "two ways" in w]
    assert "1.200" in warned


def test_a_target_in_doubt_is_warned_of_and_a_column_not_used_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, table("a;x;t", rows(["1", "2"], EITHER, [f"{n}.100" for n in range(1, 20)])))
    [warned] = [w for w in ask(path, "t", features=["a"])["check"]["warnings"] if "two ways" in w]
    assert "'t'" in warned.replace('"', "'")
    assert "'x'" not in warned.replace('"', "'")


def test_points_in_a_comma_file_are_decimals_without_doubt(tmp_path: Path) -> None:
    path = write(tmp_path, table("x,t", [f"{EITHER[i % 2]},{'ab'[i % 2]}" for i in range(20)]))
    found, numbers = values(path)
    assert (found.decimal, numbers) == (".", [1.2, 2.5])
    assert "two ways" not in str(ask(path, "t")["check"]["warnings"])


def test_what_is_known_of_the_model_decides_only_where_the_file_does_not_tell(tmp_path: Path) -> None:
    assert values(file(tmp_path, EITHER, ["1", "2"]), decimal=",")[1] == [1200.0, 2500.0]
    assert values(file(tmp_path, EITHER, ["1.5", "2"]), decimal=",")[1] == [1.2, 2.5]
    assert values(file(tmp_path, EITHER, ["1,5", "2"]), decimal=".")[1] == [1200.0, 2500.0]


def test_the_schema_keeps_how_the_file_wrote_its_numbers() -> None:
    features = pd.DataFrame({"x": np.array([1.0, 2.0])})
    assert schema(features, "t", ",")["decimal"] == ","
    assert schema(features, "t")["decimal"] is None
