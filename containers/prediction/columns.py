"""What is taken of each column of a file of text while it is read once: decided on its first rows, held to on all.

A kind that is found on the first rows and that every later cell agrees with is what the careful reader would have
found of the whole file; where a later cell disagrees, ``Unusual`` gives the file to that reader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from containers.prediction.features import Feature, texts
from containers.prediction.output import safe_text
from containers.training import dates
from containers.training.dialect import Dialect
from containers.training.frame import date_array, number_array, usable_features
from containers.training.profile import file_decimal, file_way
from containers.training.stream import Unusual
from containers.training.tally import Tally
from containers.training.values import is_missing, is_number

_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_USUAL = {".": r"\A-?[0-9]+\z", ",": r"\A-?(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?\z"}
"""Numbers that pyarrow reads too, by their decimal mark: what ``values`` takes, but for a plus sign and blanks."""
_POINTS = re.compile(r"[+-]?[\d.]+", re.ASCII)
"""A text such as ``1.234.567``, which a comma further down its column makes a number."""


class Column:
    """One column of the file, and what the model reads of it."""

    def __init__(self, tally: Tally, feature: Feature | None, *, whole: bool) -> None:
        self.name = tally.name
        self.kind = tally.kind
        self._ways = tally.ways
        self._decimal = tally.decimal
        self._whole = whole
        """Numbers without any mark, in a file whose marks are commas or not known."""
        self._feature = feature
        self.repeats_its_name = False

    @property
    def is_floats(self) -> bool:
        """Whether the reader gives floats; else codes into different cells."""
        return self.is_numbers and self._decimal == "." and not self._whole

    @property
    def is_numbers(self) -> bool:
        """Whether it is numbers, and none that the model reads as text."""
        return self.kind == "number" and (self._feature is None or self._feature.kind == "number")

    def of_floats(self, column: Any) -> Any:
        """Return what the model reads of a batch of numbers; raises ``Unusual``."""
        values = column.to_numpy()
        if np.isinf(values).any() or int(np.isnan(values).sum()) != column.null_count:
            raise Unusual  # a spelling that is taken for missing elsewhere
        return usable_features(values) if self._feature else None

    def of_numbers(self, different: Any, codes: Any) -> Any:
        """Return what the model reads of a batch of numbers given as codes into an array of its different cells."""
        from pyarrow import compute

        usual = compute.match_substring_regex(different, _USUAL[self._decimal])
        written = different.filter(usual)
        if self._decimal == ",":
            written = compute.replace_substring(compute.replace_substring(written, ".", ""), ",", ".")
        values = np.empty(len(different))
        is_usual = usual.to_numpy(zero_copy_only=False)
        values[is_usual] = written.cast("float64").to_numpy()
        values[~is_usual] = self._numbers(different.filter(compute.invert(usual)).to_pylist())
        return usable_features(values[codes]) if self._feature else None

    def of_cells(self, cells: Sequence[str], codes: Any) -> Any:
        """Return what the model reads of a batch given as codes into its different cells; raises ``Unusual``."""
        if self.kind == "number":
            self._numbers(cells)
        if self.kind == "empty" and not all(map(is_missing, cells)):
            raise Unusual
        if self.kind in ("category", "date") and not self.repeats_its_name:
            self.repeats_its_name = any(cell.strip() == self.name for cell in cells)
        if self._feature is None:
            return None
        if self._feature.kind == "number":
            return np.full(len(codes), np.nan)
        if self._feature.kind == "date":
            return self._dates(cells)[codes]
        return texts(np.array([self._feature.text(cell) for cell in cells], dtype=object)[codes])

    def formulas(self, cells: Sequence[str]) -> dict[int, str]:
        """Return what is written instead of cells that a spreadsheet would run, by their place."""
        if self.kind not in ("category", "date"):
            return {}
        return {place: safe for place, cell in enumerate(cells) if (safe := safe_text(cell)) != cell}

    def check_dates(self, cells: Sequence[str]) -> None:
        """Raise ``Unusual`` where dates can no longer be read in the ways they could before."""
        present = [cell for cell in cells if not is_missing(cell)]
        if any(dates.all_seconds(present, way) is None for way in self._ways):
            raise Unusual

    def _numbers(self, cells: Sequence[str]) -> Any:
        found = number_array(cells, self._decimal)
        if found is None:
            raise Unusual
        if self._whole and not all(_WHOLE.fullmatch(cell) or is_missing(cell) for cell in cells):
            raise Unusual
        return found

    def _dates(self, cells: Sequence[str]) -> Any:
        found = date_array(cells, self._feature.way if self._feature else "")
        if found is None:
            raise Unusual
        return found


def settle(tallies: Sequence[Tally], dialect: Dialect, ways: dict[str, str]) -> bool:
    """Tell the tallies of the first rows how the file writes numbers and dates; returns whether marks are commas.

    Raises ``Unusual`` where the first rows contradict each other, or look like no header was there.
    """
    if any(t.kind == "number" and is_number(t.name) for t in tallies):
        raise Unusual
    decimal = "." if dialect.delimiter == "," else file_decimal(tallies)
    way = file_way(tallies)
    for tally in tallies:
        tally.file_decimal = decimal
        tally.file_way = way or ways.get(tally.name)
    numbers = [t for t in tallies if t.kind == "number"]
    if decimal == "." and any(t.decimal != "." for t in numbers):
        raise Unusual
    if dialect.delimiter != "," and any(t.kind == "category" and _POINTS.fullmatch(t.example) for t in tallies):
        raise Unusual
    return decimal != "."


def refuse_repeated_header(columns: Sequence[Column]) -> None:
    """Raise ``Unusual`` where the first line may be one of data, since its texts come again further down."""
    again = [c for c in columns if c.repeats_its_name]
    if len(again) > 1 and all(c.repeats_its_name for c in columns if c.kind == "category"):
        raise Unusual
