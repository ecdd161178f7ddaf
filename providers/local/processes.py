"""The process table as ``/proc`` shows it (proc(5)), and signals that cannot reach a reused pid.

A process is named by pid **and** start time: a pid alone may belong to somebody else a moment later. A look
through the table is not atomic; who needs certainty looks twice (``proof.py``) or verifies by pidfd.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

MARKER = "LASTCALL_MACHINE"
"""Environment variable every process of a machine carries."""

_MARKER_ENTRY = f"{MARKER}=".encode()
ENVIRON_BYTES_MAX = 8 << 20
"""The kernel allows about a quarter of the stack limit; more is not read."""

PASSES_MAX = 30
"""Listings of the table in one look, as long as processes end before they are read."""

_DEAD_STATES = frozenset("ZXx")


class ProcessKey(NamedTuple):
    """One process for ever: pid and start time in clock ticks since boot."""

    pid: int
    start: int


class Process(NamedTuple):
    """One row of the table."""

    pid: int
    start: int
    parent: int
    state: str
    threads: int
    marker: str | None = None

    @property
    def key(self) -> ProcessKey:
        """What names this process for ever."""
        return ProcessKey(self.pid, self.start)

    @property
    def living(self) -> bool:
        """False for a zombie, unless threads outlive its first one."""
        return self.state not in _DEAD_STATES or self.threads > 1


class Scan(NamedTuple):
    """One look through the whole table."""

    processes: dict[int, Process]
    complete: bool


class ProcessTable(Protocol):
    """What the provider asks of the kernel."""

    def scan(self) -> Scan:
        """Look at every process, with markers."""
        ...

    def newcomers(self, seen: set[int]) -> Iterator[Process]:
        """Yield each process whose pid is not in ``seen`` as soon as it is read, and add the pid."""
        ...

    def alive(self, key: ProcessKey) -> bool:
        """Return whether exactly this process lives."""
        ...

    def signal(self, key: ProcessKey, number: int) -> bool:
        """Signal exactly this process; False when it is not there any more or not ours to signal."""
        ...


def parse_stat(text: bytes) -> Process:
    """Read ``/proc/<pid>/stat``. The name in parentheses may hold anything, so the last one closes it."""
    pid = int(text[: text.index(b" ")])
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        start=int(fields[19]),
        parent=int(fields[1]),
        state=fields[0].decode("ascii"),
        threads=int(fields[17]),
    )


def find_marker(environ: bytes) -> str | None:
    """Return the machine named in a process environment, if any."""
    for entry in environ.split(b"\0"):
        if entry.startswith(_MARKER_ENTRY):
            return entry[len(_MARKER_ENTRY) :].decode("utf-8", "backslashreplace") or None
    return None


class ProcFs:
    """The real table."""

    def __init__(self, root: Path = Path("/proc"), uid: int | None = None) -> None:
        self._root = str(root)
        self._uid = os.getuid() if uid is None else uid

    def scan(self) -> Scan:
        """Look at every process. Incomplete when the table could not be read, or moved too fast to be read.

        The kernel lists pids upwards and gives out higher ones to the young, so of a chain of processes that fork
        and end each listing shows one. If that is gone before it is read, what is new is listed again, and read
        faster as there is less of it; a chain that outruns that makes the look incomplete, never empty.
        """
        found: dict[int, Process] = {}
        seen: set[int] = set()
        try:
            for _ in range(PASSES_MAX):
                if not self._pass(found, seen):
                    return Scan(found, complete=os.getpid() in seen)
        except (OSError, ValueError, IndexError):
            pass
        return Scan(found, complete=False)

    def _pass(self, found: dict[int, Process], seen: set[int]) -> bool:
        """Read what is new; return whether something ended before it could be read."""
        outrun = False
        for pid in self._new_pids(seen):
            try:
                process = self._read(str(pid))
            except (FileNotFoundError, ProcessLookupError):
                outrun = True
                continue
            outrun = outrun or not process.living
            found[pid] = process
        return outrun

    def newcomers(self, seen: set[int]) -> Iterator[Process]:
        """Yield what is new since ``seen``, the highest pids first: mostly the youngest."""
        for pid in self._new_pids(seen):
            with contextlib.suppress(OSError, ValueError, IndexError):
                yield self._read(str(pid))

    def alive(self, key: ProcessKey) -> bool:
        """Return whether exactly this process lives."""
        try:
            process = parse_stat(self._bytes(f"{key.pid}/stat"))
        except (FileNotFoundError, ProcessLookupError):
            return False
        return process.start == key.start and process.living

    def signal(self, key: ProcessKey, number: int) -> bool:
        """Signal by pidfd, after seeing that the descriptor is of the process with this start time."""
        try:
            descriptor = os.pidfd_open(key.pid)
        except (ProcessLookupError, OSError):
            return False
        try:
            if not self.alive(key):
                return False
            signal.pidfd_send_signal(descriptor, number)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(descriptor)
        return True

    def _new_pids(self, seen: set[int]) -> list[int]:
        pids = {int(name) for name in os.listdir(self._root) if name.isdecimal()} - seen  # noqa: PTH208 (hot path)
        seen |= pids
        return sorted(pids, reverse=True)

    def _read(self, pid: str) -> Process:
        process = parse_stat(self._bytes(f"{pid}/stat"))
        # The directory belongs to root when the process may not be looked into; such a one is not ours to read.
        if not process.living or os.stat(f"{self._root}/{pid}").st_uid != self._uid:  # noqa: PTH116 (hot path)
            return process
        try:
            environ = self._bytes(f"{pid}/environ", ENVIRON_BYTES_MAX)
        except PermissionError:
            return process
        if not environ:  # it has none, or it just ended
            process = parse_stat(self._bytes(f"{pid}/stat"))
        return process._replace(marker=find_marker(environ))

    def _bytes(self, name: str, limit: int = 1 << 16) -> bytes:
        with open(f"{self._root}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 (hot path: Path costs 3 ×)
            parts = []
            while limit > 0 and (part := file.read(min(limit, 1 << 16))):
                parts.append(part)
                limit -= len(part)
            return b"".join(parts)
