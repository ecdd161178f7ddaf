"""What is in a data set's columns, found in one pass over the file and in bounded memory.

Columns are taken a block at a time, so that the loops over cells run inside the interpreter's own functions
(``set``, ``map(float)``, ``count``) rather than cell by cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from containers.training.dialect import Dialect
from containers.training.refusal import Refused, quoted
from containers.training.rows import open_table
from containers.training.table import Undecodable, detect_file
from containers.training.values import MISSING, comma_numbers, has_sure_comma, is_number, point_numbers

DISTINCT_MAX = 1000
"""Distinct values counted per column; more is "many"."""
DISTINCT_TOTAL_MAX = 1_000_000
"""Distinct values kept over all columns, so that a wide file cannot fill the memory."""
VALUE_CHARS_KEPT = 80
"""Longer values are told apart by their hash."""
EXAMPLE_CHARS = 40
SERIAL_ROWS_MIN = 10
"""Rows that must count up by one before a column is taken for a row number."""
NUMBERS_BEFORE_TEXT_MIN = 20
"""Cells at the start of a column that must be numbers for a later text to be pointed out."""
PAIRS_MAX = 200
"""Pairs of (feature value, target value) followed per column, to find a column that gives the target away."""
YEARS = range(1900, 2101)
"""Whole numbers that are believed as column names when they stand in rising order."""


class Tally:
    """What was seen of one column so far."""

    def __init__(self, name: str, delimiter: str, distinct_max: int) -> None:
        self.name = name
        self.rows = 0
        self.missing = 0
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

    @property
    def values(self) -> int:
        """Cells that hold something."""
        return self.rows - self.missing

    @property
    def kind(self) -> str:
        """``number``, ``category`` or ``empty``."""
        if not self.values:
            return "empty"
        return "number" if self._point or (self._comma and self._comma_seen) else "category"

    @property
    def decimal(self) -> str:
        """How numbers are written here: ``.`` or ``,``."""
        if self.kind != "number":
            return "."
        if not self._point:
            return ","
        return "," if self._either_point and self.file_decimal == "," else "."

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
            found = point_numbers(present)
        if present and not self.example:
            self.example = present[0].strip()[:EXAMPLE_CHARS]
        self._follow_numbers(present, found)
        self._count(set(present), len(present))

    def _add_text(self, cells: Sequence[str]) -> None:
        unique = set(cells)
        blanks = [c for c in unique if c.strip() in MISSING]
        missing = sum(map(cells.count, blanks))
        self.missing += missing
        self._count(unique.difference(blanks), len(cells) - missing)

    def _follow_numbers(self, present: Sequence[str], found: list[float] | None) -> None:
        before = self.values - len(present)
        if found is None:
            if self._point and (before or point_numbers(present[:NUMBERS_BEFORE_TEXT_MIN]) is not None):
                self.text_example = next((c.strip() for c in present if not is_number(c)), None)
            self._point = False
        elif not before and len(found) >= SERIAL_ROWS_MIN and found[0].is_integer():
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
            return  # whole numbers read the same either way
        if comma_numbers(present) is None:
            self._comma = False

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
        return {
            "name": self.name,
            "kind": self.kind,
            "missing": self.missing,
            "distinct": self.distinct,
            "example": self.example,
        }


def _kept(value: str) -> str | int:
    return value if len(value) <= VALUE_CHARS_KEPT else hash(value)


class Target:
    """What was seen of the target column, and of the columns that may give it away."""

    def __init__(self, index: int, width: int) -> None:
        self.index = index
        self.counts: Counter[str] = Counter()
        self.many = False
        self._pairs: dict[int, set[tuple[str, str]]] = {i: set() for i in range(width) if i != index}
        self._same = set(self._pairs)

    def add(self, columns: Sequence[Sequence[str]]) -> None:
        """Take in the next block of all columns."""
        cells = columns[self.index]
        if not self.many:
            for cell, count in Counter(cells).items():
                value = cell.strip()
                if value not in MISSING:
                    self.counts[value] += count
            if len(self.counts) > DISTINCT_MAX:
                self.many, self.counts = True, Counter()
        self._same = {i for i in self._same if columns[i] == cells}
        for i in list(self._pairs):
            pairs = self._pairs[i]
            pairs.update(zip(columns[i], cells, strict=True))
            if len(pairs) > PAIRS_MAX:
                del self._pairs[i]

    def copies(self) -> list[int]:
        """Return the columns that are equal to the target in every row."""
        return sorted(self._same)

    def tellers(self) -> list[int]:
        """Return the columns of few values each of which comes with one target value only."""
        return [i for i, pairs in self._pairs.items() if i not in self._same and _determines(pairs)]


def _determines(pairs: set[tuple[str, str]]) -> bool:
    known = {(f.strip(), t.strip()) for f, t in pairs if t.strip() not in MISSING}
    features = {f for f, _ in known}
    return 1 < len(features) == len(known) and len({t for _, t in known}) > 1


class Survey(NamedTuple):
    """Everything one pass over a file found."""

    rows: int
    columns: tuple[Tally, ...]
    dialect: Dialect
    size_bytes: int
    sha256: str
    target: Target | None = None
    """What was followed of the target, where one was named and is in the file."""
    decimal: str | None = None
    """How numbers are written in the file, ``.`` or ``,``; ``None`` where its columns do not tell."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the file was read, one sentence each."""

    def json(self) -> dict[str, Any]:
        """Return the survey as ``messages.storage.Profile`` has it."""
        return {
            "rows": self.rows,
            "columns": [c.json() for c in self.columns],
            "delimiter": self.dialect.delimiter,
            "encoding": self.dialect.encoding,
            "format": self.dialect.format,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
        }


