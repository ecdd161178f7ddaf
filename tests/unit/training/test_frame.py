"""Cells in memory mean what inspection said they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from containers.training import frame as frames
from containers.training.frame import Frame, load
from containers.training.profile import survey
from containers.training.refusal import Refused
from tests.unit.training.files import penguins, table, write


def read(path: Path, target: str, task: str, *features: str) -> Frame:
    return load(path, survey(path, target), features, target, task)


def test_gaps_are_as_many_as_inspection_counted() -> None:
    found = survey(penguins())
    names = [c.name for c in found.columns if c.name != "species"]
    frame = load(penguins(), found, names, "species", "classification")
    for tally in found.columns[1:]:
        column = frame.features[tally.name]
        gaps = column.isna() if tally.kind == "number" else column == ""
        assert int(gaps.sum()) == tally.missing
    assert frame.classes == ("Adelie", "Chinstrap", "Gentoo")


def test_rows_without_a_target_are_left_out_and_counted_never_filled(tmp_path: Path) -> None:
    rows = ["1,a,5", "2,b,NA", "3,a,", "4,b,1e999", "5,c,7"]
    frame = read(write(tmp_path, table("n,t,y", rows)), "y", "regression", "t", "n")
    assert list(frame.features.columns) == ["t", "n"]
    assert frame.target.tolist() == [5.0, 7.0]
    assert frame.row_numbers.tolist() == [1, 5]
    assert frame.dropped == 3
    assert frame.features["t"].tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("cells", "classes", "codes"),
    [
        (["10", "9", "9.0", ""], ("9", "10"), [1, 0, 0]),
        (["0.5", "-1", "0.5"], ("-1", "0.5"), [1, 0, 1]),
        (["b", " a ", "?", "b"], ("a", "b"), [1, 0, 1]),
    ],
)
def test_classes_have_an_order_and_a_name(
    tmp_path: Path, cells: list[str], classes: tuple[str, ...], codes: list[int]
) -> None:
    frame = read(write(tmp_path, table("n,y", [f"1,{c}" for c in cells])), "y", "classification", "n")
    assert frame.classes == classes
    assert frame.target.tolist() == codes


def test_infinite_and_huge_features_become_usable(tmp_path: Path) -> None:
    rows = ["inf,1", "1e999,2", "1e300,3", "-1e300,4", "2,5"]
    values = read(write(tmp_path, table("n,y", rows)), "y", "regression", "n").features["n"]
    assert values.isna().tolist() == [True, True, False, False, False]
    assert values[2:].tolist() == [1e30, -1e30, 2.0]


def test_decimal_commas_are_read_as_inspection_found_them(tmp_path: Path) -> None:
    path = write(tmp_path, table("n;y", ["1.234,5;1,5", ";2", "1.234;3"]))
    frame = read(path, "y", "regression", "n")
    assert frame.target.tolist() == [1.5, 2.0, 3.0]
    assert np.array_equal(frame.features["n"], [1234.5, np.nan, 1234.0], equal_nan=True)


def test_texts_beyond_the_bound_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "TEXTS_MAX", 3)
    rows = [f"t{i % 9},{i}" for i in range(10_000)]
    texts = read(write(tmp_path, table("t,y", rows)), "y", "regression", "t").features["t"]
    assert set(texts) == {"t0", "t1", "t2", "(other)"}
    assert texts[9] == "t0"


def test_a_target_of_infinities_is_no_target(tmp_path: Path) -> None:
    path = write(tmp_path, table("n,y", ["1,1e999"] * 12))
    with pytest.raises(Refused, match="E-METRICS"):
        read(path, "y", "regression", "n")


def test_a_column_that_changes_between_two_readings_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, table("n,y", ["1,2"] * 12))
    found = survey(path)
    write(tmp_path, table("n,y", ["x,2"] * 12))
    with pytest.raises(Refused, match="E-ARTIFACT"):
        load(path, found, ["n"], "y", "regression")
