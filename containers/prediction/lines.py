"""The lines of a plain text file in batches of rows, as bytes, for as long as every line is one row.

``Unusual`` is raised where only the careful reader can tell: a quote, a zero byte, a lone carriage return, a long line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from containers.prediction.batches import BYTES_MAX
from containers.training.stream import Unusual
from containers.training.table import CELL_CHARS_MAX

READ_BYTES = 1024 * 1024
_BLANK = re.compile(rb"\n\n+")


def batches(path: Path, header: bytes, rows: int) -> Iterator[tuple[bytes, int]]:
    """Give the lines below ``header`` (what the file begins with), ``rows`` at a time, with their number.

    Every line ends with ``\\n`` and none is blank. Raises ``Unusual``.
    """
    ready: list[bytes] = []
    known = 0
    for piece in _pieces(path, header):
        count = piece.count(b"\n")
        while known + count >= rows:
            end = _end_of_line(piece, rows - known)
            ready.append(piece[:end])
            yield _whole(ready), rows
            piece, count = piece[end:], count - (rows - known)
            ready, known = [], 0
        if piece:
            ready.append(piece)
            known += count
            if sum(map(len, ready)) > BYTES_MAX:
                raise Unusual
    if known:
        yield _whole(ready), known


def _whole(pieces: list[bytes]) -> bytes:
    whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if len(whole) > BYTES_MAX:
        raise Unusual
    return whole


def _end_of_line(piece: bytes, number: int) -> int:
    return int(np.flatnonzero(np.frombuffer(piece, dtype=np.uint8) == 10)[number - 1]) + 1


def _pieces(path: Path, header: bytes) -> Iterator[bytes]:
    """Give whole lines, each ending with ``\\n``, none blank."""
    with path.open("rb", buffering=0) as file:
        if file.read(len(header)) != header:
            raise Unusual
        rest = b""
        while block := file.read(READ_BYTES):
            end = block.rfind(b"\n") + 1
            if not end:
                raise Unusual
            yield from _clean(rest + block[:end])
            rest = block[end:]
        if rest:
            yield from _clean(rest + b"\n")


def _clean(piece: bytes) -> Iterator[bytes]:
    if b'"' in piece or b"\0" in piece:
        raise Unusual
    if b"\r" in piece:
        piece = piece.replace(b"\r\n", b"\n")
        if b"\r" in piece:
            raise Unusual
    piece = _BLANK.sub(b"\n", piece) if b"\n\n" in piece else piece
    piece = piece[1:] if piece.startswith(b"\n") else piece
    if piece:
        _refuse_long(piece)
        yield piece


def _refuse_long(piece: bytes) -> None:
    """Look for a line that could hold a cell longer than the careful reader takes."""
    at = 0
    while len(piece) - at > CELL_CHARS_MAX:
        end = piece.rfind(b"\n", at, at + CELL_CHARS_MAX) + 1
        if not end:
            raise Unusual
        at = end
