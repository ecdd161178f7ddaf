"""The same survey and columns as ``profile`` and ``frame`` give, by pyarrow's reader in one pass, where that is safe.

A plain comma-separated UTF-8 file without quotes is read whole into numbers and codes of texts; what it holds is judged
by the same rules, on its different cells only. Whatever is unusual (a quote, a lone carriage return, a zero byte, a
ragged line, a number among texts further down, a spelling of infinity) makes ``read`` give nothing, and the careful
reader takes the file from the start: it alone refuses.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from containers.training import dates
from containers.training.date_parts import NO_DATE, from_seconds
from containers.training.dialect import Dialect
from containers.training.packed import PLAIN
from containers.training.profile import PAIRS_MAX, Survey, Target, check_header, distinct_max, file_way
from containers.training.sampling import MARKED_ROWS_MAX, SAMPLE_CHARS_MAX, sample_places
from containers.training.table import CELL_CHARS_MAX, Table
from containers.training.tally import Tally
from containers.training.values import MISSING, is_missing

HEAD_ROWS = 4000
"""Rows read by the careful reader, to know how to read the rest."""
BLOCK_BYTES = 4 * 1024 * 1024
READ_BYTES = 1024 * 1024
MISSING_NUMBERS = sorted(MISSING)


class Texts(NamedTuple):
    """A column of cells as codes into its different cells, in the order they first came."""

    codes: Any
    cells: list[str]


class Columns(NamedTuple):
    """Every column of a file, as ``load`` takes them."""

    survey: Survey
    by_name: dict[str, Any]
    """Floats, or ``Texts``."""


def read(path: Path, dialect: Dialect, target: str) -> Columns | None:
    """Return survey and columns of a file, or ``None`` where the careful reader has to take it."""
    if dialect.format != PLAIN or dialect.delimiter != "," or dialect.encoding not in ("utf-8", "utf-8-sig"):
        return None
    try:
        import pyarrow as pa
        from pyarrow import csv
    except ImportError:
        return None
    seen = _plain(path)
    if seen is None:
        return None
    tallies, names = _head(path, dialect)
    if target not in names:
        return None
    numeric = {t.name for t in tallies if t.kind == "number" and (t.name != target or t.many)}
    dictionary = pa.dictionary(pa.int32(), pa.string())
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(block_size=BLOCK_BYTES, skip_rows=dialect.skip_lines + 1, column_names=names),
            csv.ParseOptions(delimiter=",", quote_char=False, newlines_in_values=False),
            csv.ConvertOptions(
                column_types={name: pa.float64() if name in numeric else dictionary for name in names},
                null_values=MISSING_NUMBERS,
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
        return None
    columns = _columns(table, names, numeric)
    if columns is None or not table.num_rows:
        return None
    return _judged(columns, tallies, dialect, target, *seen)


def _plain(path: Path) -> tuple[int, str] | None:
    """Return size and digest of a file, or ``None`` where a byte of it needs the careful reader."""
    digest, size, last = hashlib.sha256(), 0, b""
    with path.open("rb", buffering=0) as file:
        while block := file.read(READ_BYTES):
            if b'"' in block or b"\0" in block:
                return None
            if b"\r" in block and block.count(b"\r") != block.count(b"\r\n") + block.endswith(b"\r"):
                return None
            if last.endswith(b"\r") and not block.startswith(b"\n"):
                return None
            digest.update(block)
            size += len(block)
            last = block
    return None if last.endswith(b"\r") else (size, digest.hexdigest())


def _head(path: Path, dialect: Dialect) -> tuple[tuple[Tally, ...], list[str]]:
    with Table(path, dialect) as table:
        most = distinct_max(len(table.names))
        tallies = tuple(Tally(name, dialect.delimiter, most) for name in table.names)
        rows = 0
        for block in table.blocks():
            for tally, cells in zip(tallies, zip(*block, strict=True), strict=False):
                tally.add(cells)
            rows += len(block)
            if rows >= HEAD_ROWS:
                break
        return tallies, table.names


def _columns(table: Any, names: list[str], numeric: set[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name in names:
        column = table.column(name)
        if name in numeric:
            values = column.to_numpy()
            if np.count_nonzero(np.isfinite(values)) != len(values) - column.null_count:
                return None
            found[name] = values
            continue
        whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if whole.null_count:
            return None
        cells = whole.dictionary.to_pylist()
        if any(len(cell) > CELL_CHARS_MAX for cell in cells):
            return None
        found[name] = Texts(whole.indices.to_numpy(), cells)
    return found


def _judged(
    columns: dict[str, Any], tallies: tuple[Tally, ...], dialect: Dialect, target: str, size: int, sha256: str
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
    way = file_way(tallies)
    for tally in tallies:
        tally.file_decimal = "."
        tally.file_way = way
    sample = sample_places(rows, len(names))
    found = Survey(
        rows,
        tallies,
        dialect,
        size,
        sha256,
        _target(columns, names, target),
        ".",
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
    if len(pd.unique(column[:HEAD_ROWS])) > PAIRS_MAX:
        return column, [""] * (PAIRS_MAX + 1)
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return codes, ["" if value != value else repr(value) for value in values.tolist()]


def _equal(column: Any, truth: Any) -> bool:
    if isinstance(column, Texts) != isinstance(truth, Texts):
        return False
    if isinstance(column, Texts):
        return column.cells == truth.cells and np.array_equal(column.codes, truth.codes)
    return all(np.array_equal(column[:n], truth[:n], equal_nan=True) for n in (HEAD_ROWS, len(truth)))


def numbers_of(column: Any) -> Any:
    """Return a column of numbers as floats."""
    if not isinstance(column, Texts):
        return column
    return np.array([np.nan if is_missing(cell) else float(cell) for cell in column.cells])[column.codes]


def dates_of(column: Texts, way: str) -> Any:
    """Return a column of dates as seconds."""
    found = [NO_DATE if is_missing(cell) else dates.seconds(cell, way) for cell in column.cells]
    return from_seconds(np.array(found, dtype=np.int64)[column.codes])
