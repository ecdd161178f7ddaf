"""Predicting a file of text while it is read once: its rows come back as they are, with the answers after them.

The answer is the same, byte for byte, as that of the careful way (``core``), which takes every file that is ragged,
not well formed (``lines``), or holds further down what its first rows did not show. A batch of rows at a time is in
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from csv import reader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from containers.prediction.batches import rows_at_once
from containers.prediction.columns import Column, refuse_repeated_header, settle
from containers.prediction.features import Feature, file_decimals, match_features
from containers.prediction.lines import MARK, Rows, batches
from containers.prediction.model import Model
from containers.prediction.output import cell_bytes, number_lines, safe_text, whole_bytes
from containers.training.dialect import Dialect
from containers.training.families import CLASSIFICATION
from containers.training.packed import TEXTS
from containers.training.profile import distinct_max
from containers.training.refusal import Refused
from containers.training.stream import Unusual
from containers.training.table import Table, Undecodable
from containers.training.tally import Tally
from containers.training.values import MISSING

HEAD_ROWS = 4000
"""Rows that tell how the rest is read."""


class Plan(NamedTuple):
    """How a file is read and answered."""

    header: bytes
    """The row of names as it stands in the file, quoted as it would be written."""
    names: list[str]
    shown: list[str]
    """The names as they are written."""
    columns: list[Column]
    features: list[Feature]
    delimiter: str
    decimal: str
    follow_dates: bool


def write(
    source: Path,
    output: Path,
    dialect: Dialect,
    model: Model,
    added: Sequence[str],
    answers: Callable[[pd.DataFrame], Any],
) -> int | None:
    """Write ``source`` with predictions to ``output``; returns the rows, or ``None`` where nothing was written."""
    if dialect.format not in TEXTS:
        return None
    try:
        import pyarrow as pa
    except ImportError:
        return None
    try:
        plan = _plan(source, dialect, model)
        if len({*plan.names, *added}) < len(plan.names) + len(added):
            return None
        ends = _Ends(model, plan)
        with whole_bytes(output) as file:
            if dialect.encoding != "utf-8":
                file.write(MARK)
            file.write(_line(map(safe_text, (*plan.shown, *added)), plan.delimiter))
            rows = 0
            at_once = rows_at_once(len(plan.names), model.pipeline, model.metadata)
            for batch in batches(source, dialect, plan.header, at_once):
                frame, formulas = _read(batch, plan)
                lines = batch.lines
                _neutralise(lines, formulas, plan.delimiter)
                file.write(ends.after(lines, answers(frame)))
                rows += len(lines)
            refuse_repeated_header(plan.columns)
            if not rows:
                raise Unusual
            return rows
    except (Unusual, Refused, Undecodable, UnicodeDecodeError, pa.ArrowException):
        return None


def _plan(source: Path, dialect: Dialect, model: Model) -> Plan:
    """Decide how to read a file on its first rows; raises ``Unusual``, and what the careful reader raises of them."""
    with Table(source, dialect) as table:
        shown, names = table.header, table.names
        tallies = [Tally(name, dialect.delimiter, distinct_max(len(names))) for name in names]
        seen = 0
        for block in table.blocks():
            for tally, cells in zip(tallies, zip(*block, strict=True), strict=True):
                tally.add(cells)
            seen += len(block)
            if seen >= HEAD_ROWS:
                break
    commas = settle(tallies, dialect, model.date_ways)
    features = match_features(model.schema, tallies)
    read = {feature.name: feature for feature in features}
    columns = [Column(t, read.get(t.name), whole=commas and t.decimal == ".") for t in tallies]
    dated = any(feature.kind == "date" for feature in features)
    header = _line(shown, dialect.delimiter)
    return Plan(header, names, shown, columns, features, dialect.delimiter, file_decimals(tallies), dated)


def _line(cells: Iterable[str], delimiter: str) -> bytes:
    return delimiter.encode().join(cell_bytes(cell, delimiter) for cell in cells) + b"\n"


def _read(batch: Rows, plan: Plan) -> tuple[pd.DataFrame, list[tuple[int, Any, dict[int, str]]]]:
    """Return the model's columns of a batch, and where its formulas are: place of the column, codes, new cells."""
    import pyarrow as pa
    from pyarrow import csv

    texts = pa.dictionary(pa.int32(), pa.string())
    quotes = b'"' in batch.text
    table = csv.read_csv(
        pa.BufferReader(batch.text),
        csv.ReadOptions(block_size=len(batch.text) + 1, column_names=plan.names),
        csv.ParseOptions(delimiter=plan.delimiter, quote_char='"' if quotes else False, newlines_in_values=quotes),
        csv.ConvertOptions(
            column_types={c.name: pa.float64() if c.is_floats else texts for c in plan.columns},
            null_values=sorted(MISSING),
            strings_can_be_null=False,
        ),
    )
    if table.num_rows != len(batch.ends):
        raise Unusual
    read: dict[str, Any] = {}
    formulas: list[tuple[int, Any, dict[int, str]]] = []
    for place, column in enumerate(plan.columns):
        if column.is_floats:
            read[column.name] = column.of_floats(table.column(place))
            continue
        coded = table.column(place).combine_chunks()
        codes = coded.indices.to_numpy()
        if column.is_numbers:
            read[column.name] = column.of_numbers(coded.dictionary, codes)
            continue
        cells = coded.dictionary.to_pylist()
        if plan.follow_dates and column.kind == "date":
            column.check_dates(cells)
        read[column.name] = column.of_cells(cells, codes)
        if unsafe := column.formulas(cells):
            formulas.append((place, codes, unsafe))
    return pd.DataFrame({feature.name: read[feature.name] for feature in plan.features}), formulas


