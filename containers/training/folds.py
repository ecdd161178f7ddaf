"""How training rows are dealt into folds, the way rows are held out: at random, by group, or by time.

Held-out rows are no part of it. The same rows, way and seed give the same folds.
"""

from __future__ import annotations

import numpy as np

from containers.training.frame import Frame
from containers.training.moments import moments
from containers.training.splits import Indexes, Split, Way

FOLDS = 5
FOLDS_LARGE = 3
"""Folds from ``LARGE_ROWS`` rows on: scores spread less there, and a fit takes longer."""
LARGE_ROWS = 2_000
ROWS_MAX = 10_000
"""Training rows that kinds of model are compared on; a seeded choice of them where there are more."""


def sample(rows: Indexes, seed: int) -> Indexes:
    """Return at most ``ROWS_MAX`` of the rows, in order."""
    if len(rows) <= ROWS_MAX:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, ROWS_MAX, replace=False))


def deal(frame: Frame, rows: Indexes, way: Way) -> list[Split]:
    """Return the folds of ``rows``: for each, those learnt from and those judged on, in the file's order.

    By time, each fold learns from what comes before the rows it is judged on. Folds that leave too little to learn
    from or to judge on are left out; so there may be none.
    """
    count = FOLDS if len(rows) < LARGE_ROWS else FOLDS_LARGE
    if frame.beside is not None and way.time is not None:
        found = _in_order(moments(frame.beside, way.time)[rows], rows, count)
    else:
        numbers = _groups(frame, rows, count, way.seed) if way.group is not None else _shares(frame, rows, count, way)
        found = [Split(rows[numbers != i], rows[numbers == i]) for i in range(count)]
    return [fold for fold in found if _usable(frame, fold)]


def _usable(frame: Frame, fold: Split) -> bool:
    if min(len(fold.train), len(fold.test)) < 2:
        return False
    classes = len(frame.classes)
    if not classes:
        return True
    judged = 2 if classes == 2 else 1  # of two classes both are needed to be put in order
    return len(np.unique(frame.target[fold.train])) > 1 and len(np.unique(frame.target[fold.test])) >= judged


def _shares(frame: Frame, rows: Indexes, count: int, way: Way) -> Indexes:
    """Return each row's fold: at random, classes by their shares; the next class goes on where the last one ended."""
    draw = np.random.default_rng(way.seed)
    labels = frame.target[rows] if frame.classes else np.zeros(len(rows))
    found, dealt = np.empty(len(rows), dtype=np.int64), 0
    for label in np.unique(labels):
        own = draw.permutation(np.flatnonzero(labels == label))
        found[own] = (dealt + np.arange(len(own))) % count
        dealt += len(own)
    return found


def _groups(frame: Frame, rows: Indexes, count: int, seed: int) -> Indexes:
    """Return each row's fold: groups stay whole, the largest first into the fold with the fewest rows."""
    beside = frame.beside
    codes = beside[rows] if isinstance(beside, np.ndarray) else np.asarray(getattr(beside, "codes", ()))[rows]
    numbers = np.unique(codes, return_inverse=True)[1]
    sizes = np.bincount(numbers)
    order = np.random.default_rng(seed).permutation(len(sizes))
    filled, place = np.zeros(count, dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        place[group] = int(np.argmin(filled))
        filled[place[group]] += sizes[group]
    return np.asarray(place[numbers], dtype=np.int64)


def _in_order(times: np.ndarray, rows: Indexes, count: int) -> list[Split]:
    """Return folds of which each is judged on what follows the rows it learnt from."""
    ordered = np.sort(times)
    edges = [ordered[len(ordered) * part // (count + 1)] for part in range(1, count + 1)]
    ends = [*edges[1:], np.inf]
    return [
        Split(rows[times < edge], rows[(times >= edge) & (times < end)]) for edge, end in zip(edges, ends, strict=True)
    ]
