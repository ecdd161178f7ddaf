"""Removing a machine's directory whatever the work built in it: a million files, folders a thousand deep, no rights.

One step handles a bounded number of entries, because the thread that removes is the one that ends machines; the rest
waits for the next step. Folders below are moved up before they are emptied, so depth costs neither stack, nor
descriptors, nor a path that is too long.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from providers.local.plain import FOLDER_FLAGS

REMOVED_ENTRIES_MAX = 5000
"""Entries taken away in one step: some hundredths of a second."""
_TOKEN_BYTES = 8


def remove_folder(path: Path) -> bool:
    """Take away up to ``REMOVED_ENTRIES_MAX`` entries; return whether the directory is gone with them. Never raises."""
    left = REMOVED_ENTRIES_MAX
    try:
        with _opened(str(path), None) as top:
            while left > 0 and (entries := _entries(top, left)):
                gone = sum(_take_folder(top, name, left) if folder else _unlink(top, name) for name, folder in entries)
                if not gone:
                    return False
                left -= gone
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # not empty yet, or not to be emptied
        return False
    return True


def _take_folder(top: int, name: str, most: int) -> int:
    """Empty the folder ``name``, putting what is a folder in it beside it, and remove it; return the steps made."""
    gone = 0
    with suppress(OSError):
        with _opened(name, top) as holder:
            for child, is_folder in _entries(holder, most):
                gone += _move(holder, child, top) if is_folder else _unlink(holder, child)
        os.rmdir(name, dir_fd=top)
        gone += 1
    return gone


def _move(holder: int, name: str, top: int) -> int:
    with suppress(OSError):
        os.chmod(name, 0o700, dir_fd=holder)  # a folder that may not be written in cannot be moved (rename(2))
        os.rename(name, secrets.token_hex(_TOKEN_BYTES), src_dir_fd=holder, dst_dir_fd=top)
        return 1
    return 0


def _unlink(holder: int, name: str) -> int:
    with suppress(OSError):
        os.unlink(name, dir_fd=holder)
        return 1
    return 0


def _entries(holder: int, most: int) -> list[tuple[str, bool]]:
    with os.scandir(holder) as found:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(found, most)]


@contextmanager
def _opened(name: str, holder: int | None) -> Iterator[int]:
    try:
        descriptor = os.open(name, FOLDER_FLAGS, dir_fd=holder)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=holder)
        descriptor = os.open(name, FOLDER_FLAGS, dir_fd=holder)
    try:
        os.fchmod(descriptor, 0o700)
        yield descriptor
    finally:
        os.close(descriptor)
