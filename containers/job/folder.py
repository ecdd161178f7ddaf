"""The job folder: reading with a bound, replacing a file whole, and writing a file once.

Nothing here ever makes the folder itself: where a volume is not mounted, its mount point must stay empty.
Every call may raise ``OSError``; who calls decides how long to repeat.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import stat
from pathlib import Path
from typing import IO, Any

SPEC = "spec.json"
CONTROL = "control.json"
STARTED = "started.json"
HEARTBEAT = "heartbeat.json"
PROGRESS = "progress.json"
RESULT = "result.json"
ENDING = "ending.json"
LOG_FOLDER = "log"
ARTIFACT_FOLDER = "artifacts"
CHECKPOINT = "checkpoint.json"
CHECKPOINT_FOLDER = "checkpoint"

JSON_BYTES_MAX = 1 << 20
"""Largest JSON file that is read."""

CHUNK_BYTES = 1 << 20
"""How much of a large file is in memory at a time."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINK = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def log_name(number: int) -> str:
    """Return the name of the ``number``-th log file, counted from 1."""
    return f"{LOG_FOLDER}/{number:06d}.ndjson"


def read_regular(path: Path, bytes_max: int) -> bytes:
    """Return a regular file's bytes: no symlink, no pipe, nothing above the bound. Raises OSError, ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path.name} is not a regular file")
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise ValueError(f"{path.name} is larger than {bytes_max} bytes")
    return data


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse one JSON object; NaN, infinities and nesting without end are refused. Raises ValueError."""
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def dump(value: object) -> bytes:
    """Write JSON as bytes."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")


def digest(file: IO[bytes], copy: IO[bytes] | None = None) -> tuple[str, int]:
    """Return sha256 and size of what is left of an open file, and write it to ``copy`` on the way."""
    found = hashlib.sha256()
    size = 0
    while True:
        chunk = file.read(CHUNK_BYTES)
        if not chunk:
            return found.hexdigest(), size
        found.update(chunk)
        size += len(chunk)
        if copy is not None:
            copy.write(chunk)


class Folder:
    """One attempt's job folder."""

    def __init__(self, root: Path, nonce: str) -> None:
        self.root = root
        self._nonce = nonce
        self._writes = itertools.count(1)  # two threads may draw from it

    def read(self, name: str) -> dict[str, Any]:
        """Read one JSON object. Raises OSError, ValueError."""
        return parse_object(read_regular(self.root / name, JSON_BYTES_MAX))

    def exists(self, name: str) -> bool:
        """Whether the file is there; raises OSError where that cannot be told."""
        try:
            os.lstat(self.root / name)
        except FileNotFoundError:
            return False
        return True

    def ensure(self, name: str) -> None:
        """Make a folder inside the job folder, never the job folder itself."""
        with contextlib.suppress(FileExistsError):
            (self.root / name).mkdir()

    def replace(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Replace a file whole: a reader sees the old or the new one."""
        temporary = self._write_temporary(name, data, durable)
        try:
            temporary.replace(self.root / name)
        except OSError:
            self._remove(temporary)
            raise

    def create(self, name: str, data: bytes) -> bool:
        """Write a file once: the first writer wins for ever. Return whether the file now holds ``data``.

        A linked temporary file makes name and content appear together. A lost answer of ``link`` is no trouble:
        the content tells whose file it is.
        """
        temporary = self._write_temporary(name, data, durable=True)
        try:
            self._link(temporary, self.root / name, data)
        except FileExistsError:
            return self._holds(name, data)
        finally:
            self._remove(temporary)
        self._sync_directory((self.root / name).parent)
        return True

    def keep(self, file: IO[bytes], name: str) -> dict[str, Any]:
        """Store an open file, whole or not at all; return its name, size and sha256. Raises OSError."""
        target = self.root / name
        temporary = target.with_name(f".{target.name}.{self._nonce[:12]}.{next(self._writes)}.tmp")
        try:
            with open(os.open(temporary, _NEW, 0o600), "wb") as copy:
                sha256, size = digest(file, copy)
                copy.flush()
                os.fsync(copy.fileno())
            temporary.replace(target)
        except OSError:
            self._remove(temporary)
            raise
        return {"name": name, "size_bytes": size, "sha256": sha256}

    def forget(self, name: str) -> None:
        """Take a file away, if it is there and that is allowed."""
        self._remove(self.root / name)

    def _link(self, temporary: Path, target: Path, data: bytes) -> None:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            # A file system without hard links still has exclusive creation.
            self._write(target, data, durable=True)

    def _holds(self, name: str, data: bytes) -> bool:
        try:
            return read_regular(self.root / name, max(len(data), 1)) == data
        except ValueError:
            return False

    def _write_temporary(self, name: str, data: bytes, durable: bool) -> Path:
        target = self.root / name
        temporary = target.with_name(f".{target.name}.{self._nonce[:12]}.{next(self._writes)}.tmp")
        try:
            self._write(temporary, data, durable)
        except OSError:
            self._remove(temporary)
            raise
        return temporary

    def _write(self, path: Path, data: bytes, durable: bool) -> None:
        with open(os.open(path, _NEW, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _sync_directory(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # some network file systems refuse to sync a directory
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
