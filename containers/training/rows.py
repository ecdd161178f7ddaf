"""One way to open any table: text in whatever it is packed, a workbook or a Parquet file; the same blocks of cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from containers.training.dialect import Dialect
from containers.training.packed import PARQUET, XLSX
from containers.training.parquet import ParquetRows
from containers.training.refusal import Refused, quoted
from containers.training.table import BLOCK_CELLS, BLOCK_ROWS_MAX, Table, check_names, file_digest, title_above
from containers.training.workbook import open_sheet

TITLE_ROWS_MAX = 5
"""Rows under a title within which a table begins."""


class AnyTable(Protocol):
    """An open table. ``names`` are the column names; ``blocks`` gives the rows below them, once."""

    path: Path
    dialect: Dialect
    header: list[str]
    names: list[str]

    def __enter__(self) -> AnyTable: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    @property
    def sha256(self) -> str:
        """Digest of the file as it was sent, once ``blocks`` is exhausted."""

    @property
    def size_bytes(self) -> int:
        """Size of the file as it was sent, once ``blocks`` is exhausted."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the file was read, one sentence each."""

    def blocks(self) -> Iterator[list[list[str]]]:
        """Give the rows in blocks, each row as wide as the header."""


def open_table(path: Path, dialect: Dialect) -> AnyTable:
    """Return the table in the file, opened as ``dialect`` says; raises ``Refused``."""
    if dialect.format == PARQUET:
        return ParquetTable(path, dialect)
    if dialect.format == XLSX:
        return SheetTable(path, dialect)
    return Table(path, dialect)


class _File:
    """What is alike in tables that are no text."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self.path = path
        self.dialect = dialect
        self.header: list[str] = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the file was read."""
        return ()

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return file_digest(self.path)

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size

    def _named(self, header: list[str]) -> int:
        """Take the header; returns how many rows a block has."""
        self.header = header
        self.names = [name.strip() for name in header]
        check_names(self.names)
        return max(1, min(BLOCK_ROWS_MAX, BLOCK_CELLS // len(header)))


class ParquetTable(_File):
    """An open Parquet file."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        super().__init__(path, dialect)
        self._rows = ParquetRows(path)
        try:
            if not self._rows.header:
                raise Refused("E-CSV-EMPTY", "The file has no columns: write the table again and send that file")
            self._rows_max = self._named(self._rows.header)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ParquetTable:
        return self

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def blocks(self) -> Iterator[list[list[str]]]:
        """Give the rows in blocks, as text."""
        return self._rows.blocks(self._rows_max)


class SheetTable(_File):
    """The first sheet of an open workbook."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        super().__init__(path, dialect)
        self._sheet = sheet = open_sheet(path)
        self._rows = sheet.rows
        try:
            self._line, header = next(self._rows, (0, []))
            if not header:
                raise Refused(
                    "E-CSV-EMPTY", f"The sheet {quoted(sheet.name)} is empty: put the table on the first sheet"
                )
            self._rows_max = self._named(header)
        except BaseException:
            self.close()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        """Which sheet was read, and what of it has no value; complete once ``blocks`` is exhausted."""
        name, others, _, empty = self._sheet
        more = "another sheet" if others == 1 else f"{others:,} more sheets"
        which = f"The workbook has {more}; {quoted(name)}, the first, is the one that was read."
        return (*((which,) if others else ()), *empty.notes())

    def __enter__(self) -> SheetTable:
        return self

    def close(self) -> None:
        """Close the file."""
        self._rows.close()  # type: ignore[attr-defined]  # a generator has it

    def blocks(self) -> Iterator[list[list[str]]]:
        """Give the rows in blocks, filled up to the width of the header (E-CSV-RAGGED where one is wider)."""
        width = len(self.header)
        block: list[list[str]] = []
        for line, row in self._rows:
            if len(row) > width:
                if width == 1 and len(block) < TITLE_ROWS_MAX:
                    raise title_above(self.names[0])
                raise Refused(
                    "E-CSV-RAGGED",
                    f"Row {line:,} of the sheet has a value in column {len(row):,} and row {self._line:,} names "
                    f"{width:,} columns: give that column a name or empty the cell",
                )
            row.extend([""] * (width - len(row)))
            block.append(row)
            if len(block) >= self._rows_max:
                yield block
                block = []
        if block:
            yield block