def survey(
    path: Path,
    target: str | None = None,
    *,
    columns_min: int = 2,
    dialect: Dialect | None = None,
    decimal: str | None = None,
) -> Survey:
    """Read the whole file once and return what is in it, following the column ``target`` if the file has it.

    ``decimal`` is believed of a file whose own columns do not tell how numbers are written.
    Raises ``Refused`` with an E-CSV-… code: EMPTY, BINARY, ARCHIVE, BOMB, LIBRARY, DELIMITER, COLUMNS, HEADER, RAGGED.
    """
    found = dialect or detect_file(path, columns_min)
    try:
        return _survey(path, found, target, decimal)
    except Undecodable:
        if found.encoding.startswith("utf-16"):
            raise Refused("E-CSV-BINARY", "The file is damaged UTF-16 text: export it as CSV (UTF-8)") from None
    return _survey(path, found._replace(encoding="cp1252"), target, decimal)


def _survey(path: Path, dialect: Dialect, target: str | None, decimal: str | None) -> Survey:
    with open_table(path, dialect) as table:
        aim = Target(table.names.index(target), len(table.names)) if target in table.names else None
        most = max(1, min(DISTINCT_MAX, DISTINCT_TOTAL_MAX // len(table.names)))
        tallies = tuple(Tally(name, dialect.delimiter, most) for name in table.names)
        rows = 0
        for block in table.blocks():
            rows += len(block)
            columns = list(zip(*block, strict=True))
            for tally, cells in zip(tallies, columns, strict=False):
                tally.add(cells)
            if aim and columns:
                aim.add(columns)
        check_header(table.names, tallies)
        written = "." if dialect.delimiter == "," else file_decimal(tallies) or decimal
        for tally in tallies:
            tally.file_decimal = written
        return Survey(rows, tallies, dialect, table.size_bytes, table.sha256, aim, written, table.notes)


def file_decimal(tallies: Sequence[Tally]) -> str | None:
    """Return how the file writes numbers, or ``None`` where no column tells, or columns contradict each other."""
    sure = {tally.sure_decimal for tally in tallies} - {None}
    return sure.pop() if len(sure) == 1 else None


def check_header(names: Sequence[str], tallies: Sequence[Tally]) -> None:
    """Refuse a first line that looks like data (E-CSV-HEADER).

    It does when a cell of it is a number above a column of numbers, except for rising years (``country, 2019,
    2020``); or when two or more columns of text, and all of them, repeat their first cell further down.
    """
    numeric = [i for i, name in enumerate(names) if tallies[i].kind == "number" and is_number(name)]
    if numeric and not _are_years(numeric, names, tallies):
        at = numeric[0]
        raise Refused(
            "E-CSV-HEADER",
            f"Line 1 looks like data (column {at + 1:,} is {quoted(names[at])} above numbers): "
            "add a first line with one name per column",
        )
    texts = [t for t in tallies if t.kind == "category"]
    if len(texts) > 1 and all(t.name in t.seen and t.repeats for t in texts):
        raise Refused(
            "E-CSV-HEADER",
            f"Line 1 looks like data ({quoted(texts[0].name)} stands again further down its column): "
            "add a first line with one name per column",
        )


def _are_years(numeric: Sequence[int], names: Sequence[str], tallies: Sequence[Tally]) -> bool:
    years = [int(names[i]) if names[i].isdecimal() else 0 for i in numeric]
    rising = all(a < b for a, b in pairwise(years))
    repeated = any(names[i] in tallies[i].seen for i in numeric)
    return rising and all(y in YEARS for y in years) and len(numeric) < len(names) and not repeated
