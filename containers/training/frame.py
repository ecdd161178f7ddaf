"""A surveyed file in memory: numbers as float64, dates as seconds, text as category codes, the target as numbers or
class indexes.

The cells come from the same reader and mean the same as in inspection (``values``). Rows without a target are left
out and counted, never filled. Text that is missing is the category ``""``, which no real cell can be.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeAlias, TypeGuard, TypeVar

import numpy as np
import pandas as pd

from containers.training import dates, swift
from containers.training.date_parts import NO_DATE, from_seconds, is_dates
from containers.training.families import CLASSIFICATION
from containers.training.profile import Survey
from containers.training.refusal import Refused, quoted
from containers.training.rows import open_table
from containers.training.tally import Tally
from containers.training.values import NUMBER_MAX, is_missing, numbers

TEXTS_MAX = 100_000
"""Different texts kept per column; later new ones become one."""
FEW_ROWS = 1000
"""Rows looked at first, where one of them may tell."""
APART_MAX = 100
"""Most features that are kept as arrays of their own."""
OTHER_TEXT = "(other)"

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Texts: TypeAlias = "pd.Categorical[str]"
Dates = np.ndarray[Any, np.dtype[np.datetime64]]
Values = TypeVar("Values", Floats, Dates)


class Frame(NamedTuple):
    """What is learnt from."""

    features: pd.DataFrame
    target: Floats | Integers
    classes: tuple[str, ...]
    """Class names by index, in order; empty for regression."""
    row_numbers: Integers
    """For each row kept, its number in the file, counted from 1 below the header."""
    dropped: int
    """Rows without a usable target."""
    beside: Floats | Dates | Texts | None = None
    """The column that rows are split by, whether it is learnt from or not."""


class Draw:
    """Rows taken at random, each with the same chance, seeded."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = np.random.default_rng(seed)
        self.first = 0
        """Place in the file of the first row of the block last asked for, from 0."""
        self._after = 0

    def next(self, rows: int) -> Integers:
        """Return the places in the file of the rows taken of the next block."""
        self.first, self._after = self._after, self._after + rows
        return self.first + np.flatnonzero(self._random.random(rows) < self._share)


def number_array(cells: Sequence[str], decimal: str) -> Floats | None:
    """Return cells as numbers, missing ones as NaN, or ``None`` when there is other text among them."""
    found = numbers(cells, decimal)
    if found is not None:
        return np.array(found, dtype=np.float64)
    absent = [is_missing(c) for c in cells]
    found = numbers(["0" if gap else c for c, gap in zip(cells, absent, strict=True)], decimal)
    if found is None:
        return None
    values = np.array(found, dtype=np.float64)
    values[absent] = np.nan
    return values


def usable_features(values: Floats) -> Floats:
    """Return feature values as models can use them: infinite ones missing, huge ones cut to ``NUMBER_MAX``."""
    if len(values) and np.fmin.reduce(values) >= -NUMBER_MAX and np.fmax.reduce(values) <= NUMBER_MAX:
        return values
    return np.clip(np.where(np.isfinite(values), values, np.nan), -NUMBER_MAX, NUMBER_MAX)


def text_value(cell: str) -> str:
    """Return a text cell's category."""
    text = cell.strip()
    return "" if is_missing(text) else text


def number_label(value: float) -> str:
    """Return the name of a class that is a number: ``1`` for ``1.0``."""
    return str(int(value)) if value.is_integer() else repr(value)


def date_array(cells: Sequence[str], way: str) -> Dates | None:
    """Return cells as dates, missing ones as no date, or ``None`` when there is other text among them."""
    found: dict[str, int] = {}
    for cell in dict.fromkeys(cells):
        since = NO_DATE if is_missing(cell) else dates.seconds(cell, way)
        if since is None:
            return None
        found[cell] = since
    read: Dates = from_seconds([found[cell] for cell in cells])
    return read


