"""What a cell means: missing, a number, or text. The one rule that inspection, training and prediction share.

* A cell is read without surrounding white space.
* Missing: empty, ``NA N/A n/a NaN nan null NULL None NaT ? -``, ``<NA>``, what spreadsheets write for an error
  (``#N/A``, ``#DIV/0!``), and the spellings of infinity, which no model can use.
* Number: ASCII digits, sign, decimal point, exponent. A column is numeric when every cell that is not missing is.
* Decimal comma (``1.234,56``): only in files whose delimiter is not the comma. A column that can be read one way only
  is read so; a column of ``1.200`` and ``2.500``, which can be read both ways, as the file's other columns are written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

INFINITE = frozenset(
    sign + word for sign in ("", "+", "-") for word in ("inf", "Inf", "INF", "infinity", "Infinity", "INFINITY")
)
ERRORS = frozenset({"#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"})
"""Errors of a spreadsheet (ECMA-376 part 1, 18.18.11), which its CSV has as text."""
MISSING = (
    frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "<NA>", "NaT", "null", "NULL", "None", "?", "-"})
    | ERRORS
    | INFINITE
)
"""Cells that mean "no value"."""

NUMBER_MAX = 1e30
"""Larger feature values are cut: their squares stay finite and they fit into 32-bit floats."""

_NUMBER_BYTES = b"0123456789+-.eE \t"
_COMMA_NUMBER = re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?\s*", re.ASCII)
_COMMA_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:,\d{3})\s*", re.ASCII)


def is_missing(cell: str) -> bool:
    """Return whether a cell holds no value."""
    return cell.strip() in MISSING


def point_numbers(cells: Sequence[str]) -> list[float] | None:
    """Return the cells as numbers with a decimal point, or ``None`` when one of them is missing or no number.

    The allowed bytes are checked over all cells at once: ``float`` alone would also take ``1_000``, ``nan`` and the
    digits of other scripts.
    """
    joined = "".join(cells)
    if not joined.isascii() or joined.encode("ascii").translate(None, _NUMBER_BYTES):
        return None
    try:
        return list(map(float, cells))
    except ValueError:
        return None


def comma_numbers(cells: Sequence[str]) -> list[float] | None:
    """Return the cells as numbers with a decimal comma and points between thousands, or ``None``."""
    if not all(map(_COMMA_NUMBER.fullmatch, cells)):
        return None
    return [float(c.replace(".", "").replace(",", ".")) for c in cells]


def has_sure_comma(cells: Sequence[str]) -> bool:
    """Return whether a comma among these cells, all numbers with a decimal comma, can mean nothing but decimals."""
    return any("," in cell and not _COMMA_THOUSANDS.fullmatch(cell) for cell in cells)


def numbers(cells: Sequence[str], decimal: str) -> list[float] | None:
    """Return the cells as numbers in the column's way of writing, or ``None``."""
    return comma_numbers(cells) if decimal == "," else point_numbers(cells)


def is_number(cell: str) -> bool:
    """Return whether a single cell is a number in either way of writing."""
    return point_numbers((cell,)) is not None or comma_numbers((cell,)) is not None
