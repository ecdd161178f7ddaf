"""The rows on which the old model and the new one must agree: a few of the sample, as plain values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pandas as pd

from containers.prediction.features import Feature, block_frame
from containers.training.profile import survey
from containers.training.refusal import Refused, listed
from containers.training.rows import open_table

ROWS_MAX: Final = 200
"""Rows of the sample that are compared, from its beginning."""
TABLE_BYTES_MAX: Final = 64 << 20

Table = dict[str, list[Any]]
"""Column → its cells: numbers with ``None`` for a gap, or texts."""


def sample(file: IO[bytes], features: tuple[str, ...], target: str) -> Table:
    """Return the first rows of the file, its columns those named or all but the target.

    Raises ``Refused``: E-CSV-… of a file that cannot be read, E-CSV-SCHEMA without one of the columns.
    """
    path = Path(f"/proc/self/fd/{file.fileno()}")
    found = survey(path, columns_min=1)
    kinds = {column.name: column for column in found.columns}
    names = list(features) or [name for name in kinds if name != target]
    missing = [name for name in names if name not in kinds]
    if missing or not found.rows:
        why = f"lacks the column {listed(missing)} that the model was trained on" if missing else "has no rows"
        raise Refused("E-CSV-SCHEMA", f"The sample {why}")
    read = [
        Feature(name, "number" if kinds[name].kind in ("number", "empty") else "category", kinds[name].decimal)
        for name in names
    ]
    with open_table(path, found.dialect) as table:
        places = {name: i for i, name in enumerate(table.names)}
        block = next(iter(table.blocks()))[:ROWS_MAX]
        return plain(block_frame(list(zip(*block, strict=True)), read, places))


def plain(frame: pd.DataFrame) -> Table:
    """Return a frame of numbers and texts as what JSON can hold, without losing a bit."""
    return {
        str(name): [None if isinstance(v, float) and v != v else v for v in frame[name].tolist()]
        for name in frame.columns
    }


def framed(table: Table) -> pd.DataFrame:
    """Return the frame of a table: 64-bit numbers with gaps, or texts."""
    columns: dict[str, Any] = {}
    for name, cells in table.items():
        texts = any(isinstance(cell, str) for cell in cells)
        columns[name] = np.array(cells, dtype=object) if texts else np.array(cells, dtype=np.float64)
    return pd.DataFrame(columns)


def written(table: Table) -> bytes:
    """Return a table as bytes."""
    return json.dumps(table, ensure_ascii=False).encode()
