"""Tests leave no process behind: no child of this one, and nothing that works in this run's temporary folders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GRACE_S = 3.0
"""How long an ended process may take to be gone (real seconds; only waited for when something is left)."""
STEP_S = 0.05

HELPERS = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver", b"loky", b"emulators.common.forking")
"""Processes that are kept for the whole life of this one."""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> bytes:
    return _read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").strip()


def children() -> dict[int, str]:
    """Return the living children of this process and their command lines; an unwaited dead one counts as well."""
    found: dict[int, str] = {}
    for task in Path("/proc/self/task").iterdir():
        for word in _read(task / "children").split():
            pid = int(word)
            command = _command(pid)
            if not any(helper in command for helper in HELPERS):
                found[pid] = command.decode(errors="replace") or "(dead, not waited for)"
    return found


def working_in(folder: Path) -> dict[int, str]:
    """Return every other process whose command, environment or working directory names ``folder``."""
    name = os.fsencode(folder)
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        where = b""
        with suppress(OSError):
            where = os.fsencode((entry / "cwd").readlink())
        if any(name in text for text in (where, _read(entry / "cmdline"), _read(entry / "environ"))):
            found[int(entry.name)] = _command(int(entry.name)).decode(errors="replace")
    return found


def left(look: Callable[[], dict[int, str]], before: dict[int, str]) -> dict[int, str]:
    """Return what ``look`` still shows beside ``before`` after the grace."""
    until = time.monotonic() + GRACE_S
    while True:
        now = {pid: command for pid, command in look().items() if pid not in before}
        if not now or time.monotonic() > until:
            return now
        time.sleep(STEP_S)
