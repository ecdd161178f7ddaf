"""Plots of a model that tells classes apart, two or many."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

from containers.training.figures import number
from containers.training.report.drawing import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    ORANGE,
    SEQUENTIAL,
    bands,
    legend_below,
    sheet,
    shown_all,
)
from containers.training.report.exhibit import Drawn, Exhibit
from containers.training.scoring import counts

MATRIX_CLASSES_MAX = 20
"""Classes of the confusion matrix; those with fewer rows are put together."""
MATRIX_NUMBERS_MAX = 12
"""Classes up to which every cell has its number."""
LEVEL_CHARS_MAX = 40
"""Characters that fit side by side, each name having the room of the longest; longer ones have numbers in their
place."""
BARS_MAX = 16
"""Classes shown one by one; those with most rows where there are more."""
CURVES_MAX = 6
"""Classes with a curve of their own beside the mean."""
LINES = ("-", "-.", ":")
"""Curves of classes take turns with these, so that colours alone need not tell them apart."""
GRID = 201
"""Places at which curves are averaged."""
OTHERS = "all others"


def confusion(exhibit: Exhibit) -> Drawn:
    """Return the confusion matrix, each row in shares of its class."""
    table, names, numbers = _table(exhibit)
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    score = number(exhibit.held_out("balanced_accuracy"))
    title = f"Confusion matrix: balanced accuracy {score}, {exhibit.counted}"
    figure, axes = sheet(title, "predicted", "actual")
    axes.grid(visible=False)
    image = axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto")
    small = len(names) > MATRIX_NUMBERS_MAX
    across, down = _sides(names, numbers)
    axes.set_xticks(range(len(names)), across)
    axes.set_yticks(range(len(names)), down)
    axes.tick_params(length=0, labelsize=7.5 if small else 10)
    if not small:
        _numbers(axes, table, shares)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, format=lambda v, _: f"{v:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8.5)
    axes.spines[:].set_visible(False)
    listed = " Classes have the same numbers on both sides." if across != names else ""
    folded = f" The classes with fewest rows are one line, “{OTHERS}”." if names[-1] == OTHERS else ""
    caption = (
        "Each line holds the rows of one actual class: the share (and number) that was predicted as each class. "
        f"The diagonal is right.{listed}{folded}"
    )
    return Drawn("confusion_matrix", title, caption, figure)


def _sides(names: list[str], numbers: list[str]) -> tuple[list[str], list[str]]:
    """Return what stands under the matrix and beside it: names, or numbers where names would run into each other."""
    if len(names) * max(map(len, names)) <= LEVEL_CHARS_MAX:
        return names, names
    return numbers, [
        name if name.split()[-1:] == [number] else f"{name}  {number}"
        for name, number in zip(names, numbers, strict=True)
    ]


def _numbers(axes: Any, table: Any, shares: Any) -> None:
    many = len(table) > 5
    for y, x in np.ndindex(*table.shape):
        if many and not table[y, x]:
            continue
        text = f"{shares[y, x]:.0%}" if many else f"{shares[y, x]:.1%}\n{table[y, x]:,}"
        axes.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=7.5 if many else 11,
            color="white" if shares[y, x] > 0.55 else INK,
        )


def _table(exhibit: Exhibit) -> tuple[Any, list[str], list[str]]:
    """Return counts by actual and predicted class, with names and numbers; small classes are put together."""
    classes = len(exhibit.classes)
    guess = np.argmax(exhibit.answers, axis=1)
    table = counts(exhibit.actual, guess, classes)
    names = shown_all(exhibit.classes, chars=16)
    if classes <= MATRIX_CLASSES_MAX:
        return table, names, [str(i + 1) for i in range(classes)]
    largest = np.sort(np.argsort(-(table.sum(axis=1)), kind="stable")[: MATRIX_CLASSES_MAX - 1])
    group = np.full(classes, MATRIX_CLASSES_MAX - 1)
    group[largest] = np.arange(MATRIX_CLASSES_MAX - 1)
    folded = np.zeros((MATRIX_CLASSES_MAX, MATRIX_CLASSES_MAX), dtype=np.int64)
    np.add.at(folded, (group[:, None], group[None, :]), table)
    return folded, [*(names[i] for i in largest), OTHERS], [*(str(i + 1) for i in largest), "…"]


def per_class(exhibit: Exhibit) -> Drawn:
    """Return precision, recall and F1 of each class."""
    rows = exhibit.metrics["per_class"]
    names = shown_all([row["name"] for row in rows], chars=20)
    largest = sorted(range(len(rows)), key=lambda i: (-rows[i]["support"], i))[:BARS_MAX]
    order = sorted(largest, key=lambda i: (rows[i]["f1"], i))
    title = f"Per class: macro F1 {number(exhibit.held_out('f1_macro'))}, {exhibit.counted}"
    figure, axes = sheet(title, "F1, precision and recall")
    places = np.arange(len(order))
    axes.barh(places, [rows[i]["f1"] for i in order], color=BLUE, alpha=0.8, height=0.65, label="F1")
    for marker, colour, key in (("D", ORANGE, "precision"), ("o", "white", "recall")):
        axes.plot(
            [rows[i][key] for i in order],
            places,
            marker,
            color=colour,
            markeredgecolor=INK,
            markersize=6,
            label=key,
            clip_on=False,
        )
    labels = [f"{names[i]}  ({rows[i]['support']:,})" for i in order]
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0, pad=8, labelsize=10 if len(order) <= 10 else 8)  # clear of markers at 0
    axes.set_xlim(0, 1.01)
    axes.set_ylim(*bands(len(order)))
    axes.grid(visible=False, axis="y")
    legend_below(figure)
    most = f"The {BARS_MAX} of {len(rows)} classes with most rows. " if len(rows) > BARS_MAX else ""
    caption = f"{most}Worst first; in brackets the held-out rows of the class. Classes with few rows say little."
    return Drawn("per_class", title, caption, figure)


def roc_each(exhibit: Exhibit) -> Drawn:
    """Return one curve per class against all others, and their mean."""
    grid = np.linspace(0, 1, GRID)
    curves: dict[int, Any] = {}
    for label in range(len(exhibit.classes)):
        hit = exhibit.actual == label
        if hit.any() and not hit.all():
            false, true, _ = roc_curve(hit, exhibit.answers[:, label])
            curves[label] = (false, true, np.interp(grid, false, true), int(hit.sum()))
    score = exhibit.held_out("roc_auc_ovr") if "roc_auc_ovr" in exhibit.metrics["held_out"] else None
    title = (
        f"ROC, each class against the rest{f': AUC {number(score)}' if score is not None else ''}, {exhibit.counted}"
    )
    figure, axes = sheet(title, "false positive rate", "true positive rate")
    names = shown_all(exhibit.classes, chars=20)
    biggest = sorted(curves, key=lambda label: (-curves[label][3], label))[:CURVES_MAX]
    for (label, colour), line in zip(zip(biggest, COLOURS[1:], strict=False), cycle(LINES)):
        axes.plot(*curves[label][:2], color=colour, linestyle=line, linewidth=1.2, label=names[label])
    if curves:
        mean = np.mean([curve[2] for curve in curves.values()], axis=0)
        mean[0] = 0.0
        axes.plot(grid, mean, color=BLUE, linewidth=2.5, label="mean of all classes")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.5, label="guessing")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.legend(loc="lower right")
    left = (
        f" Of {len(curves)} classes the {CURVES_MAX} with most rows have a line of their own."
        if len(curves) > CURVES_MAX
        else ""
    )
    caption = f"How well each class is told from all others; the further above the dashed line, the better.{left}"
    return Drawn("roc", title, caption, figure)
