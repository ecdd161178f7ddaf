"""Two models row by row: the scores are those of the product, and a difference that intervals hide is seen."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from containers.training.scoring import Truth, headline_score
from lastcall.cli.paired import ROWS_MAX, Paired, can_be, paired, sentence
from lastcall.cli.text import score

ROWS = 300
CLASSES = {"roc_auc": 2, "average_precision": 2, "f1_macro": 3, "rmse": 0}


def answers(name: str, noise: float) -> tuple[Any, Any]:
    """Return what is true, the same for every model, and what one of them answers."""
    truth = np.random.default_rng(1)
    classes = CLASSES[name]
    if not classes:
        y = truth.normal(size=ROWS)
        hard = truth.normal(size=ROWS)
        return y, y + hard + noise * np.random.default_rng(int(1000 * noise)).normal(size=ROWS)
    labels = truth.integers(0, classes, ROWS)
    hard = truth.normal(size=(ROWS, classes))
    raw = (
        np.eye(classes)[labels]
        + 0.8 * hard
        + noise * np.random.default_rng(int(1000 * noise)).normal(size=(ROWS, classes))
    )
    chances = np.exp(raw)
    return labels, np.round(chances / chances.sum(axis=1, keepdims=True), 3)  # with ties


def model(name: str, noise: float) -> tuple[dict[str, Any], io.StringIO]:
    """Return a model as the comparison has it, and the file it left."""
    y, said = answers(name, noise)
    classes = CLASSES[name]
    value = headline_score(name, Truth(y, classes, 1), said)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["row", "actual", "prediction", *(f"probability_c{i}" for i in range(classes))])
    for row, (truth, answer) in enumerate(zip(y, said, strict=True), 1):
        told = [f"c{np.argmax(answer)}", *(f"{p:.10g}" for p in answer)] if classes else [f"{answer:.10g}"]
        writer.writerow([row, f"c{truth}" if classes else f"{truth:.10g}", *told])
    file.seek(0)
    score = {"name": name, "label": name.upper(), "value": value, "higher_is_better": name != "rmse"}
    return {"name": f"m{noise}", "rows_test": ROWS, "score": score, "making": {"split": {"method": "random"}}}, file


def compared(name: str, one: float, two: float) -> tuple[dict[str, Any], Paired | None]:
    (first, a), (second, b) = model(name, one), model(name, two)
    document = {"comparable": True, "identical": False, "models": [first, second]}
    assert can_be(document)
    return document, paired(document, a, b)


@pytest.mark.parametrize("name", CLASSES)
def test_a_difference_that_every_row_shows_is_clear_and_said_of_the_better_one(name: str) -> None:
    document, found = compared(name, 0.0, 1.2)
    assert found is not None, "the scores of the file are those that were told"
    assert found.clear
    assert found.low <= found.value <= found.high < 0
    told = sentence(document, found, score)
    assert told.endswith("m0.0 is better.")
    assert "on the same 300 held-out rows" in told
    other, back = compared(name, 1.2, 0.0)
    assert back is not None
    assert back.value == pytest.approx(-found.value)
    assert sentence(other, back, score) == told, "the order of the two changes nothing"


def test_models_that_err_in_the_same_rows_are_told_apart_where_their_intervals_overlap() -> None:
    document, found = compared("rmse", 0.0, 0.5)
    spread = 1.96 * document["models"][0]["score"]["value"] / np.sqrt(2 * ROWS)
    assert found is not None
    assert found.clear
    assert abs(found.value) < 2 * spread, "each score by itself is less certain than they are apart"


def test_a_difference_of_chance_is_called_one() -> None:
    document, found = compared("roc_auc", 0.30, 0.31)
    assert found is not None
    assert not found.clear
    assert sentence(document, found, score).endswith("chance alone could do that.")


def test_files_that_do_not_hold_what_was_told_say_nothing() -> None:
    (first, a), (second, b) = model("roc_auc", 0.0), model("roc_auc", 0.5)
    document = {"comparable": True, "identical": False, "models": [first, second]}
    text = b.getvalue()
    assert paired(document, a, io.StringIO("")) is None
    assert paired(document, io.StringIO(a.getvalue()), io.StringIO(text.replace("\n1,", "\n9,", 1))) is None
    second["score"]["value"] += 0.01
    assert paired(document, io.StringIO(a.getvalue()), io.StringIO(text)) is None
    second["score"]["name"] = "accuracy"
    assert paired(document, io.StringIO(a.getvalue()), io.StringIO(text)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"comparable": False},
        {"identical": True},
        {"rows_test": 0},
        {"rows_test": ROWS_MAX + 1},
        {"making": {"split": {"method": "group"}}},
    ],
)
def test_rows_are_not_held_against_each_other_where_that_says_nothing(change: dict[str, Any]) -> None:
    models = [model("rmse", noise)[0] for noise in (0.0, 0.5)]
    document: dict[str, Any] = {"comparable": True, "identical": False, "models": models}
    (document if change.keys() & document.keys() else models[0]).update(change)
    assert not can_be(document)


def test_of_rows_in_order_of_time_stretches_are_drawn_so_that_one_long_spell_is_no_proof() -> None:
    first, second = model("rmse", 0.5)[0], model("rmse", 0.5)[0]
    spell = np.arange(ROWS) < 0.05 * ROWS  # one is wrong throughout one spell, and as good as the other elsewhere
    files = []
    for one, off in ((first, 0.0), (second, 1.0)):
        error = 0.5 + off * spell
        one["score"]["value"] = float(np.sqrt(np.mean(error**2)))
        rows = "".join(f"{i},0,{x}\n" for i, x in enumerate(error))
        files.append(f"row,actual,prediction\n{rows}")
    document = {"comparable": True, "identical": False, "models": [first, second]}
    by_row = paired(document, *map(io.StringIO, files))
    for one in (first, second):
        one["making"] = {"split": {"method": "time"}}
    by_time = paired(document, *map(io.StringIO, files))
    assert by_row is not None
    assert by_time is not None
    assert by_row.value == by_time.value
    assert by_row.clear
    assert not by_time.clear
