"""What chance does to a score: its interval over resampled rows, and how often answers dealt at random do as well.

Where rows are split by group (a patient, a customer) the rows of a group tell much the same, so groups are drawn, not
rows: a hundred rows of five patients are five pieces of news, not a hundred. Where they are split by time, stretches of
time are, for the same reason (H. R. Künsch, 1989).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from containers.training.frame import Floats, Integers
from containers.training.scoring import ERRORS, Truth, headline_score, macro_f1

RESAMPLES = 200
RESAMPLE_CELLS_MAX = 10_000_000
"""Rows drawn over all resamples; big hold-outs get fewer resamples, their interval is narrow anyway."""
RESAMPLES_MIN = 50
DEALS = 199
"""Times the answers are dealt out at random."""
DEALS_MIN = 99
"""Fewest deals by group on big hold-outs; fewer could not show anything."""
DEAL_ROWS_MAX = 1000
"""Held-out rows, or groups of them, up to which answers are dealt; above, the interval is to be believed."""
BEYOND = 0.025
"""Share of cases that a 95 % interval leaves out on one side."""
TIE = 1e-12
"""Sums that differ by less, relatively, are equal: the order of adding made the difference."""

Draw = Callable[[np.random.Generator], Integers]
"""Returns rows, as chance has them."""


class Blocks(NamedTuple):
    """Rows by their groups."""

    order: Integers
    """Rows, those of a group beside each other."""
    starts: Integers
    """Of each group, where its rows begin in ``order``."""
    sizes: Integers

    @classmethod
    def of(cls, groups: Integers) -> Blocks:
        """Return the blocks of rows whose groups are these."""
        _, number = np.unique(groups, return_inverse=True)
        sizes = np.bincount(number)
        return cls(np.argsort(number, kind="stable"), np.cumsum(sizes) - sizes, sizes)

    def resampled(self, draw: np.random.Generator) -> Integers:
        """Return the rows of as many groups as there are, drawn with replacement."""
        pick = draw.integers(0, len(self.sizes), len(self.sizes))
        lengths = self.sizes[pick]
        drawn: Integers = self.order[np.repeat(self.starts[pick], lengths) + _counted(lengths)]
        return drawn

    def dealt(self, draw: np.random.Generator) -> Integers:
        """Return for each row one of another group, whole groups having changed places; a short one is repeated."""
        source = draw.permutation(len(self.sizes))
        place = _counted(self.sizes) % np.repeat(self.sizes[source], self.sizes)
        hand = np.empty_like(self.order)
        hand[self.order] = self.order[np.repeat(self.starts[source], self.sizes) + place]
        return hand

    def shuffled(self, draw: np.random.Generator) -> Integers:
        """Return for each row another one of its own group."""
        number = np.repeat(np.arange(len(self.sizes)), self.sizes)
        hand = np.empty_like(self.order)
        hand[self.order] = self.order[np.lexsort((draw.random(len(self.order)), number))]
        return hand


def _counted(lengths: Integers) -> Integers:
    """Return 0, 1, … for each of the lengths, one after the other."""
    counted: Integers = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return counted


def interval(
    name: str, truth: Truth, answers: Floats, seed: int, groups: Integers | None = None
) -> tuple[float, float]:
    """Return the bootstrap 95 % interval of the headline on the held-out rows, seeded and bounded in work.

    With ``groups``, a number for each row's, whole groups are drawn too (the cluster bootstrap), and the interval holds
    both: of very few groups alone it would be too narrow, of one it would be a point. Where nothing is wrong nothing
    wrong can be drawn either: there the low end is that of so many right of so many (C. J. Clopper and E. S. Pearson,
    1934), 0.54 of six rows and 0.99 of three hundred and sixty.
    """
    rows = len(truth.values)
    low, high = _percentiles(name, truth, answers, seed, lambda draw: draw.integers(0, rows, rows))
    if groups is not None:
        by_group = _percentiles(name, truth, answers, seed, Blocks.of(groups).resampled)
        low, high = float(np.fmin(low, by_group[0])), float(np.fmax(high, by_group[1]))
    if low == high == 1.0 and name not in ERRORS:
        low = float(BEYOND ** (1 / _told_by(name, truth, groups)))
    return low, high


def _told_by(name: str, truth: Truth, groups: Integers | None) -> int:
    """Return of how many right answers a faultless score tells: rows, those of the rarer class, or groups of them."""
    told = np.ones(len(truth.values), dtype=bool)
    if truth.classes == 2:
        hit = truth.values == truth.positive
        told = hit if name == "average_precision" or np.count_nonzero(hit) <= np.count_nonzero(~hit) else ~hit
    return int(np.count_nonzero(told)) if groups is None else len(np.unique(groups[told]))


def _percentiles(name: str, truth: Truth, answers: Floats, seed: int, resampled: Draw) -> tuple[float, float]:
    draw = np.random.default_rng(seed)
    found = np.empty(max(RESAMPLES_MIN, min(RESAMPLES, RESAMPLE_CELLS_MAX // len(truth.values))))
    for i in range(len(found)):
        pick = resampled(draw)
        found[i] = headline_score(name, truth._replace(values=truth.values[pick]), answers[pick])
    low, high = np.nanpercentile(found, (2.5, 97.5)) if np.isfinite(found).any() else (math.nan, math.nan)
    return float(low), float(high)


def luck(truth: Truth, answers: Floats, seed: int, groups: Integers | None = None) -> float:
    """Return how often answers dealt to the rows at random do as well as these, which count as one deal. Seeded.

    Where rows and target have nothing to do with each other it is below any share at most that often, however few
    the rows (a permutation test). Judged by squared error, by the order of two classes, or by macro F1. With
    ``groups`` whole groups change places, or rows within their own group: the better sign of the two, counted twice
    (Bonferroni). 0 where there is so much that the interval is to be believed.
    """
    blocks = Blocks.of(groups) if groups is not None else None
    if (len(blocks.sizes) if blocks else len(answers)) > DEAL_ROWS_MAX:
        return 0.0
    draw = np.random.default_rng(seed)
    rows = np.arange(len(answers))
    merit = _merit(truth, answers)
    if blocks is None:
        return _share(merit, rows, draw.permuted(np.tile(rows, (DEALS, 1)), axis=1))
    times = max(DEALS_MIN, min(DEALS, RESAMPLE_CELLS_MAX // len(rows)))
    between = _share(merit, rows, (blocks.dealt(draw) for _ in range(times)))
    within = _share(merit, rows, (blocks.shuffled(draw) for _ in range(times)))
    return min(1.0, 2 * min(between, within))


def _merit(truth: Truth, answers: Floats) -> Callable[[Integers], Any]:
    """Return what says how well the answers do when each row gets that of another."""
    y = truth.values
    if not truth.classes:
        return lambda hand: -np.sum((answers[hand] - y) ** 2)
    if truth.classes == 2:
        ranks, looked_for = rankdata(answers[:, truth.positive]), y == truth.positive
        return lambda hand: np.sum(ranks[hand[looked_for]])
    guesses = np.argmax(answers, axis=1)
    return lambda hand: macro_f1(y, guesses[hand], truth.classes)


def _share(merit: Callable[[Integers], Any], rows: Integers, hands: Iterable[Integers]) -> float:
    found = np.array([merit(rows), *map(merit, hands)])
    margin = TIE * float(np.max(np.abs(found)))
    return float(np.mean(found >= found[0] - margin))
