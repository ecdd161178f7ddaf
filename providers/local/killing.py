"""Ending a process tree that does not want to end: freeze until nothing new appears, then kill, then look again.

Who forks faster than it can be killed is stopped first: a stopped process forks no more. Who is gone before the
signal comes (a chain of processes that fork and end) is hunted: only new pids are read, and each is hit at once.
The wrapper is not stopped, so its own timer still works should the daemon die in between; and it is killed before
its work, because a wrapper that sees its work killed would write a result of its own making.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import NamedTuple

from providers.local.processes import Process, ProcessKey, ProcessTable

FREEZE_ROUNDS_MAX = 30
KILL_ROUNDS_MAX = 40
HUNT_ROUNDS_MAX = 200
"""Looks for new pids in one hunt, a fraction of a millisecond each."""
PAUSE_S = 0.005
"""Between two kill rounds: the kernel needs a moment to take processes down."""


class Quarry(NamedTuple):
    """What is to end."""

    find: Callable[[], set[ProcessKey]]
    """A full look: every living process of it."""
    belongs: Callable[[Process], bool]
    """Whether a process just seen is one of it."""
    settled: Callable[[], bool]
    """Whether the last look was complete and nobody holds the lock: only then does nothing found mean nothing."""
    wrapper: ProcessKey | None


def end_all(table: ProcessTable, quarry: Quarry, pause: Callable[[float], None]) -> int:
    """End everything of the quarry and return how many are at least left (mostly 0)."""
    _freeze(table, quarry)
    for _ in range(KILL_ROUNDS_MAX):
        found = quarry.find()
        if not found and quarry.settled():
            return 0
        first_the_wrapper = sorted(found, key=lambda k: (k != quarry.wrapper, k))
        hits = [table.signal(key, signal.SIGKILL) for key in first_the_wrapper]
        if not hits or not all(hits):
            _hunt(table, quarry, spared=None)
        pause(PAUSE_S)
    left = len(quarry.find())
    return left if left or quarry.settled() else 1


def _freeze(table: ProcessTable, quarry: Quarry) -> None:
    stopped: set[ProcessKey] = set()
    for _ in range(FREEZE_ROUNDS_MAX):
        new = {key for key in quarry.find() - stopped if key != quarry.wrapper}
        if not new:
            return
        hit = {key for key in new if table.signal(key, signal.SIGSTOP)}
        stopped |= hit
        if hit != new:
            _hunt(table, quarry, spared=quarry.wrapper)


def _hunt(table: ProcessTable, quarry: Quarry, spared: ProcessKey | None) -> None:
    """Kill the first process of the quarry that can be hit; what it leaves is found by the next full look."""
    seen: set[int] = set()
    for _ in range(HUNT_ROUNDS_MAX):
        for process in table.newcomers(seen):
            if process.key == spared or not process.living or not quarry.belongs(process):
                continue
            if table.signal(process.key, signal.SIGKILL):
                return
