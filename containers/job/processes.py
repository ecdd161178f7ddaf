"""The machine's processes: finding, killing and reaping every one of them.

A local machine is every process of our uid with ``LASTCALL_MACHINE=<name>`` in its environment, with all their
descendants. The wrapper is child subreaper: whatever a descendant does (double fork, setsid, an emptied
environment), it stays below the wrapper. "No child left" (ECHILD) is therefore a proof, one scan is not.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import Callable, NamedTuple

from containers.job.clock import Clock

MARKER = "LASTCALL_MACHINE"
KILL_LIMIT_S = 10.0
"""How long one killing goes on; what sits in an uninterruptible call outlives it."""

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4
_PAUSE_S = 0.002
_PAUSE_MAX_S = 0.1

OnExit = Callable[[int, int], None]
"""Told pid and wait status of every reaped child."""


class Seen(NamedTuple):
    """One process of one scan. Pid and start time together name it for ever."""

    pid: int
    parent: int
    state: str
    start: int


def become_reaper() -> None:
    """Adopt every orphan below this process and give up gaining privileges; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option in (_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS):
        if libc.prctl(option, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def hide() -> None:
    """Let no process of the same user read this one's environment, memory or descriptors through /proc.

    One that may trace others (CAP_SYS_PTRACE) still can; see PR_SET_DUMPABLE in prctl(2). Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def look(pid: int) -> Seen | None:
    """Return one process, or ``None`` when it is gone (proc(5): the name ends at the last parenthesis)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read(4096).rpartition(b")")[2].split()
        return Seen(pid, int(fields[1]), fields[0].decode("ascii"), int(fields[19]))
    except (OSError, IndexError, ValueError):
        return None


def scan() -> dict[int, Seen]:
    """Return every process there is, by pid."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return {seen.pid: seen for seen in found if seen is not None}


def descendants(table: dict[int, Seen], roots: set[int]) -> list[Seen]:
    """Return all processes below ``roots``, without the roots."""
    children: dict[int, list[Seen]] = {}
    for seen in table.values():
        children.setdefault(seen.parent, []).append(seen)
    below: list[Seen] = []
    queue = [seen for root in roots for seen in children.get(root, ())]
    known = set(roots)
    while queue:
        seen = queue.pop()
        if seen.pid not in known:
            known.add(seen.pid)
            below.append(seen)
            queue += children.get(seen.pid, ())
    return below


def carries_marker(pid: int, machine: str) -> bool:
    """Whether a process of our uid was started with the machine's marker."""
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARKER}={machine}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def members(machine: str) -> list[Seen]:
    """Return every living process of the machine but this one."""
    me = os.getpid()
    table = scan()
    mine = descendants(table, {me})
    known = {seen.pid for seen in mine}
    marked = {pid for pid in table if pid not in known and pid != me and carries_marker(pid, machine)}
    others = [table[pid] for pid in marked] + descendants(table, marked)
    unique = {seen.pid: seen for seen in mine + others if seen.pid != me and seen.state not in "ZX"}
    return list(unique.values())


def kill(seen: Seen, number: int) -> None:
    """Signal exactly this process: by pidfd, after its start time has been compared again."""
    try:
        descriptor = os.pidfd_open(seen.pid)
    except ProcessLookupError:
        return
    except OSError:  # a kernel or sandbox without pidfd
        descriptor = -1
    try:
        now = look(seen.pid)
        if now is None or now.start != seen.start:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if descriptor >= 0:
                signal.pidfd_send_signal(descriptor, number)
            else:
                os.kill(seen.pid, number)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def reap(on_exit: OnExit) -> bool:
    """Collect every child that ended; return whether no child at all is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False
        on_exit(pid, status)


def kill_everything(machine: str, clock: Clock, on_exit: OnExit, limit_s: float = KILL_LIMIT_S) -> bool:
    """SIGKILL every process of the machine but this one, again and again until none is left.

    Return whether that was reached: no child of ours, and nobody with the marker.
    """
    until = clock.boot() + limit_s
    pause = _PAUSE_S
    while True:
        childless = reap(on_exit)
        found = members(machine)
        if childless and not found:
            return True
        for seen in found:
            kill(seen, signal.SIGKILL)
        if clock.boot() >= until:
            return False
        clock.sleep(pause)
        pause = min(pause * 2, _PAUSE_MAX_S)


def ignore_exit(pid: int, status: int) -> None:
    """Take no interest in an exit."""
