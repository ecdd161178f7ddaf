"""A Parquet file as blocks of text cells: what CSV would have said, so that cells mean the same in both.

Needs pyarrow, which the training environment has; elsewhere such a file is refused with what to install.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from containers.training.packed import UNPACKED_BYTES_MAX, lacking
from containers.training.refusal import Refused, quoted

CELLS_MAX = UNPACKED_BYTES_MAX // 2
"""Most cells of a table, as many as its text could have; a file of a few bytes may claim any number of equal rows."""
_INDEX = "__index_level_"
"""How pandas names the row labels it stores beside the columns."""


class ParquetRows:
    """An open Parquet file: names, and blocks of rows as text."""

    def __init__(self, path: Path) -> None:
        self._arrow, self._compute, parquet = _libraries()
        self._file = _opened(parquet.ParquetFile, path, self._arrow)
        schema = self._file.schema_arrow
        self._fields = [field for field in schema if not field.name.startswith(_INDEX)]
        self.header = [field.name for field in self._fields]
        rows = self._file.metadata.num_rows
        if rows * max(1, len(self.header)) > CELLS_MAX:
            self.close()
            raise Refused(
                "E-CSV-BOMB", f"The file says it has {rows:,} rows of {len(self.header):,} columns: send fewer rows"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def blocks(self, rows_max: int) -> Iterator[list[list[str]]]:
        """Give the rows as text, at most ``rows_max`` at a time."""
        for batch in self.batches(rows_max):
            columns = [_cells(column, f.name) for column, f in zip(batch, self._fields, strict=True)]
            yield [list(row) for row in zip(*columns, strict=True)]

    def batches(self, rows_max: int) -> Iterator[list[Any]]:
        """Give the columns of text of at most ``rows_max`` rows at a time."""
        try:
            for batch in self._file.iter_batches(rows_max, columns=self.header, use_threads=False):
                yield [self._text(batch.column(i), f.name) for i, f in enumerate(self._fields)]
        except MemoryError:
            raise
        except (self._arrow.ArrowException, OSError):
            raise _damaged() from None

    def _text(self, column: Any, name: str) -> Any:
        """Return a column as text, nothing as the empty text."""
        pa, types = self._arrow, self._arrow.types
        kind = column.type
        if types.is_dictionary(kind):
            column = column.dictionary_decode()
            kind = column.type
        if types.is_timestamp(kind):
            column = column.cast(pa.timestamp("s"), safe=False)
        elif types.is_date64(kind):
            column = column.cast(pa.date32())
        elif types.is_float16(kind):
            column = column.cast(pa.float32())
        elif types.is_duration(kind):
            column = column.cast(pa.int64())
        elif not (types.is_primitive(kind) or types.is_decimal(kind) or _is_text(types, kind)):
            raise Refused(
                "E-CSV-BINARY",
                f"Column {quoted(name)} holds {str(kind)[:60]}, not single values: leave it out of the file",
            )
        return self._compute.fill_null(column.cast(pa.large_string()), "")


def _cells(column: Any, name: str) -> list[str]:
    try:
        cells: list[str] = column.to_pylist()
    except UnicodeDecodeError:
        raise Refused(
            "E-CSV-BINARY", f"Column {quoted(name)} holds text that is no UTF-8: write the file again with UTF-8 texts"
        ) from None
    return cells


def _is_text(types: Any, kind: Any) -> bool:
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    )


def _libraries() -> tuple[Any, Any, Any]:
    try:
        import pyarrow
        from pyarrow import compute, parquet
    except ImportError:
        raise lacking("Parquet files", "pyarrow") from None
    return pyarrow, compute, parquet


def _opened(opener: Any, path: Path, arrow: Any) -> Any:
    try:
        return opener(path, pre_buffer=False, memory_map=False, thrift_string_size_limit=UNPACKED_BYTES_MAX // 64)
    except MemoryError:
        raise
    except (arrow.ArrowException, OSError, UnicodeDecodeError):
        raise _damaged() from None


def _damaged() -> Refused:
    return Refused("E-CSV-ARCHIVE", "The Parquet file is damaged, cut off or encrypted: write it and send it again")
