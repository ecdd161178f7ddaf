"""Finding every process of a pod or an instance, and ending all of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Seen(NamedTuple):
    """One process at one look."""

    pid: int
    parent: int
    session: int
    zombie: bool


def members(mark: str, root: Path, sessions: Iterable[int]) -> list[int]:
    """Return the living processes of one machine: by ``mark`` (``NAME=value``) in their environment, by session, and
    their descendants."""
    known = list(sessions)
    table = {seen.pid: seen for seen in map(_look, _pids()) if seen is not None}
    marker, place = mark.encode(), os.fsencode(root)
    found = [pid for pid, seen in table.items() if seen.session in known or _marked(pid, marker, place)]
    while True:
        more = [pid for pid, seen in table.items() if seen.parent in found and pid not in found]
        if not more:
            break
        found += more
    return [pid for pid in found if pid != os.getpid() and not table[pid].zombie]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _pids() -> list[int]:
    return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())


def _look(pid: int) -> Seen | None:
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return Seen(pid, int(fields[1]), int(fields[3]), fields[0] in "ZX")


def _marked(pid: int, marker: bytes, place: bytes) -> bool:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return marker in environment.split(b"\0") and place in environment
