"""Rows that are predicted together: many, since every call of a model costs some milliseconds, and of bounded size.

Whoever reads the file, the same rows come together: the last bits of a sum depend on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

ROWS_MAX = 32_768
"""Most rows predicted at once."""
WIDE_ROWS_MAX = 4096
"""The same where a row may become more numbers on the way than can be told: support vectors, models made elsewhere."""
CELLS_MAX = 400_000
"""Most cells of the file among them."""
NUMBERS_MAX = 2_500_000
"""Most numbers among them that a model makes of a row at one time (20 MB): prepared columns, units, classes."""
BYTES_MAX = 8 * 1024 * 1024
"""Most text that the swift reader takes at once."""
CHARS_MAX = 4 * BYTES_MAX
"""Text after which the careful reader ends a batch early; what the swift one takes never reaches it, a block of cells
(``table.BLOCK_BYTES``) more or less."""


def rows_at_once(width: int, pipeline: Any, metadata: Mapping[str, Any]) -> int:
    """Return how many rows of ``width`` cells are predicted at once by a model."""
    model = pipeline.steps[-1][1]
    inner = getattr(model, "regressor_", model)
    units: list[int] = [layer.shape[1] for layer in getattr(inner, "coefs_", ())]
    widest = max(1, int(getattr(model, "n_features_in_", 1)), len(metadata.get("classes") or ()), *units)
    wide = metadata.get("model_type") == "svm" or metadata.get("imported")
    most = WIDE_ROWS_MAX if wide else ROWS_MAX
    return max(1, min(most, CELLS_MAX // width, NUMBERS_MAX // widest))


def joined(blocks: Iterable[list[list[str]]], rows: int) -> Iterator[list[list[str]]]:
    """Give the rows of ``blocks`` in batches of ``rows``, fewer only where their text is long, and at the end."""
    batch: list[list[str]] = []
    chars = 0
    for block in blocks:
        more = _chars(block)
        if batch and chars + more > CHARS_MAX:
            yield batch
            batch, chars = [], 0
        batch = batch + block if batch else block
        chars += more
        while len(batch) >= rows:
            whole, batch = batch[:rows], batch[rows:]
            yield whole
            chars = _chars(batch)
    if batch:
        yield batch


def _chars(block: list[list[str]]) -> int:
    return sum(map(len, chain.from_iterable(block)))
