"""The rows of a sheet, made of the tags of its XML: each cell as text, and what of it has no value. (ECMA-376)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from containers.training.packed import damaged
from containers.training.refusal import counted

COLUMNS_READ_MAX = 16_384
"""Columns of a sheet in Excel."""
AREA_CHARS_MAX = 24
"""Longest name of a range, as ``XFD1048576:XFD1048576`` is."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIRST_CELL = re.compile(r"([A-Z]{1,3})\d*")
DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  # a sheet's dates have no zone
DAY_ZERO_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LEAP_BUG_DAY = 60
"""Excel counts a 29 February 1900 that never was; serial numbers before it are a day behind."""
_SERIAL_MAX = 2_958_466
"""Serial number of the day after 31 December 9999."""


@dataclass
class Empty:
    """Cells that show something in a spreadsheet and have no value here."""

    formulas: int = 0
    """Formulas without a saved value."""
    errors: int = 0
    """Errors such as ``#N/A`` (ECMA-376 part 1, 18.18.11)."""
    merged: int = 0
    """Merged ranges: only the first cell of each has a value."""
    merged_at: str = ""
    """The first of them that goes over several rows."""

    def notes(self) -> Iterator[str]:
        """Give one sentence for each kind that there is."""
        if self.formulas:
            yield (
                f"Formulas without a saved value stand in {counted(self.formulas, 'cell')}, which count as missing: "
                "open the workbook in a spreadsheet program and save it."
            )
        if self.errors:
            yield f"Errors such as #N/A stand in {counted(self.errors, 'cell')}, which count as missing."
        if self.merged:
            more = f" and {self.merged - 1:,} more" if self.merged > 1 else ""
            yield (
                f"Cells are merged ({self.merged_at}{more}): only the first of them has a value, the others count as "
                "missing. Unmerge and fill them where all are meant."
            )


class SheetRows:
    """Turns the tags of a sheet into rows of text."""

    def __init__(self, shared: list[str], dates: frozenset[int], day_zero: datetime, empty: Empty) -> None:
        self._shared = shared
        self._empty = empty
        self._dates = dates
        self._day_zero = day_zero
        self._done: list[tuple[int, list[str]]] = []
        self._number = 0
        self._row: list[str] = []
        self._column = -1
        self._kind = ""
        self._style = 0
        self._pieces: list[str] = []
        self._listening = False
        self._phonetic = False
        self._formula = False

    def take(self) -> list[tuple[int, list[str]]]:
        """Return the rows finished since the last call."""
        done, self._done = self._done, []
        return done

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take a tag that begins."""
        if tag == "c":
            place = _FIRST_CELL.match(attributes.get("r", ""))
            self._column = _column(place[1]) if place else self._column + 1
            if self._column >= COLUMNS_READ_MAX:
                raise damaged("The workbook")
            self._kind = attributes.get("t", "n")
            self._style = whole(attributes.get("s"))
            self._pieces = []
            self._formula = False
        elif tag in ("v", "t"):
            self._listening = not self._phonetic
        elif tag == "f":
            self._formula = True
        elif tag == "row":
            self._number = whole(attributes.get("r")) or self._number + 1
            self._row = []
            self._column = -1
        elif tag == "rPh":
            self._phonetic = True
        elif tag == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def end(self, tag: str) -> None:
        """Take a tag that ends."""
        if tag in ("v", "t"):
            self._listening = False
        elif tag == "c":
            if self._pieces:
                self._put(self._value("".join(self._pieces)))
            elif self._formula:
                self._empty.formulas += 1
        elif tag == "row":
            if self._row:
                self._done.append((self._number, self._row))
                self._row = []
        elif tag == "rPh":
            self._phonetic = False

    def text(self, data: str) -> None:
        """Take the text inside of a tag."""
        if self._listening:
            self._pieces.append(data)

    def _merge(self, area: str) -> None:
        """Count cells that are merged over rows: those beside each other are a title or a wide column."""
        first, _, last = area.partition(":")
        if first.lstrip(_LETTERS) != last.lstrip(_LETTERS) and last:
            self._empty.merged += 1
            self._empty.merged_at = self._empty.merged_at or area[:AREA_CHARS_MAX]

    def _put(self, value: str) -> None:
        if value.strip():
            self._row.extend([""] * (self._column + 1 - len(self._row)))
            self._row[self._column] = value

    def _value(self, raw: str) -> str:
        """Return the text of a cell; errors such as ``#N/A`` are no value (ECMA-376 part 1, 18.18.11)."""
        match self._kind:
            case "s":
                at = whole(raw)
                if at >= len(self._shared):
                    raise damaged("The workbook")
                return self._shared[at]
            case "b":
                return "TRUE" if raw.strip() == "1" else "FALSE"
            case "e":
                self._empty.errors += 1
                return ""
            case "n":
                return self._number_text(raw)
            case _:
                return raw

    def _number_text(self, raw: str) -> str:
        if raw.isdecimal() and self._style not in self._dates:
            return raw
        try:
            value = float(raw)
        except ValueError:
            raise damaged("The workbook") from None
        if self._style in self._dates and 0 <= value < _SERIAL_MAX:
            return date_text(value, self._day_zero)
        return repr(value)


def date_text(serial: float, day_zero: datetime) -> str:
    """Return the date of a serial number in ISO form, with its time to the second where it has one."""
    if day_zero == DAY_ZERO and serial < _LEAP_BUG_DAY:
        serial += 1
    when = day_zero + timedelta(seconds=round(serial * 86_400))
    return when.date().isoformat() if when.time() == datetime.min.time() else when.isoformat(sep=" ")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def whole(text: str | None) -> int:
    """Return a number as attributes have it, 0 where it is none or has too many digits."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0
