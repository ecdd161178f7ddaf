"""The same survey and columns as ``profile`` and ``frame`` give, by pyarrow's reader in one pass, where that is safe.

A text file, packed or not, is read whole into numbers and codes of texts; what it holds is judged by the same rules, on
its different cells only. Whatever is unusual (a lone carriage return, a zero byte, a ragged line, a number among texts
further down, a spelling of infinity) makes ``read`` give nothing, and the careful reader takes the file from the start:
it alone refuses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from containers.training import dates
from containers.training.date_parts import NO_DATE, from_seconds
from containers.training.dialect import Dialect
from containers.training.packed import TEXTS
from containers.training.profile import PAIRS_MAX, Survey, Target, check_header, distinct_max, file_decimal, file_way
from containers.training.refusal import Refused
from containers.training.sampling import MARKED_ROWS_MAX, SAMPLE_CHARS_MAX, sample_places
from containers.training.stream import BLOCK_BYTES, Quoted, Stream, Unusual
from containers.training.table import CELL_CHARS_MAX, Table, Undecodable, without_cycles
from containers.training.tally import Tally
from containers.training.values import INFINITE, MISSING, is_missing

HEAD_ROWS = (1000, 4000)
"""Rows read by the careful reader, to know how to read the rest; and how many where the rest is not as these say."""
FIRST_ROWS = 4000
"""Rows of two columns compared before all of them are."""
MISSING_NUMBERS = sorted(MISSING - INFINITE)


class Texts(NamedTuple):
    """A column of cells as codes into its different cells, in the order they first came."""

    codes: Any
    cells: list[str]


class Head(NamedTuple):
    """What the first rows tell."""

    names: list[str]
    tallies: tuple[Tally, ...]
    lines: int
    """Lines of the file before the first row."""
    header: list[str]
    rows: int


class Columns(NamedTuple):
    """Every column of a file, as ``load`` takes them."""

    survey: Survey
    by_name: dict[str, Any]
    """Floats, or ``Texts``."""


def read(path: Path, dialect: Dialect, target: str, bytes_max: int) -> Columns | None:
    """Return survey and columns of a file, or ``None`` where the careful reader has to take it.

    ``bytes_max`` is the most text that may be read.
    """
    if dialect.format not in TEXTS:
        return None
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return None
    quotes = False
    for rows in HEAD_ROWS:
        try:
            head = _head(path, dialect, rows)
            if target not in head.names or not _one_line(head):
                return None
            quotes, found = _whole(path, dialect, target, head, quotes, bytes_max)
        except (Undecodable, Unusual, Refused):  # the careful reader says what is wrong
            return None
        if found or head.rows < rows:
            return found
    return None


def _whole(
    path: Path, dialect: Dialect, target: str, head: Head, quotes: bool, bytes_max: int
) -> tuple[bool, Columns | None]:
    """Return whether there are quotes and, where the file is as its first rows say, what is in it."""
    try:
        with Stream(path, dialect, quotes=quotes, bytes_max=bytes_max) as stream:
            columns = _columns(stream, dialect, head, target, quotes)
            return quotes, _judged(columns, head.tallies, dialect, target, stream) if columns else None
    except Quoted:
        return _whole(path, dialect, target, head, True, bytes_max)


def _head(path: Path, dialect: Dialect, rows_min: int) -> Head:
    with without_cycles(), Table(path, dialect, rows_min) as table:
        most = distinct_max(len(table.names))
        tallies = tuple(Tally(name, dialect.delimiter, most) for name in table.names)
        lines, rows = table.lines_read, 0
        for block in table.blocks():
            for tally, cells in zip(tallies, zip(*block, strict=True), strict=False):
                tally.add(cells)
            rows += len(block)
            if rows >= rows_min:
                break
        return Head(table.names, tallies, lines, table.header, rows)


def _one_line(head: Head) -> bool:
    """Return whether lines before the rows can be counted without looking at quotes."""
    return not any("\n" in cell or "\r" in cell for cell in head.header)


def _type(tally: Tally, target: str) -> Any:
    """Return the type that pyarrow reads a column as; what no number is for sure, are its different cells."""
    import pyarrow as pa

    if tally.kind == "number" and (tally.name != target or tally.many):
        if tally.only_point:
            return pa.float64()
        if not tally.marked:
            return pa.int64()
    return pa.dictionary(pa.int32(), pa.string())


def _columns(stream: Stream, dialect: Dialect, head: Head, target: str, quotes: bool) -> dict[str, Any] | None:
    """Return every column, or ``None`` where something in the file needs the careful reader."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(
            pa.PythonFile(stream, mode="r"),
            csv.ReadOptions(block_size=BLOCK_BYTES, skip_rows=head.lines, column_names=head.names),
            csv.ParseOptions(
                delimiter=dialect.delimiter, quote_char='"' if quotes else False, newlines_in_values=quotes
            ),
            csv.ConvertOptions(
                column_types={tally.name: _type(tally, target) for tally in head.tallies},
                null_values=MISSING_NUMBERS,
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
        return None
    if not table.num_rows:
        return None
    found: dict[str, Any] = {}
    for name in head.names:
        column = _taken(table.column(0))
        if column is None:
            return None
        found[name] = column
        table = table.remove_column(0)  # its memory is given back before the next is made
    pa.default_memory_pool().release_unused()
    return found


def _taken(column: Any) -> Any:
    """Return a column as floats or ``Texts``, or ``None`` where a cell of it is unusual."""
    import pyarrow as pa

    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = column.to_numpy().astype(np.float64, copy=False)
        return values if np.count_nonzero(np.isfinite(values)) == len(values) - column.null_count else None
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if whole.null_count:
        return None
    cells = whole.dictionary.to_pylist()
    if any(len(cell) > CELL_CHARS_MAX for cell in cells):
        return None
    return Texts(whole.indices.to_numpy().astype(np.min_scalar_type(-1 - len(cells))), cells)


def _judged(
    columns: dict[str, Any], tallies: tuple[Tally, ...], dialect: Dialect, target: str, stream: Stream
) -> Columns | None:
    rows = len(_codes(columns[target]))
    for tally in tallies:
        column, kind = columns[tally.name], tally.kind
        if isinstance(column, Texts):
            tally.add_different(column.cells, np.bincount(column.codes, minlength=len(column.cells)).tolist())
        else:
            tally.add_numbers(column)
        if tally.kind != kind and not (kind in ("empty", "date") and tally.kind in ("category", "date")):
            return None  # such as a text after many numbers: the careful reader says which
    names = [tally.name for tally in tallies]
    check_header(names, tallies)
    written = "." if dialect.delimiter == "," else file_decimal(tallies)
    way = file_way(tallies)
    for tally in tallies:
        tally.file_decimal = written
        tally.file_way = way
    sample = sample_places(rows, len(names))
    found = Survey(
        rows,
        tallies,
        dialect,
        stream.size_bytes,
        stream.sha256,
        _target(columns, names, target),
        written,
        (),
        _duplicates(columns, names),
        min(rows, MARKED_ROWS_MAX),
        tuple(map(list, zip(*(_texts(columns[name], sample) for name in names), strict=True))),
    )
    return Columns(found, columns)


def _codes(column: Any) -> Any:
    return column.codes if isinstance(column, Texts) else column


def _texts(column: Any, places: Any) -> list[str]:
    if isinstance(column, Texts):
        return [column.cells[code][:SAMPLE_CHARS_MAX] for code in column.codes[places].tolist()]
    return ["" if value != value else repr(value) for value in column[places].tolist()]


def _duplicates(columns: dict[str, Any], names: list[str]) -> int:
    marks = np.zeros(min(MARKED_ROWS_MAX, len(_codes(columns[names[0]]))), dtype=np.uint64)
    for name in names:
        part = _codes(columns[name])[: len(marks)]
        bits = (part + 0.0).view(np.uint64) if part.dtype == np.float64 else part.astype(np.uint64)
        marks = (marks ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        marks ^= marks >> np.uint64(29)
    marks.sort()
    return int(np.count_nonzero(marks[1:] == marks[:-1]))


def _target(columns: dict[str, Any], names: list[str], target: str) -> Target:
    """Return what ``profile.Target`` would have seen."""
    aim = Target(names.index(target), len(names))
    truth = columns[target]
    if not isinstance(truth, Texts):
        aim.many = True
        same = [i for i, n in enumerate(names) if _equal(columns[n], truth)]
        aim.take(same, {})
        return aim
    counts = np.bincount(truth.codes, minlength=len(truth.cells)).tolist()
    aim.count(dict(zip(truth.cells, counts, strict=True)))
    pairs: dict[int, set[tuple[str, str]]] = {}
    for i, name in enumerate(names):
        if i != aim.index and len(truth.cells) <= PAIRS_MAX:
            codes, cells = _coded(columns[name])
            if len(cells) <= PAIRS_MAX:
                both = pd.unique(codes.astype(np.int64) * len(truth.cells) + truth.codes)
                if len(both) <= PAIRS_MAX:
                    pairs[i] = {
                        (cells[p // len(truth.cells)], truth.cells[p % len(truth.cells)]) for p in both.tolist()
                    }
    aim.take([i for i, n in enumerate(names) if _equal(columns[n], truth)], pairs)
    return aim


def _coded(column: Any) -> tuple[Any, list[str]]:
    if isinstance(column, Texts):
        return column.codes, column.cells
    if len(pd.unique(column[:FIRST_ROWS])) > PAIRS_MAX:
        return column, [""] * (PAIRS_MAX + 1)
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return codes, ["" if value != value else repr(value) for value in values.tolist()]


def _equal(column: Any, truth: Any) -> bool:
    if isinstance(column, Texts) != isinstance(truth, Texts):
        return False
    if isinstance(column, Texts):
        return column.cells == truth.cells and np.array_equal(column.codes, truth.codes)
    return all(np.array_equal(column[:n], truth[:n], equal_nan=True) for n in (FIRST_ROWS, len(truth)))


def dates_of(column: Texts, way: str) -> Any:
    """Return a column of dates as seconds."""
    found = [NO_DATE if is_missing(cell) else dates.seconds(cell, way) for cell in column.cells]
    return from_seconds(np.array(found, dtype=np.int64)[column.codes])
