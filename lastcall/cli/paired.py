"""Two models on the same held-out rows, row by row: what chance does to the difference of their scores. Pure.

Intervals of two scores say little of their difference where the rows are the same: rows hard for one are hard for both.
So rows are drawn anew, the same for both (the paired bootstrap), seeded, and the difference is taken each time.
"""

from __future__ import annotations

import csv
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

HOLDOUT_FILE = "predictions_holdout.csv"
ROWS_MAX = 20_000
"""Held-out rows up to which it is done; with more, intervals that overlap are close together anyway."""
RESAMPLES = 400
RESAMPLES_MIN = 100
STRETCHES_MAX = 20
"""Pieces that rows in order of time are drawn in, as for the interval of one (``containers.training.splits``)."""
DRAWN_MAX = 1_000_000
"""Rows drawn over all resamples: a second or two."""
SEED = 42
SAME = 1e-6
"""By how much, as a share, a score of the file's ten digits may be off the one that was told."""
PROBABILITY = "probability_"

Weights = Sequence[int]
Statistic = Callable[[Weights], float]
"""From how often each row is counted to the score; NaN where it has none."""


class Paired(NamedTuple):
    """The difference of two scores, better ones being larger: second − first."""

    value: float
    low: float
    high: float
    rows: int

    @property
    def clear(self) -> bool:
        """Whether chance alone hardly does that: the 95 % interval leaves nothing out."""
        return self.low > 0 or self.high < 0


def can_be(document: Mapping[str, Any]) -> bool:
    """Tell whether two models, as compared, can be held against each other row by row.

    Not where whole groups were held out: their rows tell much the same, and the file does not say which are of one.
    """
    models = document["models"]
    if not document["comparable"] or document["identical"] or any(not (m["rows_test"] or 0) for m in models):
        return False
    return bool(models[0]["making"]["split"]["method"] != "group" and models[0]["rows_test"] <= ROWS_MAX)


def paired(document: Mapping[str, Any], first: Iterable[str], second: Iterable[str]) -> Paired | None:
    """Return the difference with its interval; ``None`` where the files do not hold what was told of the two."""
    tables = [list(csv.DictReader(lines)) for lines in (first, second)]
    rows = [[(line.get("row"), line.get("actual")) for line in table] for table in tables]
    if not rows[0] or rows[0] != rows[1]:
        return None
    scores = [model["score"] for model in document["models"]]
    try:
        found = [_statistic(table, score) for table, score in zip(tables, scores, strict=True)]
    except (ValueError, KeyError, TypeError):
        return None
    one, two = found
    if one is None or two is None:
        return None
    sign = 1 if scores[0]["higher_is_better"] else -1
    count = len(rows[0])
    whole = [1] * count
    in_time = document["models"][0]["making"]["split"]["method"] == "time"
    pieces = max(2, min(STRETCHES_MAX, round(math.sqrt(count)))) if in_time else count
    drawn = [d for d in (sign * (two(w) - one(w)) for w in _resamples(count, pieces)) if math.isfinite(d)]
    if len(drawn) < RESAMPLES_MIN // 2:
        return None
    drawn.sort()
    low, high = (drawn[round(share * (len(drawn) - 1))] for share in (0.025, 0.975))
    return Paired(sign * (two(whole) - one(whole)), low, high, count)


def sentence(document: Mapping[str, Any], found: Paired, words: Callable[[str, float], str]) -> str:
    """Return the difference in words; ``words`` writes the value of a metric."""
    names = [model["name"] for model in document["models"]]
    name, label = (document["models"][0]["score"][key] for key in ("name", "label"))
    better = names[1] if found.value > 0 else names[0]
    size, ends = abs(found.value), sorted((found.low, found.high))
    if found.value < 0:
        ends = [-ends[1], -ends[0]]
    told = f"Row by row on the same {found.rows:,} held-out rows, {label} differs by {words(name, size)}"
    between = f"({words(name, ends[0])} to {words(name, ends[1])})"
    return f"{told} {between}: " + (f"{better} is better." if found.clear else "chance alone could do that.")