class _Arrays(Generic[Values]):
    """A column of numbers or of dates being read; ``read`` returns ``None`` for cells that are something else."""

    def __init__(self, name: str, read: Callable[[Sequence[str]], Values | None]) -> None:
        self._name = name
        self._read: Callable[[Sequence[str]], Values | None] = read
        self._parts: list[Values] = []

    def add(self, cells: Sequence[str]) -> None:
        values = self._read(cells)
        if values is None:
            raise _changed(self._name)
        self._parts.append(values)

    def values(self) -> Values:
        whole: Values = np.concatenate(self._parts)
        return whole


def _changed(name: str) -> Refused:
    return Refused("E-ARTIFACT", f"{quoted(name)} changed while it was read: send the file again")


class _Texts:
    """A column of text being read: codes into the texts seen."""

    def __init__(self, most: int = TEXTS_MAX) -> None:
        self._most = most
        self._codes = array("i")
        self._by_cell: dict[str, int] = {}
        self._by_text: dict[str, int] = {}

    def add(self, cells: Sequence[str]) -> None:
        codes = self._by_cell
        for cell in dict.fromkeys(cells):
            if cell not in codes:
                codes[cell] = self._code(text_value(cell))
        self._codes.extend(map(codes.__getitem__, cells))
        if len(codes) > 2 * self._most:
            self._by_cell = {}

    def _code(self, text: str) -> int:
        known = self._by_text
        if len(known) >= self._most and text not in known:
            text = OTHER_TEXT
        return known.setdefault(text, len(known))

    def coded(self, cells: Sequence[str], codes: Any) -> Texts:
        """Return a whole column given as codes into its different cells, in the order they first came."""
        self.add(cells)
        return self._categorical(np.array(self._codes, dtype=np.min_scalar_type(-1 - len(self._by_text)))[codes])

    def values(self) -> Texts:
        return self._categorical(np.array(self._codes, dtype=np.int64))

    def _categorical(self, codes: Any) -> Texts:
        categories: pd.Index[str] = pd.Index(list(self._by_text), dtype=object)
        return pd.Categorical.from_codes(codes, categories)


def load(
    path: Path,
    found: Survey,
    features: Sequence[str],
    target: str,
    task: str,
    beside: str | None = None,
    draw: Draw | None = None,
    columns: Mapping[str, Any] | None = None,
) -> Frame:
    """Read the columns needed into memory; ``beside`` is one that is not learnt from, or not only.

    Where there is a ``draw``, only the rows it takes are read; ``columns`` are those of a file that was read whole
    (``swift``).
    Raises ``Refused`` with E-METRICS where no finite target value is left.
    """
    wanted_names = {*features, target, beside}
    wanted = [i for i, c in enumerate(found.columns) if c.name in wanted_names]
    if columns is not None and draw is None:
        by_name = {found.columns[i].name: _known(found.columns[i], columns, beside) for i in wanted}
        places = np.arange(found.rows)
    else:
        by_name, places = _read(path, found, wanted, beside, draw)
    answers = by_name[target]
    if isinstance(answers, np.ndarray) and not _is_floats(answers):
        raise Refused("E-TASK", f"{quoted(target)} holds dates: add a column of numbers or classes made of them")
    y, classes, keep = _target(answers, task)
    rows = np.flatnonzero(keep)
    numbers_of_rows = places[rows].astype(np.int64) + 1
    if not len(rows):
        raise Refused("E-METRICS", f"{quoted(target)} has no finite value: check the target column")
    others = {n: v for n, v in by_name.items() if n != target}
    frame = {n: usable_features(v) if _is_floats(v) else v for n, v in others.items()}
    # columns of a wide table in one block are quicker to take rows of, those of a long one are not copied
    data = pd.DataFrame({name: frame[name] for name in features}, copy=len(features) > APART_MAX)
    extra = by_name[beside] if beside is not None else None
    if len(rows) < len(keep):
        data, y = data.iloc[rows].reset_index(drop=True), y[rows]
        extra = extra[rows] if extra is not None else None
    return Frame(data, y, classes, numbers_of_rows, len(keep) - len(rows), extra)


