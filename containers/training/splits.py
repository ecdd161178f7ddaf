"""Which rows a model learns from and which it is judged on.

At random: classes keep their shares. By group: all rows of a group (a customer, a patient) stand on one side, else a
model is praised for knowing again what it has seen. By time: the last rows are held out, as the future will be.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from containers.training.asked_split import GROUPS_MIN
from containers.training.families import CLASSIFICATION
from containers.training.frame import Floats, Frame, Integers
from containers.training.moments import moments
from containers.training.refusal import Refused, quoted

TEST_ROWS_MIN = 2
GROUP_TRIES = 20
"""Seeded draws of groups, of which the one with the class shares closest to the whole is taken."""

Indexes = np.ndarray[Any, np.dtype[np.int64]]


STRETCHES_MIN, STRETCHES_MAX = 2, 20
"""Stretches into which held-out rows in order of time are cut, by their number: neighbours tell much the same, and
stretches have to be long for that not to go on from one to the next."""


class Split(NamedTuple):
    """The two sides, each in the order of the file."""

    train: Indexes
    test: Indexes
    last_value: float | None = None
    """Target of the latest row learnt from, where rows are split by time and the target is a number."""
    groups: Integers | None = None
    """A number for each row's group, of both sides, where rows are split by group."""
    stretches: Integers | None = None
    """A number for each held-out row's stretch of time, where rows are split by time."""


class Way(NamedTuple):
    """How rows are held out."""

    share: float
    seed: int
    group: str | None = None
    time: str | None = None

    def json(self, split: Split, row_numbers: Integers) -> dict[str, Any]:
        """Return how rows were held out and the digest of which, as the manifest has it."""
        method = "group" if self.group else "time" if self.time else "random"
        column = {"column": self.group or self.time} if method != "random" else {}
        return {"method": method, **column, "share": self.share, "sha256": digest(split, row_numbers)}


def split_rows(frame: Frame, task: str, way: Way) -> Split:
    """Return both sides as asked; the column to split by is ``frame.beside``. Raises ``Refused`` E-SPLIT."""
    if frame.beside is None:
        return at_random(frame.target, task, way.share, way.seed)
    if way.group is not None:
        beside = frame.beside
        codes = np.unique(beside, return_inverse=True)[1] if isinstance(beside, np.ndarray) else beside.codes
        numbers = np.asarray(codes, dtype=np.int64)
        halves = by_group(numbers, way.group, frame.target, task, way.share, way.seed)
        return halves._replace(groups=numbers)
    times = moments(frame.beside, str(way.time))
    found = by_time(times, str(way.time), frame.target, task, way.share)
    found = found._replace(stretches=_stretches(times[found.test]))
    if task == CLASSIFICATION:
        return found
    latest = found.train[int(np.argmax(times[found.train]))]
    return found._replace(last_value=float(frame.target[latest]))


def at_random(target: Floats | Integers, task: str, test_share: float, seed: int) -> Split:
    """Return both sides, drawn at random and seeded.

    Classes keep their shares; each class of two rows or more stands on both sides, a single row is for training.
    """
    draw = np.random.default_rng(seed)
    if task != CLASSIFICATION:
        order = draw.permutation(len(target))
        count = min(max(TEST_ROWS_MIN, round(test_share * len(target))), len(target) - 1)
        return Split(np.sort(order[count:]), np.sort(order[:count]))
    test: list[Indexes] = []
    for label in np.unique(target):
        rows = draw.permutation(np.flatnonzero(target == label))
        count = min(max(1, round(test_share * len(rows))), len(rows) - 1)
        test.append(rows[:count])
    chosen = np.sort(np.concatenate(test))
    return _rest(chosen, len(target))


def by_group(groups: Integers, name: str, target: Floats | Integers, task: str, share: float, seed: int) -> Split:
    """Return both sides, every group whole on one of them; ``groups`` holds a number for each row's group.

    Of a few seeded draws the one whose test rows are closest to the share and the classes' shares is taken. Raises
    ``Refused`` E-SPLIT where there are too few groups, or no draw leaves two classes on both sides.
    """
    labels, rows = np.unique(groups, return_inverse=True)
    if len(labels) < GROUPS_MIN:
        raise Refused("E-SPLIT", f"{quoted(name)} has {len(labels)} groups, at least {GROUPS_MIN} are needed")
    draw = np.random.default_rng(seed)
    sizes = np.bincount(rows)
    best: tuple[float, Split] | None = None
    for _ in range(GROUP_TRIES):
        order = draw.permutation(len(labels))
        taken = max(1, int(np.searchsorted(np.cumsum(sizes[order]), share * len(groups), side="right")))
        found = _rest(np.flatnonzero(np.isin(rows, order[:taken])), len(groups))
        away = _distance(found, target, task, share)
        if away is not None and (best is None or away < best[0]):
            best = (away, found)
    if best is None:
        raise Refused(
            "E-SPLIT", f"No way was found to split by {quoted(name)} with two classes on both sides: use another column"
        )
    return best[1]


def by_time(times: Floats, name: str, target: Floats | Integers, task: str, share: float) -> Split:
    """Return the earlier rows to learn from and the last ``share`` of them to be judged on.

    Rows of the same time stand on the same side. Raises ``Refused`` E-SPLIT where a side would have too little.
    """
    order = np.argsort(times, kind="stable")
    first = len(times) - max(TEST_ROWS_MIN, round(share * len(times)))
    edge = times[order[max(0, first)]]
    chosen = np.flatnonzero(times >= edge)
    if len(chosen) == len(times):
        chosen = np.flatnonzero(times > edge)
    if not TEST_ROWS_MIN <= len(chosen) <= len(times) - TEST_ROWS_MIN:
        raise Refused("E-SPLIT", f"{quoted(name)} has too few different times to hold out the last rows")
    found = _rest(chosen, len(times))
    if _distance(found, target, task, share) is None:
        raise Refused(
            "E-SPLIT",
            f"Split by {quoted(name)}, one side has a single class: use another column, or no split by time",
        )
    return found


def _stretches(times: Floats) -> Integers:
    """Return for each row which stretch of time it is in, all of the same number of rows, give or take one."""
    count = max(STRETCHES_MIN, min(STRETCHES_MAX, round(len(times) ** 0.5)))
    number = np.empty(len(times), dtype=np.int64)
    number[np.argsort(times, kind="stable")] = np.arange(len(times)) * count // len(times)
    return number


def _distance(split: Split, target: Floats | Integers, task: str, share: float) -> float | None:
    """Return how far a split is from the shares asked for; ``None`` where a side has too little."""
    train, test = target[split.train], target[split.test]
    if min(len(train), len(test)) < TEST_ROWS_MIN:
        return None
    away = abs(len(test) / len(target) - share)
    if task != CLASSIFICATION:
        return away
    if len(np.unique(train)) < 2 or len(np.unique(test)) < 2:
        return None
    whole, part = (np.bincount(y, minlength=int(target.max()) + 1) / len(y) for y in (target, test))
    return away + float(np.abs(whole - part).sum())


def _rest(chosen: Indexes, rows: int) -> Split:
    others = np.ones(rows, dtype=bool)
    others[chosen] = False
    return Split(np.flatnonzero(others), chosen)


def digest(split: Split, row_numbers: Integers) -> str:
    """Return the SHA-256 of which rows of the file stand on which side."""
    found = hashlib.sha256()
    for name, side in (("train", split.train), ("test", split.test)):
        found.update(f"{name} {len(side)}\n".encode())
        found.update(np.ascontiguousarray(row_numbers[side], dtype="<i8").tobytes())
    return found.hexdigest()