def _resamples(rows: int, pieces: int) -> Iterable[Weights]:
    """Yield how often each row is drawn, when as many pieces of rows beside each other are drawn as there are."""
    draw = random.Random(SEED)  # noqa: S311 (no secret)
    edges = [rows * piece // pieces for piece in range(pieces + 1)]
    for _ in range(max(RESAMPLES_MIN, min(RESAMPLES, DRAWN_MAX // rows))):
        weights = [0] * rows
        for piece in draw.choices(range(pieces), k=pieces):
            for row in range(edges[piece], edges[piece + 1]):
                weights[row] += 1
        yield weights


def _statistic(table: Sequence[Mapping[str, str]], score: Mapping[str, Any]) -> Statistic | None:
    """Return the score as a function of how often each row is counted; ``None`` where it is not the one told."""
    whole = [1] * len(table)
    for statistic in _candidates(table, str(score["name"])):
        if math.isclose(statistic(whole), float(score["value"]), rel_tol=SAME, abs_tol=SAME * SAME):
            return statistic
    return None


def _candidates(table: Sequence[Mapping[str, str]], name: str) -> list[Statistic]:
    """Return what the score may be: of two classes the file does not say which is looked for."""
    actual = [line["actual"] for line in table]
    if name == "rmse":
        squares = [(float(line["prediction"]) - float(line["actual"])) ** 2 for line in table]
        return [lambda weights: math.sqrt(sum(map(_times, weights, squares)) / sum(weights))]
    if name == "f1_macro":
        said = [line["prediction"] for line in table]
        return [lambda weights: _macro_f1(actual, said, weights)]
    ranked = {"roc_auc": _area, "average_precision": _precision}.get(name)
    if ranked is None:
        return []
    known = [column for column in table[0] if column.startswith(PROBABILITY)]
    return [
        _ranked(ranked, [float(line[c]) for line in table], [a == c[len(PROBABILITY) :] for a in actual]) for c in known
    ]


def _times(one: int, other: float) -> float:
    return one * other


def _ranked(
    score: Callable[[Sequence[Sequence[int]], Sequence[bool], Weights], float], chance: list[float], hit: list[bool]
) -> Statistic:
    """Return a score by the order of the rows, which is found once: blocks of equal chances, the largest first."""
    blocks: list[list[int]] = []
    for row in sorted(range(len(chance)), key=lambda i: -chance[i]):
        if blocks and chance[blocks[-1][0]] == chance[row]:
            blocks[-1].append(row)
        else:
            blocks.append([row])
    return lambda weights: score(blocks, hit, weights)


def _counted(block: Sequence[int], hit: Sequence[bool], weights: Weights) -> tuple[int, int]:
    hits = sum(weights[row] for row in block if hit[row])
    return hits, sum(weights[row] for row in block) - hits


def _area(blocks: Sequence[Sequence[int]], hit: Sequence[bool], weights: Weights) -> float:
    """Return how often a hit is ranked before another row, ties counting half."""
    hits = others = 0
    before = 0.0
    for block in blocks:
        here, beside = _counted(block, hit, weights)
        before += beside * (hits + here / 2)
        hits, others = hits + here, others + beside
    return before / (hits * others) if hits and others else math.nan


def _precision(blocks: Sequence[Sequence[int]], hit: Sequence[bool], weights: Weights) -> float:
    """Return the average precision: at each step down the order, its precision by the hits it adds."""
    hits = called = 0
    found = 0.0
    for block in blocks:
        here, beside = _counted(block, hit, weights)
        hits, called = hits + here, called + here + beside
        found += here * hits / called if called else 0.0
    return found / hits if hits else math.nan


def _macro_f1(actual: Sequence[str], said: Sequence[str], weights: Weights) -> float:
    """Return the mean F1 of the classes that are there or were answered."""
    right: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for truth, answer, weight in zip(actual, said, weights, strict=True):
        if weight:
            both[truth] += weight
            both[answer] += weight
            if truth == answer:
                right[truth] += weight
    return sum(2 * right[name] / both[name] for name in both) / len(both)
