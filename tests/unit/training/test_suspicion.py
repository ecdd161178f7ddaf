"""What inspection suspects: rows that came before, people, columns that know the outcome."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from containers.training import sampling
from containers.training.personal import suspected
from containers.training.profile import survey
from containers.training.sampling import Repeats, Sample
from containers.training.suspicion import auc, ranks
from tests.unit.training.files import ask, people, table, write


def said(path: Path, target: str = "y", **more: object) -> str:
    return "\n".join(ask(path, target, **more)["check"]["warnings"])


def test_rows_that_came_before_are_counted_and_said_however_far_apart(tmp_path: Path) -> None:
    path = write(tmp_path, people(5000) + "\n".join(people(3).splitlines()[1:]) + "\n")
    found = survey(path)
    assert (found.duplicates, found.compared) == (3, 5003)
    assert "3 rows are equal to an earlier one" in said(path, "bought")
    assert "equal to an earlier" not in said(write(tmp_path, people(500)), "bought")


def test_of_many_rows_the_first_are_compared_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MARKED_ROWS_MAX", 50)
    path = write(tmp_path, table("a,y", ["1,2"] * 2 + [f"{i},{i}" for i in range(9000)]))
    assert (survey(path).duplicates, survey(path).compared) == (1, 50)
    assert "1 row is equal to an earlier one in every cell among the first 50" in said(path)


@pytest.mark.parametrize("size", [1, 7, 64, 4000])
def test_the_sample_is_spread_evenly_however_the_rows_come(size: int) -> None:
    rows = [[str(i)] for i in range(30_001)]
    sample = Sample(1)
    for start in range(0, len(rows), size):
        sample.add(rows[start : start + size])
    places = [int(row[0]) for row in sample.rows]
    assert places[0] == 0
    assert set(np.diff(places)) == {16}, "one step all over"
    assert places[-1] > 30_001 - 17


def test_the_sample_of_a_wide_or_long_winded_file_is_small() -> None:
    sample = Sample(5000)
    sample.add([["x" * 1000] * 5000 for _ in range(200)])
    assert len(sample.rows) < 80
    assert max(len(cell) for cell in sample.rows[0]) == 200
    assert Repeats().count == 0


@pytest.mark.parametrize(
    ("name", "cells", "what"),
    [
        ("contact", ["ana@example.com", "rui@example.pt", ""], "e-mail addresses"),
        ("account", ["PT50 0002 0123 1234 5678 9015 4", "DE89370400440532013000"], "bank accounts"),
        ("call", ["+351 912 345 678", "0049-30-1234567", "(030) 123 4567"], "telephone numbers"),
        ("First Name", ["x"], "names"),
        ("dateOfBirth", ["2001-01-01"], "dates of birth"),
        ("E-Mail", [], "e-mail addresses"),
        ("city", ["Faro", "Porto"], ""),
        ("price", ["12.50", "0.75"], ""),
        ("when", ["2026-11-26", "26/11/2026"], ""),
        ("filename", ["a.csv"], ""),
    ],
)
def test_cells_and_names_that_look_like_people_are_suspected(name: str, cells: list[str], what: str) -> None:
    assert suspected(name, cells) == what


def test_what_looks_personal_is_said_before_it_is_sent(tmp_path: Path) -> None:
    rows = [f"p{i}@example.com,{i % 7},{i % 2}" for i in range(40)]
    path = write(tmp_path, table("who,n,y", rows))
    assert "Looks personal: 'who' (e-mail addresses)." in said(path)
    assert ask(path, "y")["profile"]["columns"][0]["personal"] == "e-mail addresses"


def test_areas_and_ranks_are_those_of_the_libraries() -> None:
    draw = random.Random(3)
    values = [draw.randrange(20) / 2 for _ in range(300)]
    truth = [float(draw.random() < v / 10) for v in values]
    assert auc(values, truth) == pytest.approx(roc_auc_score(truth, values))
    assert ranks(values) == (rankdata(values) - 1).tolist()


def leaky(kind: str) -> list[str]:
    draw = random.Random(5)
    rows = []
    for i in range(600):
        y = draw.random() < 0.3
        amount = draw.random() * 10
        leak = {
            "number": f"{(5 if y else 0) + draw.random() * 4.9:.3f}",
            "text": "void" if i < 6 else "paid" if y else "open",
            "amount": f"{amount * 3 + draw.random() / 10:.3f}",
            "honest": f"{y + draw.random() * 1.5:.3f}",
        }[kind]
        rows.append(f"{i % 13},{leak},{f'{amount:.3f}' if kind == 'amount' else ('yes' if y else 'no')}")
    return rows


@pytest.mark.parametrize(("kind", "words"), [("number", "AUC 1.000"), ("text", "AUC"), ("amount", "R² 1.000")])
def test_a_column_that_nearly_tells_the_target_is_said(tmp_path: Path, kind: str, words: str) -> None:
    told = said(write(tmp_path, table("n,leak,y", leaky(kind))))
    assert "'leak' alone nearly tells the target" in told
    assert words in told
    assert "'n' alone" not in told


def test_numbers_too_large_to_square_are_no_reason_to_break(tmp_path: Path) -> None:
    rows = [f"{'ab'[i % 2]},{'1e200' if i % 2 else i}" for i in range(100)]
    for target, code in (("big", "E-TASK"), ("flag", None)):
        answer = ask(write(tmp_path, table("flag,big", rows)), target)
        assert answer.get("code") == code, answer


def test_an_honest_column_is_not_suspected_nor_one_left_out(tmp_path: Path) -> None:
    assert "nearly tells" not in said(write(tmp_path, table("n,leak,y", leaky("honest"))))
    assert "nearly tells" not in said(write(tmp_path, table("n,leak,y", leaky("number"))), features=["n"])
    few = write(tmp_path, table("n,y", [f"{i}.5,{'ab'[i > 10]}" for i in range(20)]))
    assert "nearly tells" not in said(few), "too few rows to say"
