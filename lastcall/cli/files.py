"""Files the command line writes: whole or not at all, and never over something that is there."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from lastcall.cli.failures import BrokenConnection, Failure, Usage

STDOUT = "-"
_NAME_CHARS = 200


def safe_name(name: str) -> str:
    """Return ``name`` as a plain file name: no directory, no control character, never empty or hidden."""
    plain = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())
    return plain.lstrip(".")[:_NAME_CHARS] or "file"


def safe_path(name: str) -> Path:
    """Return the name of a model's file as a path below its folder, each part a plain name."""
    return Path(*(safe_name(part) for part in name.replace("\\", "/").split("/") if part))


def check_target(target: Path, *, force: bool, again: str) -> None:
    """Refuse to write over a file; ``again`` is the line that would."""
    if target.exists() and not force:
        raise Usage(f"{target} is there already", again)


def save(target: Path, write: Callable[[IO[bytes]], int]) -> int:
    """Let ``write`` fill a new file that appears under its name only when it is whole. Repeats once when cut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, True):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".lastcall-")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                written = write(file)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
            return written
        except BrokenConnection:
            if last:
                raise
        finally:
            temporary.unlink(missing_ok=True)
    raise AssertionError("the last turn returns or raises")


def pour(write: Callable[[IO[bytes]], int]) -> int:
    """Let ``write`` fill standard output."""
    sys.stdout.flush()
    written = write(sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return written


def check_digest(path: Path, expected: str) -> None:
    """Refuse a file whose bytes are not what its manifest says, and remove it."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        path.unlink()
        raise Failure("E-MODEL-DAMAGED", f"{path.name} arrived with another digest and was removed", money="")


def _umask() -> int:
    before = os.umask(0o077)
    os.umask(before)
    return before
