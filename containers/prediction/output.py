"""Writing results that are safe to open: numbers of fixed precision, text that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from containers.training.values import is_number

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters with which a spreadsheet begins a formula, full-width ones included. (faults.md 84)"""
DIGITS = 10
"""Significant digits of written predictions. The last bits of a sum depend on how many rows are predicted at once;
ten digits do not."""


def safe_text(text: str) -> str:
    """Return ``text`` so that a spreadsheet shows it and does not run it; numbers stay as they are."""
    if text.startswith(FORMULA_STARTS) and not is_number(text):
        return "'" + text
    return text


def number_text(value: float, decimal: str = ".") -> str:
    """Return a number with ``DIGITS`` significant digits, in the file's own way of writing decimals."""
    text = format(value, f".{DIGITS}g")
    return text.replace(".", ",") if decimal == "," else text


def number_lines(values: Any, decimal: str, delimiter: str) -> list[bytes]:
    """Return ``number_text`` of every number of each row as the end of a line, delimiters between and ``\\n`` after."""
    one = delimiter.join([f"%.{DIGITS}g"] * values.shape[1]) + "\n"
    text = one * len(values) % tuple(values.ravel().tolist())
    return (text.replace(".", ",") if decimal == "," else text).encode("ascii").splitlines(keepends=True)


def cell_bytes(text: str, delimiter: str) -> bytes:
    """Return one cell as it stands in a line, quoted where that is needed."""
    line = io.StringIO()
    row_writer(line, delimiter).writerow(["", text])
    return line.getvalue()[len(delimiter) : -1].encode()


def row_writer(file: Any, delimiter: str) -> Any:
    """Return a CSV writer to an open text file: ``\\n`` after each row, and quotes around a cell with a ``\\r`` too.

    Without them whoever reads it would begin a row there, maybe with a formula. Python does so from 3.13 on; before,
    only where rows end with a ``\\r``.
    """
    return csv.writer(_Lines(file), delimiter=delimiter, lineterminator="\r\n")


class _Lines:
    """Takes whole rows, and ends each with ``\\n`` alone."""

    def __init__(self, file: Any) -> None:
        self._write = file.write

    def write(self, row: str) -> None:
        """Write a row that ends with ``\\r\\n``."""
        self._write(row[:-2] + "\n")


@contextmanager
def whole_bytes(path: Path) -> Iterator[BinaryIO]:
    """Give a file that appears under ``path`` only when the block ends well, or not at all."""
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(path: Path, encoding: str, delimiter: str) -> Iterator[Any]:
    """Give a CSV writer whose file appears under ``path`` only when the block ends well, or not at all."""
    with whole_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding, newline="")
        try:
            yield row_writer(text, delimiter)
        finally:
            text.detach()
