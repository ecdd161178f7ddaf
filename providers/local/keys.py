"""Storage keys on a disk: which are possible, and opening them without ever following a link.

Every component is opened relative to the one before with ``O_NOFOLLOW``, so a link planted by a job inside its
folder leads nowhere. Names that begin with a dot are nobody's objects: temporary files of writers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from providers.interface import Refused

KEY_BYTES_MAX = 1024
"""As S3 has it, so that a key fits everywhere."""
COMPONENT_BYTES_MAX = 255
"""The longest file name Linux file systems take."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def split_key(key: str) -> tuple[str, ...]:
    """Return the components of a key. Raises Refused on anything that could leave the store or hide in it."""
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise _refused(key, "it is not text") from error
    if not 0 < size <= KEY_BYTES_MAX:
        raise _refused(key, f"it has {size} bytes, 1 to {KEY_BYTES_MAX} are possible")
    if not key.isprintable() or "\\" in key:
        raise _refused(key, "it has a character that is not allowed")
    parts = tuple(key.split("/"))
    for part in parts:
        if not part or part.startswith(".") or len(part.encode()) > COMPONENT_BYTES_MAX:
            raise _refused(key, "a part of it is empty, too long or begins with a dot")
    return parts


def is_key_part(name: str) -> bool:
    """Return whether a name found on disk could be part of a key."""
    try:
        return len(split_key(name)) == 1
    except Refused:
        return False


@contextmanager
def folder(root: int, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """Open the folder named by ``parts`` below the descriptor ``root``, made on the way if asked.

    Raises FileNotFoundError, or NotADirectoryError where a link or a file is in the way.
    """
    descriptor = os.dup(root)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _refused(key: str, why: str) -> Refused:
    return Refused(f"E-KEY: {key[:80]!a} cannot be a storage key: {why}")
