"""How much memory a table takes to learn from, and what is done where the machine has less: fewer rows, or none.

What is killed for memory has been paid for and leaves nothing, so it is reckoned beforehand, roughly and high: cells
in memory, the rows learnt from, what is prepared of them, and the model's own copy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from containers.training.families import REGRESSION, Family
from containers.training.parameters import Value
from containers.training.refusal import Refused

LIMIT_VARIABLE = "LASTCALL_WORK_MEMORY_BYTES"
"""Where the wrapper says how much the work may use."""
USABLE_SHARE = 0.75
"""Share of the limit that is planned with; the wrapper ends the work at 0.97 of it."""
BASE_BYTES = 400 * 1024**2
"""Libraries, plots and report: 250 MB were measured."""
CELL_BYTES = 40
"""Per number or text: 8 in the table, 8 to 16 prepared, and what fits make of it.

Of what is reckoned in all, a training of 1.3 million rows of 12 columns took 0.73 (``hist_gradient_boosting``) and 0.36
(``linear``), one of 400,000 rows 0.49 (``ridge``) to 0.68 (``lightgbm``), one of 150,000 rows 0.8 (``linear``).
"""
DATE_CELLS = 4
"""Cells that a date counts for, having up to five numbers made of it."""
ONE_HOT_BYTES = 150
"""Per text that becomes columns of zeros and ones: a number and its place, or some dense columns."""
POWER_BYTES = 16
"""Per product of two numbers: prepared, and once more in the fit. 400,000 rows took 0.76 of what is reckoned in all."""
TREE_ROW_BYTES = {"regression": 290, "classification": 100}
"""Per tree and row, where trees grow until leaves are small: the tree, its file and what is read back of it.

Measured on 150,000 rows with 5 to 15 trees: 290 where all targets differ (0.69 to 0.81 of what is reckoned in all), 75
for two classes that overlap.
"""
TREE_CLASS_BYTES = 18
"""More per tree, row and class beyond two: each node holds a number for each, three times over.

Measured on 20,000 rows with 10 and 20 trees: 13 with 100 classes, 17 with 300.
"""
CLASS_BYTES = {"catboost": 150}
"""Per row and class, where it is more than ``CLASS_BYTES_USUAL``."""
CLASS_BYTES_USUAL = 25
"""Per row and class: what a fit adds up, and probabilities of held-out rows with what is made of them.

Measured on 40,000 rows and 300 classes: 13 (``knn``) to 25 (``xgboost``), ``catboost`` 140.
"""
NODE_BYTES = 230
"""Per node of a tree, with its file and what is read back of it: 290 per row at 1.26 nodes a row."""
TREES = ("decision_tree", "random_forest")
"""Families whose trees may be as large as the data."""
DEPTH_BOUNDS = 40
"""Depth from which on it bounds no tree."""
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

    def demand_all(self) -> None:
        """Raise ``Refused`` E-MEMORY where not all rows fit."""
        if self.rows < self.of:
            raise Refused(
                "E-MEMORY",
                f"it takes about {_mb(self.needed_bytes)} to learn from all {self.of:,} rows, and the machine has "
                f"{_mb(self.limit_bytes)}",
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


def room(
    rows: int,
    kinds: Mapping[str, int],
    family: Family,
    limit: int,
    parameters: Mapping[str, Value] = {},
    task: str = REGRESSION,
    classes: int = 0,
) -> Room:
    """Return how many of ``rows`` fit; ``kinds`` has the number of features by kind. Raises ``Refused`` E-MEMORY.

    ``classes`` is how many the target has, where it is classes.
    """
    numbers, dates, texts = (kinds.get(kind, 0) for kind in ("number", "date", "category"))
    one_hot = ONE_HOT_BYTES if family.columns in ("scaled", "powers", "bins") else 0
    each = CELL_BYTES * (1 + numbers + DATE_CELLS * dates + texts) + one_hot * texts
    if family.columns == "powers":
        each += POWER_BYTES * numbers * (numbers + 1) // 2
    each += classes * CLASS_BYTES.get(family.name, CLASS_BYTES_USUAL)
    per_row, fixed = _trees(rows, parameters, task, classes) if family.name in TREES else (0, 0)
    each, base = each + per_row, BASE_BYTES + fixed
    needed = base + rows * each
    fits = max(0, int(USABLE_SHARE * limit) - base) // each
    found = Room(min(rows, fits), rows, needed, limit)
    if fits < rows and fits < max(ROWS_MIN, SHARE_MIN * rows):
        raise Refused(
            "E-MEMORY",
            f"{rows:,} rows take about {_mb(needed)} to learn from, the machine has {_mb(limit)} and only {fits:,} "
            "rows would fit: choose a bigger machine, fewer columns or fewer rows",
        )
    return found


def _trees(rows: int, parameters: Mapping[str, Value], task: str, classes: int) -> tuple[int, int]:
    """Return what whole trees take, per row and in all: as many bytes as their rows or their depth allow."""
    trees, depth = int(parameters.get("n_estimators") or 1), parameters.get("max_depth")
    more = TREE_CLASS_BYTES * max(0, classes - 2)
    per_row = trees * (TREE_ROW_BYTES[task] + more) // int(parameters.get("min_samples_leaf") or 1)
    if depth is not None and int(depth) < DEPTH_BOUNDS:
        fixed = trees * (NODE_BYTES + more) * 2 ** (int(depth) + 1)
        if fixed < rows * per_row:
            return 0, fixed
    return per_row, 0


def _mb(size: int) -> str:
    return f"{size // 1024**2:,} MB"
