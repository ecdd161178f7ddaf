"""Results: from the work's ``out/`` into the job folder, with size and sha256.

Only regular files are taken, never through a symlink. It can be repeated after any error: the sources stay.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import IO, Any, Callable, NamedTuple

from containers.job.folder import ARTIFACT_FOLDER, digest

ERROR_FILE = "error.json"
"""In ``out/``: the work's own word on why it failed; not a result."""

FILES_MAX = 1000
LEFT_OUT_MAX = 100
"""Files named as left out."""
DEPTH_MAX = 8
NAME_BYTES_MAX = 400
BYTES_MAX = 50 << 30
"""All results together."""


Keep = Callable[[IO[bytes], str], "dict[str, Any]"]
"""Stores one open file under a name and returns its entry in the marker."""


class Collected(NamedTuple):
    """What was stored, as the marker states it, and what was left out and why."""

    stored: list[dict[str, Any]]
    left_out: list[str]

    @property
    def names(self) -> set[str]:
        """Names of the stored files, relative to the job folder."""
        return {entry["name"] for entry in self.stored}


def collect(out: Path, job_folder: Path, bytes_max: int = BYTES_MAX, keep: Keep | None = None) -> Collected:
    """Store every result, as files of the job folder unless ``keep`` says how. Raises OSError; see ``is_full``."""
    found, left_out = _walk(out)
    collected = Collected([], left_out)
    total = 0
    for relative in found:
        try:
            descriptor = os.open(out / relative, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            left_out.append(f"{relative}: {error.strerror}")
            continue
        with open(descriptor, "rb") as file:
            found_now = os.fstat(descriptor)
            if not stat.S_ISREG(found_now.st_mode) or total + found_now.st_size > bytes_max:
                left_out.append(f"{relative}: over the limit of {bytes_max} bytes for all results")
                continue
            total += found_now.st_size
            name = f"{ARTIFACT_FOLDER}/{relative}"
            entry = keep(file, name) if keep else _store(file, out / relative, job_folder, name)
            collected.stored.append(entry)
    return collected


def is_full(error: OSError) -> bool:
    """Whether the disk or a quota is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _walk(out: Path) -> tuple[list[str], list[str]]:
    found: list[str] = []
    left_out: list[str] = []
    queue = [("", 0)]
    while queue:
        folder, depth = queue.pop()
        for entry in _entries(out / folder):
            relative = f"{folder}{entry.name}"
            if relative == ERROR_FILE:
                continue
            if not _is_plain(relative):
                left_out.append(f"{ascii(relative)[:80]}: the name is not plain text")
            elif entry.is_dir(follow_symlinks=False) and depth < DEPTH_MAX:
                queue.append((f"{relative}/", depth + 1))
            elif not entry.is_file(follow_symlinks=False):
                left_out.append(f"{relative}: not a regular file")
            elif len(found) >= FILES_MAX:
                left_out.append(f"{relative}: more than {FILES_MAX} files")
            else:
                found.append(relative)
    return sorted(found), left_out[:LEFT_OUT_MAX]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_plain(relative: str) -> bool:
    return relative.isprintable() and len(relative.encode("utf-8", "replace")) <= NAME_BYTES_MAX


def _store(file: IO[bytes], source: Path, job_folder: Path, name: str) -> dict[str, Any]:
    target = job_folder / name
    _ensure_below(job_folder, target.parent)
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        sha256, size = _bring(file, source, temporary)
        temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return {"name": name, "size_bytes": size, "sha256": sha256}


def _ensure_below(job_folder: Path, folder: Path) -> None:
    """Make folders inside the job folder; the job folder itself must exist."""
    missing = []
    while folder != job_folder and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)


def _bring(file: IO[bytes], source: Path, temporary: Path) -> tuple[str, int]:
    """Link the file where both sides share a disk, else copy it; return sha256 and size of what is there now."""
    if _link(source, temporary):
        os.fsync(file.fileno())
        return digest(file)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as copy:
        found = digest(file, copy)
        copy.flush()
        os.fsync(copy.fileno())
        return found


def _link(source: Path, temporary: Path) -> bool:
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError:
        return False
    return True
