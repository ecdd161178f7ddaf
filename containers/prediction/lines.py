"""The rows of a text file in batches, as the bytes they are written back with, for as long as the file is well formed.

Whatever the file is packed in or encoded with, its rows come as the careful way writes them: UTF-8, ``\\n`` after each,
blank lines left out, quotes around the cells that need them alone. ``Unusual`` is raised where only the careful reader
can tell: a quote within a cell without quotes, one left open, a zero byte, a lone carriage return, a long row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from containers.prediction.batches import BYTES_MAX
from containers.training.dialect import Dialect
from containers.training.stream import Text, Unusual
from containers.training.table import CELL_CHARS_MAX

READ_BYTES = 1024 * 1024
MARK = b"\xef\xbb\xbf"
"""What ``utf-8-sig`` begins with."""
_BLANK = re.compile(rb"\n\n+")
_LINE, _RETURN, _QUOTE = b'\n\r"'


class Rows(NamedTuple):
    """Whole rows, one after the other."""

    text: bytes
    ends: Any
    """Where each row ends in ``text``, its ``\\n`` included."""

    @property
    def lines(self) -> list[bytes]:
        """The rows, without the ``\\n`` after them."""
        if self.text.count(b"\n") == len(self.ends):
            return self.text.split(b"\n")[:-1]
        ends = self.ends.tolist()
        return [self.text[start : end - 1] for start, end in zip([0, *ends], ends, strict=False)]

    def parted(self, count: int) -> tuple[Rows, Rows]:
        """Return the first ``count`` rows, at least one, and the others."""
        at = int(self.ends[count - 1])
        return Rows(self.text[:at], self.ends[:count]), Rows(self.text[at:], self.ends[count:] - at)


def batches(path: Path, dialect: Dialect, header: bytes, rows: int) -> Iterator[Rows]:
    """Give the rows below ``header``, as it would be written back, ``rows`` at a time.

    Raises ``Unusual``, and what reading the file raises.
    """
    ready: list[Rows] = []
    known = 0
    for piece in _below(header, _pieces(path, dialect)):
        while known + len(piece.ends) >= rows:
            first, piece = piece.parted(rows - known)
            yield _whole([*ready, first])
            ready, known = [], 0
        if piece.text:
            ready.append(piece)
            known += len(piece.ends)
            if sum(len(part.text) for part in ready) > BYTES_MAX:
                raise Unusual
    if known:
        yield _whole(ready)


def _whole(pieces: list[Rows]) -> Rows:
    starts = accumulate((len(piece.text) for piece in pieces), initial=0)
    ends = [piece.ends + start for piece, start in zip(pieces, starts, strict=False)]
    whole = Rows(b"".join(piece.text for piece in pieces), np.concatenate(ends))
    if len(whole.text) > BYTES_MAX:
        raise Unusual
    return whole


def _below(header: bytes, pieces: Iterator[Rows]) -> Iterator[Rows]:
    """Leave the row of names out."""
    first, rest = next(pieces, Rows(b"\n", np.array([1]))).parted(1)
    if first.text != header:
        raise Unusual
    yield rest
    yield from pieces


def _pieces(path: Path, dialect: Dialect) -> Iterator[Rows]:
    """Give whole rows, the row of names first, each with a cell in it."""
    rest = b""
    for block in _blocks(path, dialect):
        text = rest + block
        if b'"' in text:
            piece, used = _requoted(text, dialect.delimiter)
        else:
            used = text.rfind(b"\n") + 1
            piece = _bare(text[:used])
        rest = text[used:]
        if len(rest) > READ_BYTES:
            raise Unusual
        if piece.text:
            if int(np.diff(piece.ends, prepend=0).max()) > CELL_CHARS_MAX:
                raise Unusual  # a cell may be longer than the careful reader takes
            yield piece
    if rest:
        raise Unusual


def _blocks(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """Give the text from the line of names on, a ``\\n`` at its end."""
    with Text(path, dialect) as text:
        head = b""
        while head.count(b"\n") <= dialect.skip_lines and (block := text.read(READ_BYTES)):
            head += block
            if len(head) > READ_BYTES + len(block):
                raise Unusual
        head = head.removeprefix(MARK) if dialect.encoding == "utf-8-sig" else head
        for _ in range(dialect.skip_lines):
            head = head.partition(b"\n")[2]
        last = head
        while block := text.read(READ_BYTES):
            yield last
            last = block
        yield last if last.endswith(b"\n") else last + b"\n"


def _bare(text: bytes) -> Rows:
    """Return the rows of whole lines without a quote."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    text = _BLANK.sub(b"\n", text) if b"\n\n" in text else text
    text = text[1:] if text.startswith(b"\n") else text
    return Rows(text, np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _LINE) + 1)


def _requoted(text: bytes, delimiter: str) -> tuple[Rows, int]:
    """Return the rows of text that may have quotes, and how much of it they are.

    Looked at are the marks alone: delimiters, quotes, line ends. What follows an even number of quotes is outside of
    them. A cell whose quotes have no mark between them needs none.
    """
    is_mark = np.frombuffer(text.translate(_marks(delimiter)), dtype=np.bool_)
    places = np.flatnonzero(is_mark)
    marks = np.frombuffer(text, dtype=np.uint8)[places]
    quotes = np.flatnonzero(marks == _QUOTE)
    lines = _outside(quotes, np.flatnonzero(marks == _LINE))
    if not len(lines):
        return Rows(b"", lines), 0
    used = int(places[lines[-1]]) + 1
    whole = np.frombuffer(text, dtype=np.uint8, count=used)
    quotes = quotes[: np.searchsorted(quotes, lines[-1])]
    opening, closing = quotes[0::2], quotes[1::2]
    before, after = places[opening] - 1, places[closing] + 1  # before the first byte is the last one, a line end
    if not (is_mark[:used][before].all() and is_mark[after].all()):
        raise Unusual
    needless = (closing - opening == 1) & (whole[before] != _QUOTE) & (whole[after] != _QUOTE)
    returns = _outside(quotes, np.flatnonzero(marks[: lines[-1]] == _RETURN))
    ends = places[lines]
    starts = np.concatenate([[0], ends[:-1] + 1])
    blank = ends - (whole[ends - 1] == _RETURN) == starts
    keep = np.ones(used, dtype=np.bool_)
    keep[places[np.concatenate([opening[needless], closing[needless], returns, lines[blank]])]] = False
    left = np.flatnonzero(~keep)
    ends = ends[~blank] + 1
    return Rows(whole[keep].tobytes(), ends - np.searchsorted(left, ends)), used


def _outside(quotes: Any, marks: Any) -> Any:
    """Return those of ``marks`` that stand outside of quotes."""
    return marks[np.searchsorted(quotes, marks) % 2 == 0]


@cache
def _marks(delimiter: str) -> bytes:
    return bytes(chr(byte) in f'\n\r"{delimiter}' for byte in range(256))
