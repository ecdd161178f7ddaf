"""The album of each task: which plots, how large, whatever the names; looked at by eye, and held here."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from containers.training.report import classes as of_classes
from containers.training.report import drawing, signals, two_classes, values
from containers.training.report.album import BYTES_MAX, PLOTS_MAX, album
from tests.unit.training.exhibits import HOSTILE, exhibit

FOOTER = "lastcall · churn-7fa · job_abcdefghij · 2026-11-26"


@pytest.mark.parametrize(
    ("classes", "rows", "names"),
    [
        (2, 120, ["roc", "precision_recall", "confusion_matrix", "calibration", "importance"]),
        (5, 120, ["confusion_matrix", "per_class", "roc", "importance"]),
        (30, 300, ["confusion_matrix", "per_class", "roc", "importance"]),
        (0, 2000, ["predicted_actual", "residuals", "errors", "importance"]),
    ],
)
def test_each_task_has_its_album_in_bounded_pictures(classes: int, rows: int, names: list[str]) -> None:
    """With names no font has, markup and formulas in names: a warning of matplotlib would fail this."""
    found = album(exhibit(classes, rows), FOOTER)
    assert [plot.name for plot in found] == names
    for plot in found:
        assert struct.unpack(">II", plot.data[16:24]) == (1280, 960)
        assert len(plot.data) < BYTES_MAX
        assert f"{rows:,}" in plot.title, "every title says how many rows it is of"
        assert any(c.isdigit() for c in plot.title.replace(f"{rows:,}", "")) or plot.name == "importance"
        assert plot.caption.endswith((".", "!"))


def test_the_same_input_gives_the_same_bytes_and_the_footer_is_part_of_it() -> None:
    shown = exhibit(0, 30)
    first, again = album(shown, FOOTER), album(shown, FOOTER)
    assert [p.data for p in first] == [p.data for p in again]
    with drawing.workshop():
        other = drawing.png(values.errors(shown).figure, "lastcall · another job")
    assert other not in [p.data for p in first]
    assert first[2].name == "errors"


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_few_rows_are_enough_for_an_album(classes: int) -> None:
    assert album(exhibit(classes, rows=6), FOOTER)


def test_the_loss_by_rounds_is_the_last_of_at_most_six() -> None:
    told = {"unit": "round", "loss": "log loss", "rounds": [1, 50, 100], "train": [0.6, 0.3, 0.1]}
    shown = exhibit(2)
    found = album(shown._replace(metrics={**shown.metrics, "learning": {**told, "held_out": [0.6, 0.5, 0.7]}}), FOOTER)
    assert [plot.name for plot in found][-1] == "loss"
    assert len(found) == PLOTS_MAX
    assert "0.700 on held-out rows after 100 rounds" in found[-1].title
    assert signals.losses(exhibit(0, 30)) is None, "it has no rounds"
    part = {**told, "held_out": [0.6, 0.5, 0.7], "rows": {"train": 100, "held_out": 100}}
    with drawing.workshop():
        drawn = signals.losses(shown._replace(metrics={**shown.metrics, "learning": part}))
    assert drawn is not None
    assert "0.700 on 100 of the held-out rows" in drawn.title, "it need not be the score of all of them"
    assert "scores elsewhere are of all 120" in drawn.caption


def test_a_rare_class_has_its_calibration_drawn_as_far_as_there_is_something() -> None:
    shown = exhibit(2, rows=400)
    actual = (np.arange(400) % 50 == 0).astype(int)
    chance = np.where(actual == 1, 0.06, 0.01)
    rare = shown._replace(actual=actual, answers=np.column_stack((1 - chance, chance)))
    with drawing.workshop():
        drawn = two_classes.calibration(rare)
    assert drawn.figure.axes[0].get_xlim()[1] < 0.6


def test_names_are_cut_told_apart_and_numbered_where_no_font_has_them() -> None:
    shown = drawing.shown_all([*HOSTILE, "a long name that ends in one", "a long name that ends in one"], "column")
    assert shown[2] == "column 3"
    assert len(set(shown)) == len(shown)
    assert max(map(len, shown)) <= drawing.NAME_CHARS_MAX + 4
    assert drawing.shown("two\nlines", 1) == "two lines"
    assert drawing.shown(" ", 7) == "column 7"


def test_of_names_that_look_alike_once_cut_the_part_that_differs_is_shown() -> None:
    names = [f"Average number of tickets opened in the {q} quarter of 2023 (all)" for q in ("first", "second", "third")]
    assert drawing.shown_all(names, "column") == ["…first…", "…second…", "…third…"]
    assert drawing.shown_all([names[0], names[0]]) == [
        "Average number of…23 (all) (1)",
        "Average number of…23 (all) (2)",
    ]
    assert drawing.told_apart(["顧客", "x"], [7, 2], "column") == ["column 7", "x"]


def test_axes_far_off_one_have_their_power_in_their_name() -> None:
    with drawing.workshop():
        for high, power in ((3e13, " (× 10¹²)"), (2e-17, " (× 10⁻¹⁸)"), (25_000, ""), (0.5, "")):
            axes = drawing.sheet("title", "price").axes
            axes.set_xlim(0, high)
            drawing.spaced(axes.xaxis)
            assert axes.get_xlabel() == f"price{power}"


def test_intervals_of_shares_stay_between_0_and_1_and_narrow_with_rows() -> None:
    low, high = two_classes.wilson(np.array([0.0, 0.5, 0.5, 1.0]), np.array([10, 10, 1000, 10]))
    assert (low >= -1e-9).all()
    assert (high <= 1 + 1e-9).all()
    assert high[1] - low[1] > high[2] - low[2]


def test_drawing_leaves_nothing_in_the_home_folder_and_looks_for_no_fonts(tmp_path: Path) -> None:
    code = (
        "from tests.unit.training.exhibits import exhibit\n"
        "from containers.training.report.album import album\n"
        "import sys; album(exhibit(0, 20), 'x'); assert 'matplotlib.pyplot' not in sys.modules\n"
        "import matplotlib.font_manager as fonts; print(*(one.fname for one in fonts.fontManager.ttflist))"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MPL", "XDG"))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, env={**clean, "HOME": str(tmp_path)}, stdout=subprocess.PIPE, text=True)
    assert list(tmp_path.rglob("*")) == []
    fonts = [Path(name) for name in done.stdout.split()]
    assert [path.name for path in fonts] == [drawing.FONT, drawing.BOLD]
    assert all(path.is_file() and "matplotlib" in path.parts for path in fonts)


def test_names_under_a_matrix_that_would_touch_each_other_are_numbers_however_short_the_last_one_is() -> None:
    names = ("penguins of the shore", "penguins with a beard", "short")
    shown = exhibit(3)._replace(classes=names)
    with drawing.workshop():
        long, short = (
            of_classes.confusion(one).figure.axes[0] for one in (shown, exhibit(3)._replace(classes=("a", "b", "c")))
        )
    assert [label.get_text() for label in long.get_xticklabels()] == ["1", "2", "3"]
    with drawing.workshop():
        foreign = of_classes.confusion(exhibit(3)._replace(classes=("島" * 5, *names[1:]))).figure.axes[0]
    assert foreign.get_yticklabels()[0].get_text() == "class 1", "its number is there already"
    assert [label.get_text() for label in short.get_xticklabels()] == ["a", "b", "c"]


def test_rows_are_counted_in_whole_numbers_and_errors_grow_where_scores_shrink() -> None:
    few = exhibit(0, rows=6)
    with drawing.workshop():
        counted = values.errors(few).figure.axes[0].yaxis.get_majorticklocs()
        said = {number: signals.importance(exhibit(number)) for number in (0, 3)}
    assert all(place == round(place) for place in counted)
    titles = [drawn.title.partition(",")[0] for drawn in said.values() if drawn]
    assert titles == ["What matters: RMSE added", "What matters: macro F1 lost"]
