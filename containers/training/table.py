"""A file of text as a stream of blocks of rows, in bounded memory, with its digest taken on the way.

Used (through ``rows.open_table``) by inspection, training and prediction alike, so that all three see the same cells.
What cannot be read is refused with a code and a line number. The standard library's reader does the splitting; a tap
under it hashes, counts, and keeps the length of lines bounded.
"""

from __future__ import annotations

import csv
import gc
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from containers.training.dialect import SAMPLE_BYTES, Dialect, detect
from containers.training.packed import PARQUET, PLAIN, XLSX, check_small, first_bytes, format_of, open_text
from containers.training.refusal import Refused, counted, quoted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COLUMNS_MAX = 5000
"""Most columns a table may have."""
LINE_BYTES_MAX = 4 * 1024 * 1024
"""Longest line, in bytes: a file without line ends must not fill the memory."""
CELL_CHARS_MAX = 131_072
"""Longest cell, in characters: an unclosed quote ends here."""
NAME_CHARS_MAX = 500
"""Longest column name, in characters."""
BLOCK_CELLS = 100_000
"""Cells read at a time."""
BLOCK_ROWS_MAX = 4000
"""Rows read at a time."""
BLOCK_BYTES = 8 * 1024 * 1024
"""Bytes after which a block ends, however few rows it has."""
SLAB_ROWS = 64
"""Rows read between two looks at the bytes."""
BUFFER_BYTES = 1024 * 1024


class Undecodable(Exception):
    """A byte further down does not fit the encoding that the first bytes showed."""