def _neutralise(lines: list[bytes], formulas: Sequence[tuple[int, Any, dict[int, str]]], delimiter: str) -> None:
    """Put text in the place of formulas, in the lines that hold one."""
    mark = delimiter.encode()
    for place, codes, unsafe in formulas:
        safe = {code: cell.encode() for code, cell in unsafe.items()}
        for row in np.flatnonzero(np.isin(codes, list(unsafe))).tolist():
            if b'"' in lines[row]:
                [texts] = reader([lines[row].decode()], delimiter=delimiter)
                texts[place] = unsafe[int(codes[row])]
                lines[row] = _line(texts, delimiter)[:-1]
            else:
                cells = lines[row].split(mark)
                cells[place] = safe[int(codes[row])]
                lines[row] = mark.join(cells)


class _Ends:
    """What is written after a line: the prediction, then the probabilities."""

    def __init__(self, model: Model, plan: Plan) -> None:
        self._mark = plan.delimiter.encode()
        self._delimiter, self._decimal = plan.delimiter, plan.decimal
        self._classes: Any = None
        self._chances = bool(model.metadata.get("probabilities", True))
        if model.metadata["task"] == CLASSIFICATION:
            names = [cell_bytes(safe_text(str(name)), plan.delimiter) for name in model.metadata["classes"]]
            end = self._mark if self._chances else b"\n"
            self._classes = np.array([self._mark + name + end for name in names], dtype=object)

    def after(self, lines: Sequence[bytes], answers: Any) -> bytes:
        """Return the lines with their answers."""
        marks: Sequence[bytes] = [self._mark] * len(lines)
        numbers: Sequence[bytes] = [b""] * len(lines)
        if self._classes is not None:
            marks = self._classes[np.argmax(answers, axis=1)].tolist()
        if self._classes is None or self._chances:
            numbers = number_lines(answers.reshape(len(lines), -1), self._decimal, self._delimiter)
        whole: list[bytes] = [b""] * (3 * len(lines))
        whole[0::3], whole[1::3], whole[2::3] = lines, marks, numbers
        return b"".join(whole)
