"""Rows kept while a file is read once: evenly spread ones to look at closer, and marks of those that came before."""

from __future__ import annotations

from collections.abc import Sequence

SAMPLE_ROWS_MAX = 2000
"""Rows kept to look at closer."""
SAMPLE_CELLS_MAX = 400_000
"""Cells of them: a wide file has fewer rows kept."""
SAMPLE_CHARS_MAX = 200
"""Longer cells are cut."""
MARKED_ROWS_MAX = 200_000
"""Rows among which duplicates are counted: the first of the file."""


def sample_places(rows: int, width: int) -> range:
    """Return which of ``rows`` rows ``Sample`` keeps."""
    most, step = rows_kept(width), 1
    while -(-rows // step) >= most:
        step *= 2
    return range(0, rows, step)


def rows_kept(width: int) -> int:
    """Return one more than the rows kept of a table of ``width`` columns."""
    return max(2, min(SAMPLE_ROWS_MAX, SAMPLE_CELLS_MAX // width))


class Sample:
    """Every so many-th row of all so far; the step doubles whenever there are too many."""

    def __init__(self, width: int) -> None:
        self._most = rows_kept(width)
        self._step = 1
        self._next = 0
        self.rows: list[list[str]] = []

    def add(self, block: Sequence[list[str]]) -> None:
        """Take in the next rows."""
        while self._next < len(block):
            self.rows += [[cell[:SAMPLE_CHARS_MAX] for cell in row] for row in block[self._next :: self._step]]
            self._next += self._step * -(-(len(block) - self._next) // self._step)
            if len(self.rows) >= self._most:
                self._thin()
        self._next -= len(block)

    def _thin(self) -> None:
        """Keep every second row until there are few enough; the next row taken is one that would have stayed."""
        while len(self.rows) >= self._most:
            if len(self.rows) % 2:
                self._next += self._step
            self.rows = self.rows[::2]
            self._step *= 2


class Repeats:
    """Rows that are equal to an earlier one, in every cell."""

    def __init__(self) -> None:
        self._marks: set[int] = set()
        self.rows = 0
        """Rows looked at."""
        self.count = 0

    def add(self, block: Sequence[list[str]]) -> None:
        """Take in the next rows."""
        part = block[: MARKED_ROWS_MAX - self.rows]
        if not part:
            self._marks = set()
            return
        before = len(self._marks)
        self._marks.update(map(hash, map(tuple, part)))
        self.rows += len(part)
        self.count += len(part) - (len(self._marks) - before)
