"""The swift reader gives what the careful one gives, or nothing."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.training.data import write as write_bench
from containers.training import swift
from containers.training.frame import Frame, load
from containers.training.packed import zstd_library
from containers.training.profile import survey
from containers.training.refusal import Refused
from containers.training.table import detect_file
from containers.training.target import Question, check
from tests.unit.training.files import penguins, people, table, write

MOST = 10**9


def same(frame: Frame, other: Frame) -> None:
    pd.testing.assert_frame_equal(frame.features, other.features)
    assert np.array_equal(frame.target, other.target)
    assert (frame.classes, frame.dropped) == (other.classes, other.dropped)
    assert np.array_equal(frame.row_numbers, other.row_numbers)


def compared(path: Path, target: str, **question: object) -> bool:
    """Hold both readers against each other; returns whether the swift one took the file."""
    dialect = detect_file(path)
    read = swift.read(path, dialect, target, MOST)
    if read is None:
        return False
    found = survey(path, target, dialect=dialect)
    asked = Question(target, **question)  # type: ignore[arg-type]
    ours, theirs = read.survey.json(), found.json()
    for column in (*ours["columns"], *theirs["columns"]):
        if column["kind"] == "number" and column["distinct"] is not None:
            column["distinct"] = 0  # ``1`` and ``1.0`` are one number here
    assert ours == theirs
    checked = check(found, asked)
    assert check(read.survey, asked) == checked
    careful = load(path, found, checked.features, target, checked.task, asked.group)
    same(load(path, read.survey, checked.features, target, checked.task, asked.group, columns=read.by_name), careful)
    return True


@pytest.mark.no_cover  # the same steps on much data
def test_real_and_mixed_files_are_the_same_both_ways(tmp_path: Path) -> None:
    assert compared(penguins(), "species")
    assert compared(penguins(), "body_mass_g", group="flipper_length_mm")
    assert compared(write(tmp_path, people(9000)), "bought")
    assert compared(write(tmp_path, people(9000)), "spent")
    many = write_bench(tmp_path / "bench.csv", 1)
    assert compared(many, "churn")
    assert compared(many, "spend")


def test_dates_gaps_copies_and_tellers_are_the_same_both_ways(tmp_path: Path) -> None:
    rows = [
        f"{1 + i % 28:02d}/{1 + i % 12:02d}/2026,{i % 3},{'' if i % 7 == 0 else i * 1.5},"
        f"{'ab'[i % 2]}, {'xy'[i % 2]} ,NA,{'ab'[i % 2]}"
        for i in range(5000)
    ]
    path = write(tmp_path, table("day,few,gaps,copy,tells,empty,y", rows[:4500] + rows[:500]))
    assert compared(path, "y", features=("day", "few", "gaps", "copy", "tells"))
    assert compared(path, "gaps", features=("day", "few", "copy", "tells"))


def test_a_file_whose_first_thousand_rows_mislead_is_read_again_by_more_of_them(tmp_path: Path) -> None:
    whole = [f"{i};{i % 2}" for i in range(2000)]
    parts = [f"{i}.5;{i % 2}" for i in range(3000)]
    assert compared(write(tmp_path, table("n;y", whole + parts)), "y")
    quoted = [row.replace(";", ';"a; b";') for row in whole + parts]
    assert compared(write(tmp_path, table("n;t;y", quoted)), "y")
    late = write(tmp_path, table("n;y", whole * 3 + parts))
    assert swift.read(late, detect_file(late), "y", MOST) is None
    few = write(tmp_path, table("n;y", [*whole[:700], "1;2;3"]))
    assert swift.read(few, detect_file(few), "y", MOST) is None


def test_what_counts_up_for_a_thousand_rows_only_is_no_row_number_either_way(tmp_path: Path) -> None:
    rows = [f"{i if i < 1500 else 2 * i},{i % 7},{'ab'[i % 2]}" for i in range(3000)]
    assert compared(write(tmp_path, table("n,x,y", rows)), "y")


@pytest.mark.parametrize(
    "bad",
    ['"q",1', "1,2,3", "1", "x,1", "inf,1", "iNf,1", "nAn,1", "1e999,1", "\xff,1", "+1,1", "1_0,1", "1\r2,1",
     "5,1\r"],
)  # fmt: skip
def test_what_is_unusual_far_down_is_left_to_the_careful_reader(tmp_path: Path, bad: str) -> None:
    lines = ["n,y", *(f"{i}.5,{i % 2}" for i in range(6000))]
    path = tmp_path / "data.csv"
    path.write_bytes("\n".join([*lines, bad]).encode("latin-1"))
    dialect = detect_file(path)
    read = swift.read(path, dialect, "y", MOST)
    if read is not None:
        assert bad in ("inf,1", "+1,1")
        assert compared(path, "y")


def pack(folder: Path, content: bytes, format: str) -> Path:
    """A table in one of the packings."""
    path = folder / f"packed.{format}"
    if format == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data.csv", content)
        return path
    path.write_bytes(gzip.compress(content) if format == "csv.gz" else zstd_library().compress(content))
    return path


def german(rows: int) -> str:
    """A table with decimal commas, points between thousands, whole numbers, dates and quoted texts."""
    lines = ["wert;anzahl;tausend;offen;tag;ort;y"]
    for i in range(rows):
        day = f"{1 + i % 28:02d}.{1 + i % 12:02d}.2026"
        place = ("Köln", '"Halle; Saale"', '"sagt ""ja"""', 'x"y')[i % 4]
        lines.append(f"{i % 97},{i % 10};{i % 300};1.{i % 1000:03d},5;1.{200 + i % 9};{day};{place};{'ab'[i % 2]}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_other_delimiters_quotes_and_encodings_are_the_same_both_ways(tmp_path: Path, encoding: str) -> None:
    assert compared(write(tmp_path, german(5000).encode(encoding)), "y")
    assert compared(write(tmp_path, german(300).replace("\n", "\r\n").encode(encoding)), "anzahl")
    assert compared(write(tmp_path, ("sep=;\n" + german(300)).encode(encoding)), "wert", features=("ort", "tag"))


@pytest.mark.parametrize("name", ["csv.gz", "csv.zst", "zip"])
def test_packed_files_are_the_same_both_ways(tmp_path: Path, name: str) -> None:
    assert compared(pack(tmp_path, people(5000).encode(), name), "bought")


def test_more_text_than_may_be_read_is_left_to_the_careful_reader(tmp_path: Path) -> None:
    text = people(3000)
    path = pack(tmp_path, text.encode(), "csv.gz")
    assert swift.read(path, detect_file(path), "bought", len(text)) is not None
    assert swift.read(path, detect_file(path), "bought", len(text) - 1) is None


def test_what_cannot_be_counted_or_told_apart_is_left_to_the_careful_reader(tmp_path: Path) -> None:
    path = write(tmp_path, people())
    assert swift.read(path, detect_file(path), "nothing", MOST) is None
    zero = write(tmp_path, people(20_000) + "\0", "zero.csv")
    assert swift.read(zero, detect_file(path), "bought", MOST) is None
    tall = write(tmp_path, people().replace("city", '"ci\nty"'), "tall.csv")
    assert swift.read(tall, detect_file(path), "bought", MOST) is None
    late = write(tmp_path, people(20_000).encode() + b"1,\xff,no,2\n", "late.csv")
    assert swift.read(late, detect_file(path), "bought", MOST) is None
    early = write(tmp_path, people(20).encode() + b"1,\xff,no,2\n", "early.csv")
    assert swift.read(early, detect_file(path), "bought", MOST) is None
    odd = write(tmp_path, people().encode("utf-16") + b"a", "odd.csv")
    assert swift.read(odd, detect_file(odd), "bought", MOST) is None
    cut = pack(tmp_path, people(9000).encode(), "csv.gz")
    cut.write_bytes(cut.read_bytes()[:-9])
    assert swift.read(cut, detect_file(path)._replace(format="csv.gz"), "bought", MOST) is None


def test_blank_lines_before_the_header_are_the_same_both_ways(tmp_path: Path) -> None:
    assert compared(write(tmp_path, "\n\n" + people(50)), "bought")
    assert compared(write(tmp_path, people(50).replace("\n", "\n\n")), "bought")


CELLS = st.sampled_from(
    ["", "NA", "0", "1", "-2.5", "1e3", " 7 ", "x", " x", "Évora", "2026-11-26", "01/02/2026", "inf", "5 ",
     "1.", ".5", "00", "-0"]
)  # fmt: skip


@pytest.mark.no_cover  # the same steps on many tables
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["a", "b", ""])), min_size=12, max_size=40))
def test_any_table_is_the_same_both_ways(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    alike(write(tmp_path, table("p,q,y", [",".join(row) for row in rows])))


def alike(path: Path) -> None:
    """Hold both readers against each other; both may refuse."""
    try:
        compared(path, "y")
    except Refused:
        with pytest.raises(Refused):
            check(survey(path, "y"), Question("y"))


ODD = st.sampled_from(
    ["", '"', '""', '"a"', '"a;b"', '"a""b"', 'a"b', '"a"b', '"\n"', '"1,5"', "1,5", "1.234", "1.234,5", "7", "7.5"]
)


@pytest.mark.no_cover  # the same steps on many tables
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(ODD, ODD, st.sampled_from(["a", "b", ""])), min_size=12, max_size=40))
def test_any_table_of_quotes_and_commas_is_the_same_both_ways(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    alike(write(tmp_path, table("p;q;y", [";".join(row) for row in rows])))
