"""The first sheet of an Excel workbook (.xlsx), row by row, as text. Standard library only.

A workbook is a zip of XML (ECMA-376, Office Open XML). The sheet is parsed as it unpacks, so that memory holds its
shared texts and a few rows, however many empty columns and rows lie between two cells. A cell with a formula gives the
value that was saved with it; nothing is computed, and no document type or entity is ever read.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from containers.training.packed import check_unpacked, damaged, open_archive
from containers.training.refusal import Refused, quoted

COLUMNS_READ_MAX = 16_384
"""Columns of a sheet in Excel."""
SHARED_CHARS_MAX = 256 * 1024**2
"""Most characters of shared texts, which are kept in memory."""
BLOCK_BYTES = 256 * 1024

_FIRST_CELL = re.compile(r"([A-Z]{1,3})\d*")
_DATE_FORMATS = frozenset((*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58))
"""Numbers of the built-in formats that show a date (ECMA-376 part 1, 18.8.30); times alone stay numbers."""
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
"""What stands in a number format beside the letters for days and years."""
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  # a sheet's dates have no zone
_DAY_ZERO_1904 = datetime(1904, 1, 1)  # noqa: DTZ001
_LEAP_BUG_DAY = 60
"""Excel counts a 29 February 1900 that never was; serial numbers before it are a day behind."""
_SERIAL_MAX = 2_958_466
"""Serial number of the day after 31 December 9999."""


class Sheet(NamedTuple):
    """An opened sheet."""

    name: str
    others: int
    """Sheets of the workbook that are not read."""
    rows: Iterator[tuple[int, list[str]]]
    """Number and cells of each row that has any; cells up to the last one with something in it."""


def open_sheet(path: Path) -> Sheet:
    """Return the first visible sheet of the workbook at ``path``.

    Raises E-CSV-ARCHIVE and E-CSV-BOMB, reading the rows too.
    """
    archive = open_archive(path)
    try:
        book = _Book(archive, path.stat().st_size)
        name, part, others = book.first_sheet()
        return Sheet(name, others, book.rows(part))
    except BaseException:
        archive.close()
        raise


class _Book:
    """The parts of a workbook."""

    def __init__(self, archive: zipfile.ZipFile, sent: int) -> None:
        self._archive = archive
        self._sent = sent
        self._unpacked = 0
        self._day_zero = _DAY_ZERO

    def first_sheet(self) -> tuple[str, str, int]:
        """Return name and part of the first visible sheet, and how many other visible ones there are."""
        top = next((target for kind, target, _ in self._relations("") if kind.endswith("/officeDocument")), None)
        self._home = posixpath.dirname(top or "xl/workbook.xml")
        self._top = top or "xl/workbook.xml"
        if self._top.endswith(".bin"):
            raise Refused("E-CSV-ARCHIVE", "The file is a binary workbook (.xlsb): save it as .xlsx or CSV")
        sheets: list[tuple[str, str]] = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "sheet" and attributes.get("state", "visible") == "visible":
                sheets.append((attributes.get("name", ""), attributes.get("id", "")))
            elif tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                self._day_zero = _DAY_ZERO_1904

        self._parse(self._top, start)
        self._targets = {key: (kind, target) for kind, target, key in self._relations(self._top)}
        data = [(name, self._targets[key][1]) for name, key in sheets if self._is_table(key)]
        if not data:
            raise Refused("E-CSV-ARCHIVE", "The workbook has no visible sheet with cells: save the table as CSV")
        return (*data[0], len(data) - 1)

    def _is_table(self, key: str) -> bool:
        return self._targets.get(key, ("", ""))[0].endswith("/worksheet")

    def _part(self, ending: str) -> str | None:
        return next((target for kind, target in self._targets.values() if kind.endswith(ending)), None)

    def _relations(self, part: str) -> list[tuple[str, str, str]]:
        """Return (type, part, id) of everything a part refers to."""
        found: list[tuple[str, str, str]] = []
        folder, name = posixpath.split(part)

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
                found.append((attributes.get("Type", ""), target.lstrip("/"), attributes.get("Id", "")))

        where = posixpath.join(folder, "_rels", f"{name}.rels")
        if where in self._archive.NameToInfo:
            self._parse(where, start)
        return found

    def rows(self, part: str) -> Iterator[tuple[int, list[str]]]:
        """Give the rows of a sheet; the archive is closed at their end."""
        with self._archive:
            reader = _Rows(self._shared_texts(), self._date_styles(), self._day_zero)
            parser = _parser(reader.start, reader.end, reader.text)
            for block in self._blocks(part):
                _feed(parser, block)
                yield from reader.take()
            _feed(parser, b"", final=True)
            yield from reader.take()

    def _shared_texts(self) -> list[str]:
        part = self._part("/sharedStrings")
        if part is None:
            return []
        texts: list[str] = []
        pieces: list[str] = []
        open_tags: list[str] = []
        chars = 0

        def start(tag: str, _: dict[str, str]) -> None:
            open_tags.append(tag)
            if tag == "si":
                pieces.clear()

        def end(tag: str) -> None:
            nonlocal chars
            open_tags.pop()
            if tag == "si":
                texts.append("".join(pieces))
                chars += len(texts[-1])
                if chars > SHARED_CHARS_MAX:
                    raise Refused("E-CSV-BOMB", "The workbook holds too much text for memory: send the table as CSV")

        def text(data: str) -> None:
            if open_tags[-1] == "t" and "rPh" not in open_tags[-3:]:  # a phonetic reading is no part of the text
                pieces.append(data)

        self._parse(part, start, end, text)
        return texts

    def _date_styles(self) -> frozenset[int]:
        """Return the cell styles that show numbers as dates."""
        part = self._part("/styles")
        if part is None:
            return frozenset()
        formats: dict[int, str] = {}
        styles: list[int] = []
        inside = [""]

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag == "numFmt":
                formats[_whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
            elif tag == "xf" and inside[-1] == "cellXfs":
                styles.append(_whole(attributes.get("numFmtId")))
            elif tag in ("cellXfs", "cellStyleXfs", "dxfs"):
                inside.append(tag)

        def end(tag: str) -> None:
            if inside[-1] == tag:
                inside.pop()

        self._parse(part, start, end)
        dates = {number for number, code in formats.items() if _shows_date(code)}
        dates |= _DATE_FORMATS.difference(formats)
        return frozenset(i for i, number in enumerate(styles) if number in dates)

    def _parse(
        self,
        part: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] = lambda _: None,
        text: Callable[[str], None] = lambda _: None,
    ) -> None:
        parser = _parser(start, end, text)
        for block in self._blocks(part):
            _feed(parser, block)
        _feed(parser, b"", final=True)

    def _blocks(self, part: str) -> Iterator[bytes]:
        try:
            with self._archive.open(part) as stream:
                while block := stream.read(BLOCK_BYTES):
                    self._unpacked += len(block)
                    check_unpacked(self._unpacked, self._sent)
                    yield block
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise damaged("The workbook") from None


class _Rows:
    """Turns the tags of a sheet into rows of text."""

    def __init__(self, shared: list[str], dates: frozenset[int], day_zero: datetime) -> None:
        self._shared = shared
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

    def take(self) -> list[tuple[int, list[str]]]:
        """Return the rows finished since the last call."""
        done, self._done = self._done, []
        return done

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "c":
            place = _FIRST_CELL.match(attributes.get("r", ""))
            self._column = _column(place[1]) if place else self._column + 1
            if self._column >= COLUMNS_READ_MAX:
                raise damaged("The workbook")
            self._kind = attributes.get("t", "n")
            self._style = _whole(attributes.get("s"))
            self._pieces = []
        elif tag in ("v", "t"):
            self._listening = not self._phonetic
        elif tag == "row":
            self._number = _whole(attributes.get("r")) or self._number + 1
            self._row = []
            self._column = -1
        elif tag == "rPh":
            self._phonetic = True

    def end(self, tag: str) -> None:
        if tag in ("v", "t"):
            self._listening = False
        elif tag == "c":
            if self._pieces:
                self._put(self._value("".join(self._pieces)))
        elif tag == "row":
            if self._row:
                self._done.append((self._number, self._row))
                self._row = []
        elif tag == "rPh":
            self._phonetic = False

    def text(self, data: str) -> None:
        if self._listening:
            self._pieces.append(data)

    def _put(self, value: str) -> None:
        if value.strip():
            self._row.extend([""] * (self._column + 1 - len(self._row)))
            self._row[self._column] = value

    def _value(self, raw: str) -> str:
        """Return the text of a cell; errors such as ``#N/A`` are no value (ECMA-376 part 1, 18.18.11)."""
        match self._kind:
            case "s":
                at = _whole(raw)
                if at >= len(self._shared):
                    raise damaged("The workbook")
                return self._shared[at]
            case "b":
                return "TRUE" if raw.strip() == "1" else "FALSE"
            case "e":
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
    if day_zero == _DAY_ZERO and serial < _LEAP_BUG_DAY:
        serial += 1
    when = day_zero + timedelta(seconds=round(serial * 86_400))
    return when.date().isoformat() if when.time() == datetime.min.time() else when.isoformat(sep=" ")


def _shows_date(code: str) -> bool:
    letters = _NOT_SHOWN.sub("", code.split(";")[0]).lower()
    return "y" in letters or "d" in letters


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _parser(
    start: Callable[[str, dict[str, str]], None], end: Callable[[str], None], text: Callable[[str], None]
) -> expat.XMLParserType:
    """Return a parser that tells tags and attributes by their local names and refuses document types."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def starts(tag: str, attributes: dict[str, str]) -> None:
        start(_local(tag), {_local(k): v for k, v in attributes.items()} if attributes else attributes)

    def refuse(*_: object) -> None:
        raise Refused(
            "E-CSV-ARCHIVE", f"The workbook holds a document type ({quoted('DOCTYPE')}): save it again as .xlsx"
        )

    parser.StartElementHandler = starts
    parser.EndElementHandler = lambda tag: end(_local(tag))
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    return parser


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _feed(parser: expat.XMLParserType, block: bytes, *, final: bool = False) -> None:
    try:
        parser.Parse(block, final)
    except expat.ExpatError:
        raise damaged("The workbook") from None
