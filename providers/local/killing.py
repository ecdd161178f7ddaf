"""Ending a process tree that does not want to end: freeze until nothing new appears, then kill, then look again.

Who forks faster than it can be killed is stopped first: a stopped process forks no more. The wrapper is not
stopped, so its own timer still works should the daemon die in between; and it is killed before its work, because
a wrapper that sees its work killed would write a result of its own making.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from providers.local.processes import ProcessKey, ProcessTable

FREEZE_ROUNDS_MAX = 40
KILL_ROUNDS_MAX = 60
PAUSE_S = 0.005
"""Between two kill rounds: the kernel needs a moment to take processes down."""


def end_all(
    table: ProcessTable,
    find: Callable[[], set[ProcessKey]],
    wrapper: ProcessKey | None,
    pause: Callable[[float], None],
) -> int:
    """End everything that ``find`` shows and return how many were still there at the last look (mostly 0)."""
    _freeze(table, find, wrapper)
    for _ in range(KILL_ROUNDS_MAX):
        found = find()
        if not found:
            return 0
        for key in sorted(found, key=lambda k: (k != wrapper, k)):
            table.signal(key, signal.SIGKILL)
        pause(PAUSE_S)
    return len(find())


def _freeze(table: ProcessTable, find: Callable[[], set[ProcessKey]], wrapper: ProcessKey | None) -> None:
    stopped: set[ProcessKey] = set()
    for _ in range(FREEZE_ROUNDS_MAX):
        new = {key for key in find() - stopped if key != wrapper}
        if not new:
            return
        for key in new:
            table.signal(key, signal.SIGSTOP)
        stopped |= new
