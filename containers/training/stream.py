"""The text of a file on its way to pyarrow: unpacked, as UTF-8, hashed, and watched for what it may read otherwise."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path
from typing import Self

from containers.training.dialect import Dialect
from containers.training.packed import PLAIN, open_text
from containers.training.table import file_digest

BLOCK_BYTES = 4 * 1024 * 1024
"""Bytes given at a time, at most."""


class Unusual(Exception):
    """Something that the careful reader has to take, or refuse."""


class Quoted(Unusual):
    """A quote, where none was expected."""


class Text:
    """An open file's text. ``read`` raises ``Unusual`` and ``Refused``."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._file = open_text(path, dialect.format)
        self._rest = b""
        self._return = False
        """The last byte was a carriage return."""
        self._decoder = codecs.getincrementaldecoder(dialect.encoding)(dialect.decode_errors)
        self._plain = dialect.encoding in ("utf-8", "utf-8-sig")
        """Given as it is; what is no UTF-8 in it, pyarrow finds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return at most ``size`` bytes of text; none at the end."""
        if not self._rest:
            self._rest = self._more(min(size, BLOCK_BYTES))
        text, self._rest = self._rest[:size], self._rest[size:]
        return text

    def _more(self, size: int) -> bytes:
        while block := self._file.read(size):
            self._sent(block)
            text = block if self._plain else self._decoded(block)
            self._check(text)
            if text:
                return text
        if self._return or self._decoded(b"", final=True):
            raise Unusual
        return b""

    def _decoded(self, block: bytes, *, final: bool = False) -> bytes:
        try:
            return self._decoder.decode(block, final).encode()
        except UnicodeDecodeError:
            raise Unusual from None

    def _sent(self, block: bytes) -> None:
        """See what is unpacked, before it is decoded."""

    def _check(self, text: bytes) -> None:
        if b"\0" in text or (self._return and text and not text.startswith(b"\n")):
            raise Unusual
        self._return = text.endswith(b"\r") if text else self._return
        if b"\r" in text and text.count(b"\r") != text.count(b"\r\n") + self._return:
            raise Unusual


class Stream(Text):
    """A file's text, as pyarrow reads from one. ``read`` raises ``Quoted`` too."""

    closed = False

    def __init__(self, path: Path, dialect: Dialect, *, quotes: bool, bytes_max: int) -> None:
        """``bytes_max`` is the most text that may be read."""
        super().__init__(path, dialect)
        self._path = path
        self._is_sent_plain = dialect.format == PLAIN
        self._quotes = quotes
        self._left = bytes_max
        self._digest = hashlib.sha256()
        self._size = 0

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        super().close()

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    @property
    def sha256(self) -> str:
        """Digest of the file as it was sent, once it is read to its end."""
        return self._digest.hexdigest() if self._is_sent_plain else file_digest(self._path)

    @property
    def size_bytes(self) -> int:
        """Size of the file as it was sent, once it is read to its end."""
        return self._size if self._is_sent_plain else self._path.stat().st_size

    def _sent(self, block: bytes) -> None:
        if self._is_sent_plain:
            self._digest.update(block)
            self._size += len(block)

    def _check(self, text: bytes) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise Unusual
        if not self._quotes and b'"' in text:
            raise Quoted
        super()._check(text)
