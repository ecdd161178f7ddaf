"""How a file is written: is it text, in which encoding, with which delimiter. Decided on its first bytes.

Encoding: byte order mark, then strict UTF-8, then UTF-16 by where its zero bytes are, then cp1252 (in which every
byte means something, so it comes last). Delimiter: comma, semicolon, tab or ``|``, by how well the lines agree with
the header when they are read with it, quoted line ends respected. An Excel line ``sep=;`` decides and is skipped.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from itertools import islice
from typing import NamedTuple

from containers.training.packed import PLAIN
from containers.training.refusal import Refused, counted, quoted

SAMPLE_BYTES = 262_144
"""Bytes looked at from the start of a file."""
SAMPLE_ROWS = 200
"""Rows compared with the header for each delimiter."""
DELIMITERS = (",", ";", "\t", "|")
AGREEMENT_MIN = 0.5
"""Least share of sampled rows that must be as wide as the header."""
CONTROL_SHARE_MAX = 0.02
"""Largest share of control bytes in text."""
ZERO_SHARE_UTF16 = 0.3
"""Least share of zeros at one parity that makes UTF-16 of mostly Latin text."""

_MAGIC = (
    (b"PAR1", "a Parquet file in an archive", "send it unpacked"),
    (b"PK\x03\x04", "a zip archive or a workbook in an archive", "send it unpacked"),
    (b"\x1f\x8b", "a gzip archive in an archive", "send it unpacked"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive in an archive", "send it unpacked"),
    (b"PARE", "an encrypted Parquet file", "send it without encryption"),
    (b"BZh", "a bzip2 archive", "unpack it and send the CSV inside"),
    (b"\xfd7zXZ", "an xz archive", "unpack it and send the CSV inside"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it and send the CSV inside"),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel workbook (.xls), or one with a password",
        "save it as .xlsx without one, or as CSV",
    ),
    (b"%PDF", "a PDF document", "send the table itself as CSV"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"ARROW1", "a Feather file", "export it as CSV"),
    (codecs.BOM_UTF32_LE, "UTF-32 text", "save it as CSV (UTF-8)"),
    (codecs.BOM_UTF32_BE, "UTF-32 text", "save it as CSV (UTF-8)"),
    (b"\x89PNG", "a picture", "send the table itself as CSV"),
    (b"\xff\xd8\xff", "a picture", "send the table itself as CSV"),
)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t]*\r?\n?', re.IGNORECASE)


class Dialect(NamedTuple):
    """How to read a file."""

    encoding: str
    delimiter: str
    skip_lines: int = 0
    """Lines before the header that are no part of the table."""
    format: str = PLAIN
    """What the text is packed into, or that it is no text: one of ``packed.FORMATS``."""

    @property
    def decode_errors(self) -> str:
        """What to do with undecodable bytes: cp1252 leaves five bytes undefined, they are no reason to refuse."""
        return "replace" if self.encoding == "cp1252" else "strict"


def detect(head: bytes, columns_min: int = 2) -> Dialect:
    """Return how a file that starts with ``head`` is written.

    Raises ``Refused`` with E-CSV-EMPTY, E-CSV-BINARY, or E-CSV-DELIMITER where fewer than ``columns_min`` columns
    can be told apart.
    """
    refuse_known_formats(head)
    encoding = detect_encoding(head)
    text = _decode(head, encoding)
    if not text.strip("\ufeff \t\r\n"):
        raise Refused("E-CSV-EMPTY", "The file holds no text: save the table as CSV again and send that file")
    _refuse_markup(text)
    sep = _SEP_LINE.match(text)
    if sep and sep[1] in DELIMITERS:
        return Dialect(encoding, sep[1], skip_lines=1)
    return Dialect(encoding, detect_delimiter(text, columns_min))


def refuse_known_formats(head: bytes) -> None:
    """Refuse what is no text and is recognised, with what to do instead (E-CSV-EMPTY, E-CSV-BINARY)."""
    if not head:
        raise Refused("E-CSV-EMPTY", "The file has 0 bytes: save the table as CSV again and send that file")
    for magic, kind, fix in _MAGIC:
        if head.startswith(magic):
            raise _binary(kind, fix)


def _binary(kind: str, fix: str) -> Refused:
    return Refused("E-CSV-BINARY", f"The file looks like {kind}: {fix}")


def detect_encoding(head: bytes) -> str:
    """Return the encoding of text that starts with ``head``; raises E-CSV-BINARY where it is no text."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if 0 in head:
        return _zeros(head)
    controls = sum(map(head.count, (bytes((b,)) for b in range(32) if b not in b"\t\n\r\f\x1a")))
    if controls > CONTROL_SHARE_MAX * len(head):
        raise _binary("binary data", "export the table as CSV (UTF-8)")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _zeros(head: bytes) -> str:
    """Tell UTF-16 without a mark from binary: Latin text has its zeros at every other byte and no pair of them."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros >= ZERO_SHARE_UTF16 * half and others == 0:
            return name
    raise _binary("binary data (it holds zero bytes)", "export the table as CSV (UTF-8)")


def _decode(head: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)(Dialect(encoding, ",").decode_errors).decode(head)
    except UnicodeDecodeError:
        raise _binary("damaged UTF-16 text", "export the table as CSV (UTF-8)") from None


def _refuse_markup(text: str) -> None:
    start = text.lstrip("\ufeff \t\r\n")[:40].lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "<head")):
        raise Refused("E-CSV-DELIMITER", "The file is a web page, not a table: download the CSV file itself")
    if start.startswith(("{", "[{", "[[")):
        raise Refused("E-CSV-DELIMITER", "The file looks like JSON, not a table: export it as CSV")


def detect_delimiter(text: str, columns_min: int = 2) -> str:
    """Return the delimiter whose reading of the sample agrees best with its own header; raises E-CSV-DELIMITER."""
    scores = [(_score(text, d), d) for d in DELIMITERS]
    (agreement, width), best = max(scores, key=lambda s: s[0])
    if width >= columns_min and agreement >= AGREEMENT_MIN:
        return best
    if columns_min <= 1:
        return ","
    first = next((line for line in text.splitlines() if line.strip("\ufeff \t")), "")
    _refuse_odd_first_line(text, first, columns_min)
    raise Refused(
        "E-CSV-DELIMITER",
        f"No comma, semicolon, tab or | separates columns in every line (line 1 is {quoted(first)}): "
        "save the table as CSV with one of these between the columns",
    )


def _refuse_odd_first_line(text: str, first: str, columns_min: int) -> None:
    """Refuse a table whose lines agree with each other and not with the first one (E-CSV-HEADER)."""
    share, most, own = max(_usual_width(_widths(text, d)) for d in DELIMITERS)
    if share < AGREEMENT_MIN or most < columns_min:
        return
    fix = "remove what stands above the column names" if own == 1 else "give each column its name, once"
    raise Refused(
        "E-CSV-HEADER",
        f"Line 1 ({quoted(first)}) makes {counted(own, 'column')} and most lines below {most:,}: {fix}",
    )


def _usual_width(widths: list[int]) -> tuple[float, int, int]:
    """Return (share of rows of the most usual width, that width, width of the first); none where it is one column."""
    most = max(widths, key=widths.count, default=1)
    return (widths.count(most) / len(widths), most, widths[0]) if most > 1 else (0.0, 1, 1)


def _score(text: str, delimiter: str) -> tuple[float, int]:
    """Return (share of rows as wide as the header, width of the header); a one-column reading scores nothing."""
    widths = _widths(text, delimiter)
    if not widths or widths[0] < 2:
        return (0.0, widths[0] if widths else 0)
    return (round(widths.count(widths[0]) / len(widths), 2), widths[0])


def _widths(text: str, delimiter: str) -> list[int]:
    rows = csv.reader(io.StringIO(_whole_lines(text), newline=""), delimiter=delimiter)
    widths: list[int] = []
    try:
        widths.extend(len(row) for row in islice((r for r in rows if r), SAMPLE_ROWS))
    except csv.Error:  # an unclosed quote: what was read so far decides
        return widths
    return widths


def _whole_lines(text: str) -> str:
    """Return the sample without its last line, which the sample's end may have cut."""
    if len(text) < SAMPLE_BYTES // 4:
        return text
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[: end + 1] if end > 0 else text
