"""Columns that nearly tell the target by themselves, which real causes seldom do: known after the outcome, perhaps.

Judged on a sample of rows. A number is judged by how well it puts two classes in order (AUC) or goes along with a
numeric target (R² of the ranks), a text by the share of the target's spread that lies between its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from containers.training.tally import Tally
from containers.training.values import MISSING, numbers

ROWS_MIN = 50
"""Rows with both values that are needed."""
CLASS_ROWS_MIN = 10
"""Rows of each class that are needed."""
AUC_MIN = 0.99
R2_MIN = 0.98
ROWS_PER_VALUE = 20
"""Rows per text before what lies between texts means more than chance."""


def tellers(
    columns: Sequence[Tally], rows: Sequence[Sequence[str]], target: int, classes: bool
) -> Iterator[tuple[int, str]]:
    """Give the place of each suspicious column with how well it tells the target, in words.

    ``classes`` says that the target is one of classes; only two of them are judged.
    """
    cells = [row[target].strip() for row in rows]
    known = [i for i, cell in enumerate(cells) if cell not in MISSING]
    truth = (
        _two_classes([cells[i] for i in known])
        if classes
        else numbers([cells[i] for i in known], columns[target].decimal)
    )
    if truth is None:
        return
    for place, column in enumerate(columns):
        if place == target or column.kind not in ("number", "category"):
            continue
        pairs = [(rows[i][place].strip(), y) for i, y in zip(known, truth, strict=True)]
        pairs = [(cell, y) for cell, y in pairs if cell not in MISSING]
        said = _judged([cell for cell, _ in pairs], [y for _, y in pairs], column, classes)
        if said:
            yield place, said


def _judged(cells: list[str], truth: list[float], column: Tally, classes: bool) -> str:
    if len(cells) < ROWS_MIN or len(set(truth)) < 2:
        return ""
    if classes and not CLASS_ROWS_MIN <= sum(truth) <= len(truth) - CLASS_ROWS_MIN:
        return ""
    if column.kind == "category":
        if len(set(cells)) * ROWS_PER_VALUE > len(cells):
            return ""
        values = _means(cells, truth)
    else:
        found = numbers(cells, column.decimal)
        if found is None:
            return ""
        values = found
    if classes:
        area = auc(values, truth)
        best = max(area, 1 - area)
        return f"AUC {best:.3f}" if best >= AUC_MIN else ""
    r2 = _correlation(values, truth) if column.kind == "category" else _correlation(ranks(values), ranks(truth))
    return f"R² {r2:.3f}" if r2 >= R2_MIN else ""


def _two_classes(cells: list[str]) -> list[float] | None:
    labels = sorted(set(cells))
    return [float(cell == labels[1]) for cell in cells] if len(labels) == 2 else None


def _means(cells: Sequence[str], truth: Sequence[float]) -> list[float]:
    """Return for each cell the mean target of its value."""
    sums: dict[str, tuple[float, int]] = {}
    for cell, y in zip(cells, truth, strict=True):
        total, count = sums.get(cell, (0.0, 0))
        sums[cell] = (total + y, count + 1)
    return [sums[cell][0] / sums[cell][1] for cell in cells]


def ranks(values: Sequence[float]) -> list[float]:
    """Return the mean rank of each value among all."""
    place: dict[float, float] = {}
    first = 0
    for value, same in groupby(sorted(values)):
        after = first + len(list(same))
        place[value] = (first + after - 1) / 2
        first = after
    return [place[value] for value in values]


def auc(values: Sequence[float], truth: Sequence[float]) -> float:
    """Return how often a row of class 1 has a larger value than one of class 0, ties counted half."""
    positive = [rank for rank, y in zip(ranks(values), truth, strict=True) if y]
    ones, zeros = len(positive), len(truth) - len(positive)
    return (sum(positive) - ones * (ones - 1) / 2) / (ones * zeros)


def _correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the squared correlation, 0 where one of the two is the same everywhere or too large to tell."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xy = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    xx, yy = sum((a - mean_x) * (a - mean_x) for a in x), sum((b - mean_y) * (b - mean_y) for b in y)
    return min(1.0, xy * xy / (xx * yy)) if 0 < xx * yy < math.inf else 0.0
