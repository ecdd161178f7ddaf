"""A stream of bytes cut into parts of a known size, held as pieces so that no part is ever copied whole."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Final

PIECE_BYTES_MIN: Final = 64 * 1024
"""Chunks below this are joined, so that a stream of single bytes costs no object each."""
PIECE_BYTES_MAX: Final = 1 << 20
"""Longer ones are cut."""


class Part:
    """Some bytes of a stream in order; ``size_bytes`` is what they are together."""

    __slots__ = ("pieces", "size_bytes")

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self.size_bytes = sum(map(len, pieces))

    def md5(self) -> str:
        """Return what most stores give as the entity tag of an object that was sent in one piece."""
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces:
            digest.update(piece)
        return digest.hexdigest()

    def halves(self) -> tuple[Part, Part] | None:
        """Return the two halves, or None for what is too small to be halved."""
        if len(self.pieces) == 1:
            piece = self.pieces[0]
            middle = len(piece) // 2
            return (Part([piece[:middle]]), Part([piece[middle:]])) if middle else None
        middle = len(self.pieces) // 2
        return (Part(self.pieces[:middle]), Part(self.pieces[middle:])) if middle else None


class PartReader:
    """Reads a stream part by part, and keeps size and sha256 of all that was read."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.size_bytes = 0
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self._rest = b""
        self._ended = False

    @property
    def sha256(self) -> str:
        """The digest of what was read so far."""
        return self._digest.hexdigest()

    async def next(self, size_bytes: int) -> Part:
        """Return the next ``size_bytes``; fewer, or none, only at the end of the stream."""
        pieces: list[bytes] = []
        small = bytearray()
        missing = size_bytes
        while missing and (chunk := await self._next_chunk(min(missing, PIECE_BYTES_MAX))):
            missing -= len(chunk)
            if len(chunk) >= PIECE_BYTES_MIN and not small:
                pieces.append(chunk)
                continue
            small += chunk
            if len(small) >= PIECE_BYTES_MIN:
                pieces.append(bytes(small))
                small.clear()
        if small:
            pieces.append(bytes(small))
        return Part(pieces)

    async def _next_chunk(self, size_bytes: int) -> bytes:
        """Return at most ``size_bytes``, or nothing at the end."""
        chunk = self._rest
        while not chunk and not self._ended:
            try:
                chunk = bytes(await anext(self._chunks))
            except StopAsyncIteration:
                self._ended = True
                break
            self._digest.update(chunk)
            self.size_bytes += len(chunk)
        self._rest = chunk[size_bytes:]
        return chunk if len(chunk) <= size_bytes else chunk[:size_bytes]
