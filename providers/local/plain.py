"""Plain files in a directory that a machine's work can write in too.

The work runs as the same user and may put a link, a pipe, a device or a directory in the place of any file of ours,
make it huge, or take its permissions away. So the directory is opened first, every file relative to it, no link is
followed, nothing is waited for, what is no regular file is refused, and no more is read than was asked for.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_TOKEN_BYTES = 8
NO_PLAIN_FILE = frozenset(
    {errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV, errno.ENOTDIR, errno.EINVAL}
)
"""What opening answers where there is no regular file, as told apart from trouble of our own (descriptors, memory)."""


def open_plain(holder: int, name: str, flags: int) -> int:
    """Open the regular file ``name`` in the directory ``holder`` and return its descriptor.

    Raises OSError; its errno is one of ``NO_PLAIN_FILE`` where there is none.
    """
    descriptor = os.open(name, flags | _FILE_FLAGS, 0o600, dir_fd=holder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", name)
    return descriptor


@contextmanager
def opened(folder: Path, name: str, flags: int) -> Iterator[int]:
    """Open a regular file of ours for one use, also one whose permissions were taken away. Raises OSError."""
    with _held(folder) as holder:
        try:
            descriptor = open_plain(holder, name, flags)
        except PermissionError:
            os.fchmod(holder, 0o700)
            if _is_regular(holder, name):
                os.chmod(name, 0o600, dir_fd=holder)
            descriptor = open_plain(holder, name, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_plain(folder: Path, name: str) -> bool:
    """Return whether there is a regular file of this name."""
    try:
        with _held(folder) as holder:
            return _is_regular(holder, name)
    except OSError:
        return False


def read_plain(folder: Path, name: str, limit: int, after: int = 0) -> bytes:
    """Read a regular file from byte ``after`` on, at most ``limit`` bytes. Raises OSError."""
    with opened(folder, name, os.O_RDONLY) as descriptor:
        return _read(descriptor, limit, after)


def read_end(folder: Path, name: str, limit: int) -> bytes:
    """Read at most the last ``limit`` bytes of a regular file. Raises OSError."""
    with opened(folder, name, os.O_RDONLY) as descriptor:
        return _read(descriptor, limit, max(0, os.fstat(descriptor).st_size - limit))


def append_plain(folder: Path, name: str, data: bytes) -> None:
    """Add to a regular file, made if need be. Raises OSError, also when only a part was written."""
    with opened(folder, name, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as descriptor:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, "only a part was written", name)


def write_whole(folder: Path, name: str, data: bytes) -> None:
    """Replace a small file in one durable step: a reader sees the old or the new one. Raises OSError.

    It is written under a name nobody could know before, which must not exist.
    """
    fresh = f".{name}.{secrets.token_hex(_TOKEN_BYTES)}.new"
    with _held(folder) as holder:
        descriptor = open_plain(holder, fresh, _FRESH)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(fresh, name, src_dir_fd=holder, dst_dir_fd=holder)
        except OSError:
            with suppress(OSError):
                os.unlink(fresh, dir_fd=holder)
            raise


@contextmanager
def _held(folder: Path) -> Iterator[int]:
    try:
        holder = os.open(folder, FOLDER_FLAGS)
    except PermissionError:
        folder.chmod(0o700)
        holder = os.open(folder, FOLDER_FLAGS)
    try:
        yield holder
    finally:
        os.close(holder)


def _is_regular(holder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=holder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _read(descriptor: int, limit: int, after: int) -> bytes:
    os.lseek(descriptor, after, os.SEEK_SET)
    parts: list[bytes] = []
    while limit > 0 and (part := os.read(descriptor, limit)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)
