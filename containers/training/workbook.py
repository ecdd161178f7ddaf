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
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from containers.training.packed import check_unpacked, damaged, open_archive
from containers.training.refusal import Refused, quoted
from containers.training.sheet import DAY_ZERO, DAY_ZERO_1904, Empty, SheetRows, whole

SHARED_CHARS_MAX = 256 * 1024**2
"""Most characters of shared texts, which are kept in memory."""
BLOCK_BYTES = 256 * 1024
_DATE_FORMATS = frozenset((*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58))
"""Numbers of the built-in formats that show a date (ECMA-376 part 1, 18.8.30); times alone stay numbers."""
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
"""What stands in a number format beside the letters for days and years."""


class Sheet(NamedTuple):
    """An opened sheet."""

    name: str
    others: int
    """Sheets of the workbook that are not read."""
    rows: Iterator[tuple[int, list[str]]]
    """Number and cells of each row that has any; cells up to the last one with something in it."""
    empty: Empty
    """Cells that were read as empty though they show something, complete at the end of the rows."""


def open_sheet(path: Path) -> Sheet:
    """Return the first visible sheet of the workbook at ``path``.

    Raises E-CSV-ARCHIVE and E-CSV-BOMB, reading the rows too.
    """
    archive = open_archive(path)
    try:
        book = _Book(archive, path.stat().st_size)
        name, part, others = book.first_sheet()
        empty = Empty()
        return Sheet(name, others, book.rows(part, empty), empty)
    except BaseException:
        archive.close()
        raise


class _Book:
    """The parts of a workbook."""

    def __init__(self, archive: zipfile.ZipFile, sent: int) -> None:
        self._archive = archive
        self._sent = sent
        self._unpacked = 0
        self._day_zero = DAY_ZERO

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
                self._day_zero = DAY_ZERO_1904

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

    def rows(self, part: str, empty: Empty) -> Iterator[tuple[int, list[str]]]:
        """Give the rows of a sheet; the archive is closed at their end."""
        with self._archive:
            reader = SheetRows(self._shared_texts(), self._date_styles(), self._day_zero, empty)
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
                formats[whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
            elif tag == "xf" and inside[-1] == "cellXfs":
                styles.append(whole(attributes.get("numFmtId")))
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
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
            raise damaged("The workbook") from None


def _shows_date(code: str) -> bool:
    letters = _NOT_SHOWN.sub("", code.split(";")[0]).lower()
    return "y" in letters or "d" in letters


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