class _Tap(io.RawIOBase):
    """The file's bytes on their way to the reader: hashed, counted, and checked for zeros and endless lines."""

    def __init__(self, file: io.RawIOBase, *, zeros_allowed: bool) -> None:
        self._file = file
        self._zeros_allowed = zeros_allowed
        self._line_bytes = 0
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._file.readinto(buffer) or 0
        block = bytes(memoryview(buffer)[:count])
        self.digest.update(block)
        self.size_bytes += count
        if not self._zeros_allowed and 0 in block:
            at = self.size_bytes - count + block.index(0)
            raise Refused(
                "E-CSV-BINARY", f"Byte {at:,} of the file is zero, so it is not text: export it as CSV (UTF-8)"
            )
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._line_bytes = count - end - 1 if end >= 0 else self._line_bytes + count
        if self._line_bytes > LINE_BYTES_MAX:
            raise Refused(
                "E-CSV-RAGGED", f"A line is longer than {LINE_BYTES_MAX:,} bytes: put every row on a line of its own"
            )
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class Table:
    """An open CSV file. ``names`` are the column names; ``blocks`` gives the rows below them, once.

    ``rows_max`` is the most rows of a block.
    """

    def __init__(self, path: Path, dialect: Dialect, rows_max: int = BLOCK_ROWS_MAX) -> None:
        self.path = path
        self.dialect = dialect
        self.notes: tuple[str, ...] = ()
        self._tap = _Tap(open_text(path, dialect.format), zeros_allowed=dialect.encoding.startswith("utf-16"))
        buffered = io.BufferedReader(self._tap, BUFFER_BYTES)
        self._text = io.TextIOWrapper(buffered, dialect.encoding, errors=dialect.decode_errors, newline="")
        csv.field_size_limit(CELL_CHARS_MAX)
        self._reader = csv.reader(self._text, delimiter=dialect.delimiter)
        try:
            for _ in range(dialect.skip_lines):
                self._text.readline()
            self.header = self._first_row()
            self.names = [cell.strip() for cell in self.header]
            check_names(self.names)
        except BaseException:
            self.close()
            raise
        self._rows_max = max(1, min(rows_max, BLOCK_CELLS // len(self.names)))

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._text.close()

    @property
    def sha256(self) -> str:
        """Digest of the file as it was sent; where it is not packed, of the bytes read so far."""
        return self._tap.digest.hexdigest() if self.dialect.format == PLAIN else file_digest(self.path)

    @property
    def size_bytes(self) -> int:
        """Size of the file as it was sent; where it is not packed, the bytes read so far."""
        return self._tap.size_bytes if self.dialect.format == PLAIN else self.path.stat().st_size

    @property
    def lines_read(self) -> int:
        """Lines read so far, quoted line ends counted."""
        return self.dialect.skip_lines + self._reader.line_num

    def blocks(self) -> Iterator[list[list[str]]]:
        """Give the rows in blocks, each row as wide as the header, blank lines left out.

        Raises ``Refused`` (E-CSV-RAGGED, E-CSV-BINARY) and ``Undecodable``.
        """
        width = len(self.names)
        while rows := self._block():
            if any(len(row) != width for row in rows):
                rows = self._repaired(rows, width)
            yield rows

    def _first_row(self) -> list[str]:
        while rows := self._take(1):
            if any(cell.strip("\ufeff \t") for row in rows for cell in row):
                return rows[0]
        raise Refused("E-CSV-EMPTY", "The file holds no text: save the table as CSV again and send that file")

    def _block(self) -> list[list[str]]:
        """Read the next rows: enough cells or enough bytes, whichever comes first."""
        rows: list[list[str]] = []
        start = self._tap.size_bytes
        while len(rows) < self._rows_max and self._tap.size_bytes - start < BLOCK_BYTES:
            more = self._take(min(SLAB_ROWS, self._rows_max))
            if not more:
                break
            rows += more
        return rows

    def _take(self, count: int) -> list[list[str]]:
        """Read ``count`` rows that are not blank lines; fewer only at the end of the file."""
        try:
            return list(islice(filter(None, self._reader), count))
        except csv.Error as error:
            raise self._unreadable(error) from None
        except UnicodeDecodeError as error:
            raise Undecodable(str(error)) from None

    def _unreadable(self, error: csv.Error) -> Refused:
        line = self._reader.line_num + self.dialect.skip_lines
        if "field larger" in str(error):
            return Refused(
                "E-CSV-RAGGED",
                f"A cell that ends after line {line:,} is longer than {CELL_CHARS_MAX:,} characters: "
                'close the quote (") that was left open before it',
            )
        return Refused("E-CSV-RAGGED", f"Line {line:,} cannot be read ({error}): repair that line")

    def _repaired(self, rows: list[list[str]], width: int) -> list[list[str]]:
        """Leave out lines of nothing but white space; refuse every other row of the wrong width."""
        kept = [row for row in rows if len(row) == width or len(row) != 1 or row[0].strip()]
        bad = next((row for row in kept if len(row) != width), None)
        if bad is None:
            return kept
        line = self._line_of_first_bad(width)
        where = f"Line {line:,}" if line else "A line"
        raise Refused(
            "E-CSV-RAGGED",
            f"{where} has {counted(len(bad), 'cell')} and the header has {width:,}: repair it (a value that holds "
            f"{_spoken(self.dialect.delimiter)} needs quotes around it)",
        )

    def _line_of_first_bad(self, width: int) -> int | None:
        """Read again from the start, to count lines: blocks know rows, and a row may span lines."""
        raw = io.BufferedReader(open_text(self.path, self.dialect.format), BUFFER_BYTES)
        with io.TextIOWrapper(raw, self.dialect.encoding, errors="replace", newline="") as text:
            for _ in range(self.dialect.skip_lines):
                text.readline()
            reader = csv.reader(text, delimiter=self.dialect.delimiter)
            begins = 0
            for row in reader:
                if row and len(row) != width and (len(row) > 1 or row[0].strip()):
                    return begins + 1 + self.dialect.skip_lines
                begins = reader.line_num
        return None


def _spoken(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(delimiter, "a |")


def check_names(names: list[str]) -> None:
    """Refuse a header whose names cannot be told apart or used (E-CSV-COLUMNS, E-CSV-HEADER)."""
    if len(names) > COLUMNS_MAX:
        raise Refused(
            "E-CSV-COLUMNS",
            f"The file has {len(names):,} columns and at most {COLUMNS_MAX:,} can be used: keep the ones that matter",
        )
    first: dict[str, int] = {}
    given = [name for name in names if name]
    if len(given) == 1 and len(names) > 2:
        raise title_above(given[0])
    for number, name in enumerate(names, 1):
        if not name:
            index = " (pandas writes one with index=True)" if number == 1 and len(given) == len(names) - 1 else ""
            raise Refused("E-CSV-HEADER", f"Column {number:,} has no name{index}: give it one or remove the column")
        if len(name) > NAME_CHARS_MAX:
            raise Refused(
                "E-CSV-HEADER",
                f"The name of column {number:,} has {len(name):,} characters, at most {NAME_CHARS_MAX} can be used: "
                "shorten it, and check that line 1 holds the column names",
            )
        if name in first:
            raise Refused(
                "E-CSV-HEADER", f"Columns {first[name]:,} and {number:,} are both named {quoted(name)}: rename one"
            )
        first[name] = number


def title_above(text: str) -> Refused:
    """Return the refusal of a table with something above its column names."""
    return Refused(
        "E-CSV-HEADER",
        f"The first line holds {quoted(text)} alone, like a title: remove what stands above the column names",
    )


@contextmanager
def without_cycles() -> Iterator[None]:
    """Look for no reference cycles meanwhile: rows of text have none, and looking takes a third of the reading time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def detect_file(path: Path, columns_min: int = 2) -> Dialect:
    """Return how the file is written; raises ``Refused`` as ``dialect.detect`` and ``packed.open_text`` do."""
    format = format_of(path)
    if format in (PARQUET, XLSX):
        return Dialect("utf-8", ",", format=format)
    check_small(path, format)
    with open_text(path, format) as stream:
        return detect(first_bytes(stream, SAMPLE_BYTES), columns_min)._replace(format=format)
