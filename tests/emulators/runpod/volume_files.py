"""What a network volume holds, seen as keys: the rules for keys, and what every kind of store can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

UPLOADS = ".s3compat_uploads/"
"""Where the S3 endpoint keeps parts until Complete or Abort; it counts as usage (fact sheet 5.2)."""
KEY_BYTES_MAX = 1024
SEGMENT_BYTES_MAX = 255


@dataclass(frozen=True)
class Stat:
    """What is known of one path without reading it."""

    size: int
    """Bytes; 0 for a folder."""
    mtime: float
    """Seconds since 1970."""
    version: str
    """Another one for every content that was ever there."""
    folder: bool = False


@dataclass(frozen=True)
class Entry:
    """One key of a walk; an empty folder is a key that ends with a slash."""

    key: str
    stat: Stat


class Files(Protocol):
    """The files of one volume. Paths are relative, with slashes; times are seconds since 1970.

    A path that breaks the rules of ``check_path`` is a ValueError; a file where a folder is needed is a
    NotADirectoryError; a folder where a file is needed is an IsADirectoryError.
    """

    def put(self, path: str, content: bytes, now: float) -> None:
        """Write a file whole or not at all, in place of an earlier one; folders above it are made."""
        ...

    def create(self, path: str, content: bytes, now: float) -> bool:
        """Write a file whole under a name that is free; ``False`` and no change if the name is taken."""
        ...

    def join(self, sources: Sequence[str], target: str, now: float) -> None:
        """Write one file from others, in this order. Errors: FileNotFoundError."""
        ...

    def make_folder(self, path: str, now: float) -> None:
        """Make a folder and those above it."""
        ...

    def read(self, path: str, start: int = 0, size: int | None = None) -> bytes:
        """Return at most ``size`` bytes from ``start``. Errors: FileNotFoundError."""
        ...

    def stat(self, path: str) -> Stat | None:
        """Return what is at this path."""
        ...

    def delete(self, path: str) -> bool:
        """Remove a file or an empty folder; the folders above stay. ``False`` if there was nothing to remove."""
        ...

    def walk(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """Yield the files and empty folders in the order of their keys: those that begin with ``prefix``, > ``after``.

        The area of unfinished uploads is part of it.
        """
        ...

    def usage(self) -> int:
        """Return the bytes of all files, those of unfinished uploads too."""
        ...


@lru_cache(maxsize=4096)
def check_path(path: str) -> None:
    """Raise ValueError for what no file can be called."""
    if len(path.encode(errors="replace")) > KEY_BYTES_MAX:
        raise ValueError("the key is too long")
    for segment in path.split("/"):
        if segment in ("", ".", "..") or "\0" in segment:
            raise ValueError("the key is no path of a file")
        if len(segment.encode(errors="replace")) > SEGMENT_BYTES_MAX:
            raise ValueError("a name in the key is too long")


def parents(path: str) -> list[str]:
    """Return the folders above a path, the outermost first."""
    segments = path.split("/")[:-1]
    return ["/".join(segments[: count + 1]) for count in range(len(segments))]
