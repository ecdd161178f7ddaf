"""What a hostile training can put in the place of a file of ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

HUGE_BYTES = 1 << 33
OUTSIDE = "not ours to read or write"


def _directory(path: Path) -> None:
    (path / "below").mkdir(parents=True)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)


def _outside(path: Path) -> None:
    target = path.parents[1] / "outside"
    target.write_text(OUTSIDE)
    path.symlink_to(target)


def _no_rights(path: Path) -> None:
    path.touch()
    path.chmod(0)


THINGS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "link": _outside,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path),
    "directory": _directory,
    "huge": _huge,
    "no rights": _no_rights,
}


def put(thing: str, path: Path) -> None:
    """Put it there instead of what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    THINGS[thing](path)


def outside_is_untouched(path: Path) -> bool:
    """Return whether what a link put at ``path`` led to is as it was."""
    target = path.parents[1] / "outside"
    return not target.exists() or target.read_text() == OUTSIDE
