"""Files of the directory store, one blocking step at a time; run in the store's thread."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from providers.interface import Conflict, NotFound, Refused
from providers.keys import is_key_part, split_key
from providers.local.paths import folder
from providers.local.plain import NO_PLAIN_FILE, open_plain

TEMPORARY = ".tmp"
"""Folder of unfinished uploads inside the root: same file system, never listed, emptied at the start."""

CHUNK_BYTES = 1 << 20
_NO_SUCH = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO)
_LINK_TRIES = 5
"""A folder may be pruned between being made and being used; then it is made again."""


class Stat(NamedTuple):
    """What the file system says of one object."""

    key: str
    size_bytes: int
    modified: datetime


class Upload:
    """A file being written, under a name nobody lists; it becomes an object with ``finish`` or leaves no trace."""

    def __init__(self, root: int, name: str) -> None:
        self._root = root
        self._name = f"{TEMPORARY}/{name}"
        self._file: int | None = None
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Append one chunk."""
        file = self._opened()
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(file, rest) :]
        self._digest.update(chunk)
        self._size += len(chunk)

    def finish(self, key: str, *, exclusive: bool) -> tuple[Stat, str]:
        """Make it the object ``key``, durable and whole; return what is stored and its sha256.

        Raises Conflict when it is exclusive and the object exists.
        """
        file = self._opened()
        os.fsync(file)
        found = os.fstat(file)
        if found.st_size != self._size:
            raise OSError(errno.EIO, f"{self._size} bytes were written, {found.st_size} are there")
        try:
            self._place(split_key(key), exclusive)
        except FileExistsError as error:
            raise Conflict(f"{key} exists") from error
        except IsADirectoryError as error:
            raise Conflict(f"{key} is a folder") from error
        except NotADirectoryError as error:
            raise Refused(f"E-KEY: a part of {key} is no folder") from error
        finally:
            self.abandon()
        return Stat(key, self._size, _time(found)), self._digest.hexdigest()

    def abandon(self) -> None:
        """Leave nothing behind. Idempotent, also before the first byte and after ``finish``."""
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._root)

    def _opened(self) -> int:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self._name, flags, 0o600, dir_fd=self._root)
        return self._file

    def _place(self, parts: tuple[str, ...], exclusive: bool) -> None:
        for last in range(_LINK_TRIES - 1, -1, -1):
            try:
                with folder(self._root, parts[:-1], make=True) as target:
                    if exclusive:
                        os.link(self._name, parts[-1], src_dir_fd=self._root, dst_dir_fd=target, follow_symlinks=False)
                    else:
                        os.rename(self._name, parts[-1], src_dir_fd=self._root, dst_dir_fd=target)
                    os.fsync(target)
                return
            except FileNotFoundError:
                if not last:
                    raise


class Download:
    """An object being read; what replaces it meanwhile is not seen."""

    def __init__(self, root: int, key: str, offset: int) -> None:
        self._root, self._key, self._offset = root, key, offset
        self._file: int | None = None

    def read(self) -> bytes:
        """Return the next chunk; empty at the end. Raises NotFound at the first one."""
        if self._file is None:
            self._file = open_object(self._root, self._key)
            os.lseek(self._file, self._offset, os.SEEK_SET)
        return os.read(self._file, CHUNK_BYTES)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_store(path: Path) -> int:
    """Make the root if need be, sweep what crashed uploads left, and return the root's descriptor."""
    (path / TEMPORARY).mkdir(parents=True, exist_ok=True, mode=0o700)
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for left in (path / TEMPORARY).iterdir():
        left.unlink()
    return root


def open_object(root: int, key: str) -> int:
    """Open one regular file for reading. Raises NotFound for all else: links, folders, pipes, devices."""
    parts = split_key(key)
    try:
        with folder(root, parts[:-1]) as holder:
            return open_plain(holder, parts[-1], os.O_RDONLY)
    except OSError as error:
        raise _missing(key, error) from error


def stat_object(root: int, key: str) -> Stat:
    """Return size and time of one object. Raises NotFound."""
    file = open_object(root, key)
    try:
        found = os.fstat(file)
    finally:
        os.close(file)
    return Stat(key, found.st_size, _time(found))


def delete_object(root: int, key: str) -> None:
    """Remove one object and the folders that are empty without it. Absent already is success."""
    parts = split_key(key)
    try:
        with folder(root, parts[:-1]) as holder:
            os.unlink(parts[-1], dir_fd=holder)
            os.fsync(holder)
    except OSError as error:
        if error.errno not in _NO_SUCH:
            raise
        return
    for depth in range(len(parts) - 1, 0, -1):
        try:
            with folder(root, parts[: depth - 1]) as holder:
                os.rmdir(parts[depth - 1], dir_fd=holder)
        except OSError:
            return


def walk(root: int, prefix: str) -> Iterator[Stat]:
    """Yield every object whose key begins with ``prefix``, ordered by key, one folder in memory at a time."""
    if prefix:
        split_key(prefix.removesuffix("/"))
    base = tuple(part for part in prefix.split("/")[:-1] if part)
    yield from _walk(root, base, prefix)


def _walk(root: int, parts: tuple[str, ...], prefix: str) -> Iterator[Stat]:
    try:
        with folder(root, parts) as holder:
            entries = sorted(_entries(holder))
            stats = {name: found for name, is_folder in entries if not is_folder and (found := _stat(holder, name))}
    except OSError as error:
        if error.errno in _NO_SUCH:
            return
        raise
    for name, is_folder in entries:
        key = "/".join((*parts, name.removesuffix("/")))
        if is_folder:
            if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                yield from _walk(root, (*parts, name[:-1]), prefix)
        elif name in stats and key.startswith(prefix):
            yield Stat(key, stats[name].st_size, _time(stats[name]))


def _entries(holder: int) -> Iterator[tuple[str, bool]]:
    """Yield names in the folder; folders with a slash, which puts them where their keys belong in the order."""
    with os.scandir(holder) as found:
        for entry in found:
            if not is_key_part(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield f"{entry.name}/", True
            elif entry.is_file(follow_symlinks=False):
                yield entry.name, False


def _stat(holder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=holder, follow_symlinks=False)
    except FileNotFoundError:  # deleted since the folder was read
        return None


def _missing(key: str, error: OSError) -> Exception:
    return NotFound(f"{key} is not there") if error.errno in NO_PLAIN_FILE else error


def _time(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC)