def _read(
    path: Path, found: Survey, wanted: Sequence[int], beside: str | None, draw: Draw | None
) -> tuple[dict[str, Any], Integers]:
    """Return the columns wanted by name, and the places in the file of the rows read."""
    columns = {i: _column(found.columns[i], keep_all=found.columns[i].name == beside) for i in wanted}
    draw = draw or Draw(1.0, 0)
    places: list[Integers] = []
    with open_table(path, found.dialect) as table:
        for block in table.blocks():
            taken = draw.next(len(block))
            places.append(taken)
            rows = block if len(taken) == len(block) else [block[i] for i in (taken - draw.first).tolist()]
            cells = list(zip(*rows, strict=True))
            for index, column in columns.items() if cells else ():
                column.add(cells[index])
    return {found.columns[i].name: columns[i].values() for i in wanted}, np.concatenate(places)


def _known(tally: Tally, columns: Mapping[str, Any], beside: str | None) -> Any:
    """Return a column of a file that was read whole, as the careful reader would have."""
    column = columns[tally.name]
    if tally.kind == "number":
        return _looked_up(tally, column) if isinstance(column, swift.Texts) else column
    if tally.kind == "date":
        return swift.dates_of(column, tally.way)
    texts = _Texts(sys.maxsize if tally.name == beside else TEXTS_MAX)
    return texts.coded(column.cells, column.codes)


def _looked_up(tally: Tally, column: swift.Texts) -> Floats:
    """Return a column of numbers that are told apart as text."""
    numbers_of_cells = number_array(column.cells, tally.decimal)
    if numbers_of_cells is None:
        raise _changed(tally.name)
    found: Floats = numbers_of_cells[column.codes]
    return found


def _is_floats(values: Floats | Dates | Texts) -> TypeGuard[Floats]:
    return isinstance(values, np.ndarray) and not is_dates(values)


def _column(tally: Tally, *, keep_all: bool) -> _Arrays[Floats] | _Arrays[Dates] | _Texts:
    if tally.kind == "number":
        return _Arrays(tally.name, lambda cells: number_array(cells, tally.decimal))
    if tally.kind == "date":
        return _Arrays(tally.name, lambda cells: date_array(cells, tally.way))
    return _Texts(sys.maxsize if keep_all else TEXTS_MAX)


def _target(values: Floats | Texts, task: str) -> tuple[Floats | Integers, tuple[str, ...], Any]:
    """Return (target, class names, which rows have one)."""
    if isinstance(values, np.ndarray):
        keep = np.isfinite(values)
        if task != CLASSIFICATION:
            return values, (), keep
        labels = np.unique(values[keep])
        return np.searchsorted(labels, values), tuple(number_label(float(v)) for v in labels), keep
    texts = [str(t) for t in values.categories]
    classes = tuple(sorted(t for t in texts if t))
    rank = {text: i for i, text in enumerate(classes)}
    codes = np.array([rank.get(t, -1) for t in texts], dtype=np.int64)[values.codes]
    return codes, classes, codes >= 0


def is_number_column(data: pd.DataFrame, name: str) -> bool:
    """Return whether a feature column holds numbers (else categories)."""
    return bool(data[name].dtype == np.float64)


def is_date_column(data: pd.DataFrame, name: str) -> bool:
    """Return whether a feature column holds dates."""
    return is_dates(data[name])


def is_blank(data: pd.DataFrame, name: str, rows: Integers) -> bool:
    """Return whether a feature column has no value in any of these rows."""
    parts = (data[name].iloc[part] for part in (rows[:FEW_ROWS], rows[FEW_ROWS:]))
    if is_number_column(data, name) or is_date_column(data, name):
        return all(bool(part.isna().all()) for part in parts)
    return all(text == "" for part in parts for text in part.unique())
