"""How much memory a table takes to learn from, and what is done where the machine has less: fewer rows, or none.

What is killed for memory has been paid for and leaves nothing, so it is reckoned beforehand, roughly and high: cells
in memory, the rows learnt from, what is prepared of them, and the model's own copy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from containers.training.families import Family
from containers.training.refusal import Refused

LIMIT_VARIABLE = "LASTCALL_WORK_MEMORY_BYTES"
"""Where the wrapper says how much the work may use."""
USABLE_SHARE = 0.75
"""Share of the limit that is planned with; the wrapper ends the work at 0.97 of it."""
BASE_BYTES = 400 * 1024**2
"""Libraries, plots and report."""
CELL_BYTES = 40
"""Per number or text: 8 in the table, 8 in the rows learnt from, 8 to 16 prepared, and what fits make of it."""
DATE_CELLS = 4
"""Cells that a date counts for, having up to five numbers made of it."""
ONE_HOT_BYTES = 150
"""Per text that becomes columns of zeros and ones: a number and its place, or some dense columns."""
ROWS_MIN = 1000
"""Fewest rows learnt from where not all fit; fewer are refused."""
SHARE_MIN = 0.01
"""Smallest share of the rows learnt from where not all fit; less is refused."""


class Room(NamedTuple):
    """What fits."""

    rows: int
    """Rows that can be learnt from."""
    of: int
    """Rows there are."""
    needed_bytes: int
    limit_bytes: int

    @property
    def note(self) -> str:
        """What a person should know, or nothing where everything fits."""
        if self.rows >= self.of:
            return ""
        return (
            f"The table takes about {_mb(self.needed_bytes)} to learn from and the machine has "
            f"{_mb(self.limit_bytes)}: about {self.rows:,} of {self.of:,} rows are used, drawn at random. A bigger "
            "machine takes them all."
        )


def limit_bytes(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> int:
    """Return what this program may use: what the wrapper told, else what the machine or its control group has."""
    told = environ.get(LIMIT_VARIABLE, "")
    if told.isdecimal() and int(told):
        return int(told)
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (root / "sys/fs/cgroup" / name).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found.append(int(text))
    return min(found)


def room(rows: int, kinds: Mapping[str, int], family: Family, limit: int) -> Room:
    """Return how many of ``rows`` fit; ``kinds`` has the number of features by kind. Raises ``Refused`` E-MEMORY."""
    numbers, dates, texts = (kinds.get(kind, 0) for kind in ("number", "date", "category"))
    one_hot = ONE_HOT_BYTES if family.columns in ("scaled", "powers", "bins") else 0
    each = CELL_BYTES * (1 + numbers + DATE_CELLS * dates + texts) + one_hot * texts
    needed = BASE_BYTES + rows * each
    fits = max(0, int(USABLE_SHARE * limit) - BASE_BYTES) // each
    found = Room(min(rows, fits), rows, needed, limit)
    if fits < rows and fits < max(ROWS_MIN, SHARE_MIN * rows):
        raise Refused(
            "E-MEMORY",
            f"{rows:,} rows take about {_mb(needed)} to learn from, the machine has {_mb(limit)} and only {fits:,} "
            "rows would fit: choose a bigger machine, fewer columns or fewer rows",
        )
    return found


def _mb(size: int) -> str:
    return f"{size // 1024**2:,} MB"
