"""What is in a data set's columns, found in one pass over the file and in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from containers.training import dates
from containers.training.dialect import Dialect
from containers.training.refusal import Refused, quoted
from containers.training.rows import open_table
from containers.training.sampling import Repeats, Sample
from containers.training.table import Undecodable, detect_file, without_cycles
from containers.training.tally import Tally
from containers.training.values import MISSING, is_number

DISTINCT_MAX = 1000
"""Distinct values counted per column; more is "many"."""
DISTINCT_TOTAL_MAX = 1_000_000
"""Distinct values kept over all columns, so that a wide file cannot fill the memory."""
PAIRS_MAX = 200
"""Pairs of (feature value, target value) followed per column, to find a column that gives the target away."""
TIMES_MIN = 20
"""Different dates a column must have to be taken for the time of its rows."""
YEARS = range(1900, 2101)
"""Whole numbers that are believed as column names when they stand in rising order."""


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
            self.count(Counter(cells))
        self._same = {i for i in self._same if columns[i] == cells}
        for i in list(self._pairs):
            pairs = self._pairs[i]
            pairs.update(zip(columns[i], cells, strict=True))
            if len(pairs) > PAIRS_MAX:
                del self._pairs[i]

    def count(self, cells: Mapping[str, int]) -> None:
        """Take in how often each cell of the target comes."""
        for cell, count in cells.items():
            value = cell.strip()
            if value not in MISSING:
                self.counts[value] += count
        if len(self.counts) > DISTINCT_MAX:
            self.many, self.counts = True, Counter()

    def take(self, same: Sequence[int], pairs: dict[int, set[tuple[str, str]]]) -> None:
        """Take what somebody else has found of the whole file: equal columns, and pairs of those with few."""
        self._same = set(same) - {self.index}
        self._pairs = pairs

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
    duplicates: int = 0
    """Rows equal to an earlier one in every cell, among the first ``compared``."""
    compared: int = 0
    sample: tuple[list[str], ...] = ()
    """Rows spread evenly over the file."""

    @property
    def time_column(self) -> str | None:
        """The column that seems to say when each row was: that of the most different dates, the first of equals."""
        found = [c for c in self.columns if c.kind == "date" and (c.distinct is None or c.distinct >= TIMES_MIN)]
        return max(found, key=lambda c: c.distinct or DISTINCT_MAX + 1).name if found else None

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
            "duplicates": self.duplicates,
            "duplicates_among": self.compared,
            "time_column": self.time_column,
        }


def survey(
    path: Path,
    target: str | None = None,
    *,
    columns_min: int = 2,
    dialect: Dialect | None = None,
    decimal: str | None = None,
    ways: Mapping[str, str] = {},
) -> Survey:
    """Read the whole file once and return what is in it, following the column ``target`` if the file has it.

    ``decimal`` is believed of a file whose own columns do not tell how numbers are written, and ``ways`` by column of
    one that does not tell how dates are.
    Raises ``Refused`` with an E-CSV-… code: EMPTY, BINARY, ARCHIVE, BOMB, LIBRARY, DELIMITER, COLUMNS, HEADER, RAGGED.
    """
    found = dialect or detect_file(path, columns_min)
    try:
        return _survey(path, found, target, decimal, ways)
    except Undecodable:
        if found.encoding.startswith("utf-16"):
            raise Refused("E-CSV-BINARY", "The file is damaged UTF-16 text: export it as CSV (UTF-8)") from None
    return _survey(path, found._replace(encoding="cp1252"), target, decimal, ways)


def _survey(path: Path, dialect: Dialect, target: str | None, decimal: str | None, ways: Mapping[str, str]) -> Survey:
    with without_cycles(), open_table(path, dialect) as table:
        aim = Target(table.names.index(target), len(table.names)) if target in table.names else None
        most = distinct_max(len(table.names))
        tallies = tuple(Tally(name, dialect.delimiter, most) for name in table.names)
        rows, sample, repeats = 0, Sample(len(table.names)), Repeats()
        for block in table.blocks():
            rows += len(block)
            sample.add(block)
            repeats.add(block)
            columns = list(zip(*block, strict=True))
            for tally, cells in zip(tallies, columns, strict=False):
                tally.add(cells)
            if aim and columns:
                aim.add(columns)
        check_header(table.names, tallies)
        written = "." if dialect.delimiter == "," else file_decimal(tallies) or decimal
        way = file_way(tallies)
        for tally in tallies:
            tally.file_decimal = written
            tally.file_way = way or ways.get(tally.name)
        return Survey(
            rows,
            tallies,
            dialect,
            table.size_bytes,
            table.sha256,
            aim,
            written,
            table.notes,
            repeats.count,
            repeats.rows,
            tuple(sample.rows),
        )


def distinct_max(width: int) -> int:
    """Return how many distinct values are counted of each of ``width`` columns."""
    return max(1, min(DISTINCT_MAX, DISTINCT_TOTAL_MAX // width))


def file_way(tallies: Sequence[Tally]) -> str | None:
    """Return whether the file writes the day or the month first, or ``None`` where its columns do not tell."""
    sure = {tally.sure_way for tally in tallies} & {dates.DAY_FIRST, dates.MONTH_FIRST}
    return sure.pop() if len(sure) == 1 else None


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
