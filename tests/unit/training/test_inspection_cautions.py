"""What a file only nearly says is told before money is spent, with an example: nothing is guessed in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from containers.training.dialect import Dialect
from containers.training.profile import survey
from containers.training.swift import read
from containers.training.table import detect_file
from tests.unit.training.files import ask, refused, table, write

ROWS = 60


def file(folder: Path, cell: Callable[[int], Any], encoding: str = "utf-8") -> Path:
    rows = [f'"{cell(i)}",{i * 37 % 11},{("yes", "no")[i % 2]}' for i in range(ROWS)]
    return write(folder, table("x,y,bought", rows).encode(encoding))


def said(path: Path, **request: Any) -> list[str]:
    answer = ask(path, **request)
    assert answer["ok"], answer
    return list(answer["check"]["warnings"])


def test_infinity_is_said_to_be_missing_with_its_number_of_cells(tmp_path: Path) -> None:
    path = file(tmp_path, lambda i: ("inf", "-Infinity", i)[i % 3] if i < 30 else i + 0.5)
    assert "Infinity stands in 20 cells of 'x': no model can use it, it counts as missing." in said(path)
    target = write(tmp_path, table("x,y,bought", [f"{i},{i % 7},{'inf' if i == 9 else i * 1.5}" for i in range(ROWS)]))
    words = said(target)
    assert words[0] == "1 of 60 rows have no 'bought' and are left out."
    assert words[1].startswith("Infinity stands in 1 cell of 'bought'")


def test_infinity_among_few_values_is_counted_as_the_careful_reader_does(tmp_path: Path) -> None:
    path = write(tmp_path, table("x,bought", [f"{i % 3},{('inf', 'yes', 'no')[i % 3]}" for i in range(ROWS)]))
    swift = read(path, detect_file(path), "bought", 1 << 20)
    assert swift is not None
    careful = survey(path, "bought")
    assert [(c.missing, c.infinite) for c in swift.survey.columns] == [(0, 0), (20, 20)]
    assert [(c.missing, c.infinite) for c in careful.columns] == [(0, 0), (20, 20)]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (lambda i: "n.d." if i % 4 == 0 else i * 1.5, "'x' has text such as 'n.d.' among its numbers"),
        (lambda i: f"${i},000.50", "'x' has amounts such as '$0,000.50', not plain numbers"),
        (lambda i: f"{i} %", "'x' has amounts such as '0 %', not plain numbers"),
        (lambda i: f"R$ {i}.500,25", "'x' has amounts such as 'R$ 0.500,25', not plain numbers"),
        (lambda i: f"{1 + i},234", "'x' has amounts such as '1,234', not plain numbers"),
        (lambda i: "0000-00-00" if i % 5 == 0 else f"2025-03-{1 + i % 28:02}", "such as '0000-00-00' among its dates"),
        (lambda i: "later" if i % 5 == 0 else f"{1 + i % 28}/03/2025", "such as 'later' among its dates"),
    ],
)
def test_a_column_that_is_nearly_one_of_numbers_or_dates_is_pointed_out(
    tmp_path: Path, cell: Callable[[int], Any], words: str
) -> None:
    [caution] = [line for line in said(file(tmp_path, cell)) if "'x'" in line]
    assert words in caution
    assert caution.endswith("is treated as categories: where that is wrong, correct or empty these cells.")


@pytest.mark.parametrize("cell", [lambda i: f"v1.{i % 9}.0", lambda i: "abc"[i % 3], lambda i: f"A{i % 7}"])
def test_codes_and_texts_are_taken_for_nothing_else(tmp_path: Path, cell: Callable[[int], Any]) -> None:
    assert not [line for line in said(file(tmp_path, cell)) if "treated as categories" in line]


def test_a_target_spoilt_by_a_few_cells_names_one_of_them(tmp_path: Path) -> None:
    rows = [f"{i % 7},{'n.d.' if i % 50 == 0 else i * 1.5}" for i in range(300)]
    path = write(tmp_path, table("x,price", rows))
    for request in ({}, {"task": "regression"}, {"model": "ridge"}):
        answer = ask(path, "price", **request)
        assert refused(answer) == "E-TASK"
        assert "'price' has text such as 'n.d.' among its numbers: correct these cells or empty" in answer["detail"]


def test_features_that_are_cut_are_said(tmp_path: Path) -> None:
    [caution] = said(file(tmp_path, lambda i: f"{i * 5 % 7}e40"))
    assert caution.startswith("'x' goes as far from 0 as 6e+40: what is beyond 1e+30 counts as that")
    assert not said(file(tmp_path, lambda i: f"{i * 5 % 7}e29"))


@pytest.mark.parametrize("cell", ["1e308", "-1e400", "9" * 120])
def test_a_target_too_large_to_square_is_refused_before_money_is_spent(tmp_path: Path, cell: str) -> None:
    answer = ask(write(tmp_path, table("x,y", [f"{i % 7},{cell if i == 50 else i * 1.5}" for i in range(99)])), "y")
    assert refused(answer) == "E-TASK"
    assert "'y' holds numbers as far from 0 as " in answer["detail"]


def test_text_in_no_sure_encoding_is_said_with_an_example(tmp_path: Path) -> None:
    path = file(tmp_path, lambda i: ("São Paulo", "Belém")[i % 2], "cp1252")
    words = "The file is no UTF-8 and is read as Windows-1252 ('São Paulo'): if letters look wrong, save it as CSV"
    assert said(path)[0].startswith(words)
    spoilt = write(tmp_path, path.read_bytes().decode("cp1252").encode() + b"Bel\xe9m,1,no\n")
    assert detect_file(spoilt) == Dialect("cp1252", ",")
    assert "'SÃ£o Paulo'" in said(spoilt)[0]
    assert not [line for line in said(file(tmp_path, lambda i: "ã" * (1 + i % 2))) if "Windows" in line]
