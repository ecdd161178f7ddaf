"""Going on from an earlier attempt: its newest whole checkpoint is brought to where the work looks for one.

What is missing, torn or cannot be read is passed over for the next older one; without any the work starts from the
beginning. Whether a whole one fits the work's own order and data is the work's to judge.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple

from containers.job.artifacts import is_full
from containers.job.bucket import CHUNK, Bucket, whole
from containers.job.carrier import BYTES_MAX, SCHEMA, SLOTS
from containers.job.clock import Clock
from containers.job.folder import parse_object

RETRY_S = 0.5
MANIFEST_BYTES_MAX = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")

Chunks = Callable[[str], Iterator[bytes]]
"""Gives what lies under a storage key, piece by piece. Raises FileNotFoundError, OSError."""


class Patience(NamedTuple):
    """How long storage that does not answer is asked again, and who ends the wait."""

    clock: Clock
    until: float
    """By the boot clock."""
    stopped: Callable[[], bool]


class _Stopped(Exception):
    """The work will not begin."""


class _Kept(NamedTuple):
    key: str
    size: int
    sha256: str


def bring(keys: Iterable[str], target: Path, chunks: Chunks, patience: Patience) -> str:
    """Bring the newest whole checkpoint of ``keys`` to ``target``; return the sentence for the log, or nothing.

    ``keys`` name the ``checkpoint.json`` of earlier attempts, newest first. Never raises for what storage does.
    """
    said = ""
    for key in keys:
        attempt = key.split("/")[-2]
        said = said or "no earlier attempt has left a checkpoint"
        try:
            for kept in _patiently(lambda key=key: _named(key, chunks), patience):  # type: ignore[misc]
                try:
                    _patiently(lambda kept=kept: _copy(kept, target, chunks, patience), patience)  # type: ignore[misc]
                except (OSError, ValueError) as error:
                    said = f"a checkpoint of attempt {attempt} cannot be used ({_why(error)})"
                    continue
                return f"going on from the checkpoint of attempt {attempt} ({kept.size:,} bytes)"
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            said = f"the checkpoint of attempt {attempt} cannot be found ({_why(error)})"
        except _Stopped:
            return ""
    return f"{said}: starting from the beginning" if said else ""


def disk_chunks(root: Path) -> Chunks:
    """Return a reader of the files below ``root``; links are not followed."""

    def read(key: str) -> Iterator[bytes]:
        with open(os.open(root / key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            yield from iter(lambda: file.read(CHUNK), b"")

    return read


def object_chunks(bucket: Bucket) -> Chunks:
    """Return a reader of the bucket's objects."""

    def read(key: str) -> Iterator[bytes]:
        got = 0
        with bucket.open(key) as answer:
            for chunk in iter(lambda: whole(answer, CHUNK), b""):
                got += len(chunk)
                yield chunk
            if got < int(answer.headers.get("content-length") or 0):
                raise OSError("it broke off")

    return read


def _patiently(call: Callable[[], Any], patience: Patience) -> Any:
    while True:
        if patience.stopped():
            raise _Stopped
        try:
            return call()
        except FileNotFoundError:
            raise
        except OSError as error:
            if is_full(error) or patience.clock.boot() >= patience.until:
                raise
        patience.clock.sleep(RETRY_S)


def _named(key: str, chunks: Chunks) -> list[_Kept]:
    """Return what a ``checkpoint.json`` names. Raises OSError, ValueError."""
    data = b""
    for chunk in chunks(key):
        data += chunk
        if len(data) > MANIFEST_BYTES_MAX:
            raise ValueError("checkpoint.json is too large")
    document = parse_object(data)
    files = document.get("files")
    if document.get("schema") != SCHEMA or not isinstance(files, list):
        raise ValueError("checkpoint.json is none of ours")
    return [_checked(entry, key.rpartition("/")[0]) for entry in files[: len(SLOTS)]]


def _checked(entry: Any, folder: str) -> _Kept:
    name, size, sha256 = (
        (entry.get(field) for field in ("name", "size_bytes", "sha256")) if isinstance(entry, dict) else (None,) * 3
    )
    if name not in SLOTS or type(size) is not int or not 0 <= size <= BYTES_MAX:
        raise ValueError("checkpoint.json names no file of ours")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError("checkpoint.json has no digest")
    return _Kept(f"{folder}/{name}", size, sha256)


def _copy(kept: _Kept, target: Path, chunks: Chunks, patience: Patience) -> None:
    """Copy one file whole or not at all. Raises OSError, ValueError where it is not what was named."""
    temporary = target.with_name(f".{target.name}.tmp")
    digest, size = hashlib.sha256(), 0
    try:
        with open(temporary, "wb") as file:
            for chunk in chunks(kept.key):
                if patience.stopped():
                    raise _Stopped
                size += len(chunk)
                if size > kept.size:
                    break
                digest.update(chunk)
                file.write(chunk)
        if (size, digest.hexdigest()) != (kept.size, kept.sha256):
            raise ValueError("it is not what was kept")
        temporary.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
