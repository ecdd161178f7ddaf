"""What was seen of one column, a block of cells at a time and in bounded memory.

Columns are taken a block at a time, so that the loops over cells run inside the interpreter's own functions
(``set``, ``map(float)``, ``count``) rather than cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from containers.training import dates
from containers.training.personal import suspected
from containers.training.values import INFINITE, MISSING, comma_numbers, has_sure_comma, is_number, point_numbers

VALUE_CHARS_KEPT = 80
"""Longer values are told apart by their hash."""
EXAMPLE_CHARS = 40
NUMBERS_FIRST = 20_000
"""Numbers looked at first to know whether they are many."""
SERIAL_ROWS_MIN = 10
"""Rows that must count up by one before a column is taken for a row number."""
SERIAL_ROWS_MAX = 4000
"""Rows at the start of a column of numbers read at once that must do so, as many as a block has."""
NUMBERS_BEFORE_TEXT_MIN = 20
"""Cells at the start of a column that must be numbers for a later text to be pointed out."""


class Tally:
    """What was seen of one column so far."""

    def __init__(self, name: str, delimiter: str, distinct_max: int) -> None:
        self.name = name
        self.rows = 0
        self.missing = 0
        self.infinite = 0
        """Of the missing ones, those that say infinity."""
        self.example = ""
        self.seen: set[str | int] = set()
        self.many = False
        """More distinct values than are counted."""
        self.repeats = False
        """Some value came twice while values were counted."""
        self.serial = False
        """Whole numbers that count up by one, at least at the start."""
        self.text_example: str | None = None
        """The first text in a column that had held numbers."""
        self._distinct_max = distinct_max
        self._point = True
        self._comma = delimiter != ","
        self._comma_seen = False
        self._sure_comma = False
        self.marked = ""
        """The first number with a point or a comma in it."""
        self.file_decimal: str | None = None
        """How the whole file writes numbers, once that is known."""
        self.ways: tuple[str, ...] = dates.WAYS
        """In which ways every cell so far is a date."""
        self.file_way: str | None = None
        """How the file's other columns write dates, or what was learnt from, where this column does not tell."""
        self.personal = ""
        """What it seems to hold of people."""
        self._range: dict[str, tuple[float, float]] = {}

    @property
    def values(self) -> int:
        """Cells that hold something."""
        return self.rows - self.missing

    @property
    def kind(self) -> str:
        """``number``, ``date``, ``category`` or ``empty``."""
        if not self.values:
            return "empty"
        if self._point or (self._comma and self._comma_seen):
            return "number"
        return "date" if self.ways else "category"

    @property
    def way(self) -> str:
        """How dates are written here: one of ``dates.WAYS``."""
        return self.file_way if self.file_way in self.ways else self.ways[0]

    @property
    def way_doubtful(self) -> bool:
        """Dates such as ``01/02/2026`` that can be read in two ways, with nothing to tell which."""
        return self.kind == "date" and len(self.ways) > 1 and self.file_way not in self.ways

    @property
    def sure_way(self) -> str | None:
        """How dates are written, where the cells of this column can be read in one way only."""
        return self.ways[0] if self.kind == "date" and len(self.ways) == 1 else None

    @property
    def limits(self) -> tuple[str, str]:
        """Least and greatest number or date, as text; empty where there is none."""
        key = self.decimal if self.kind == "number" else self.way if self.kind == "date" else ""
        if key not in self._range:
            return "", ""
        low, high = self._range[key]
        if self.kind == "date":
            return dates.text(int(low)), dates.text(int(high))
        return f"{low:.15g}", f"{high:.15g}"

    @property
    def greatest(self) -> float:
        """How far from 0 its numbers go."""
        return max(map(abs, self._range.get(self.decimal, (0.0, 0.0)))) if self.kind == "number" else 0.0

    @property
    def decimal(self) -> str:
        """How numbers are written here: ``.`` or ``,``."""
        if self.kind != "number":
            return "."
        if not self._point:
            return ","
        return "," if self._either_point and self.file_decimal == "," else "."

    @property
    def only_point(self) -> bool:
        """Numbers that no other way of writing them fits, whatever comes."""
        return self._point and not self._comma

    @property
    def sure_decimal(self) -> str | None:
        """How numbers are written, where the cells of this column can be read in one way only."""
        if self.kind != "number":
            return None
        if not self._point:
            return "," if self._sure_comma else None
        return "." if self.marked and not self._comma else None

    @property
    def doubtful(self) -> bool:
        """Numbers such as ``1.200`` or ``1,200`` that other files mean otherwise, with no other column to tell."""
        if self._either_point:
            return self.file_decimal is None
        return self.kind == "number" and not self._point and not self._sure_comma and self.file_decimal != ","

    @property
    def _either_point(self) -> bool:
        """Every point may stand between thousands or before decimals."""
        return self._point and self._comma and bool(self.marked)

    @property
    def distinct(self) -> int | None:
        """Distinct values, or ``None`` when there are more than are counted."""
        return None if self.many else len(self.seen)

    def add(self, cells: Sequence[str]) -> None:
        """Take in the column's next cells."""
        self.rows += len(cells)
        if not (self._point or self._comma):
            self._add_text(cells)
            return
        found = point_numbers(cells)
        present = cells
        if found is None:
            present = [c for c in cells if c.strip() not in MISSING]
            self.missing += len(cells) - len(present)
            self._count_infinite(cells, set(cells).difference(present))
            found = point_numbers(present)
        if present and not self.example:
            self.example = present[0].strip()[:EXAMPLE_CHARS]
        self._follow_numbers(present, found)
        unique = set(present)
        if not self.values - len(present):
            self.personal = suspected(self.name, dict.fromkeys(present))
        self._follow_dates(unique, found)
        self._count(unique, len(present))

    def add_different(self, cells: Sequence[str], counts: Sequence[int]) -> None:
        """Take in a whole column that the first rows are known of: its different cells, and how often each comes."""
        head = len(self.seen), self.many, self.repeats
        self.seen, self.many = set(), False
        self.add(cells)
        self.rows = sum(counts)
        self.missing = sum(n for cell, n in zip(cells, counts, strict=True) if cell.strip() in MISSING)
        self.infinite = sum(n for cell, n in zip(cells, counts, strict=True) if cell.strip() in INFINITE)
        different = {cell.strip() for cell in cells} - MISSING
        self.repeats = head[2] or len(different) < self.values

    def add_numbers(self, values: Any) -> None:
        """Take in a whole column of numbers that the first rows are known of, as an array, NaN where there is none."""
        import numpy as np
        import pandas as pd

        self.rows, self.missing = len(values), int(np.count_nonzero(np.isnan(values)))
        if not self.values:
            return
        if self.serial:
            start = values[:SERIAL_ROWS_MAX]
            self.serial = bool(np.all(np.diff(start[~np.isnan(start)]) == 1))
        self._widen(".", [float(np.fmin.reduce(values)), float(np.fmax.reduce(values))])
        self.many = self.many or len(pd.unique(values[:NUMBERS_FIRST])) > self._distinct_max + 1
        if self.many:
            self.seen = set()
            return
        different = pd.unique(values)
        different = different[~np.isnan(different)]
        self.repeats = len(different) < self.values
        self.many = len(different) > self._distinct_max
        self.seen = set() if self.many else set(map(repr, different.tolist()))

    def _add_text(self, cells: Sequence[str]) -> None:
        unique = set(cells)
        blanks = [c for c in unique if c.strip() in MISSING]
        missing = sum(map(cells.count, blanks))
        self.missing += missing
        self._count_infinite(cells, blanks)
        unique.difference_update(blanks)
        self._follow_dates(unique, None)
        self._count(unique, len(cells) - missing)

    def _count_infinite(self, cells: Sequence[str], absent: Iterable[str]) -> None:
        self.infinite += sum(cells.count(cell) for cell in absent if cell.strip() in INFINITE)

    def _follow_dates(self, unique: set[str], found: list[float] | None) -> None:
        if not self.ways or not unique:
            return
        if found is not None:
            self.ways = ()
            return
        for way in self.ways:
            read = dates.all_seconds(unique, way)
            if read is None:
                self.ways = tuple(w for w in self.ways if w != way)
            else:
                self._widen(way, read)

    def _widen(self, key: str, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        before = self._range.get(key, (low, high))
        self._range[key] = (min(before[0], low), max(before[1], high))

    def _follow_numbers(self, present: Sequence[str], found: list[float] | None) -> None:
        before = self.values - len(present)
        if found is None:
            if self._point and (before or point_numbers(present[:NUMBERS_BEFORE_TEXT_MIN]) is not None):
                self.text_example = next((c.strip() for c in present if not is_number(c)), None)
            self._point = False
        elif found:
            self._widen(".", found)
            if not before and len(found) >= SERIAL_ROWS_MIN and found[0].is_integer():
                self.serial = all(b - a == 1 for a, b in pairwise(found))
        if self._comma:
            self._follow_commas(present)

    def _follow_commas(self, present: Sequence[str]) -> None:
        joined = "".join(present)
        if not self.marked and ("." in joined or "," in joined):
            self.marked = next(c.strip() for c in present if "." in c or "," in c)
        if "," in joined:
            self._comma_seen = True
            self._sure_comma = self._sure_comma or has_sure_comma(present)
        elif "." not in joined and self._point and "e" not in joined and "E" not in joined:
            if present:
                self._widen(",", [float(cell) for cell in (min(present, key=float), max(present, key=float))])
            return  # whole numbers read the same either way
        read = comma_numbers(present)
        if read is None:
            self._comma = False
        elif read:
            self._widen(",", read)

    def _count(self, raw: set[str], present: int) -> None:
        if self.many:
            return
        unique = {_kept(c.strip()) for c in raw}
        self.repeats = self.repeats or len(unique) < present or not self.seen.isdisjoint(unique)
        self.seen |= unique
        if len(self.seen) > self._distinct_max:
            self.many = True
            self.seen = set()

    def json(self) -> dict[str, Any]:
        """Return the column as ``messages.storage.Column`` has it."""
        low, high = self.limits
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "distinct": self.distinct,
            "example": self.example,
            "low": low,
            "high": high,
            "personal": self.personal,
        }


def _kept(value: str) -> str | int:
    return value if len(value) <= VALUE_CHARS_KEPT else hash(value)
