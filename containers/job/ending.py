"""Ending the machine itself: one function, one strategy per provider.

A local machine ends by killing and reaping every process, removing the scratch directory and saying so in
``reaped``: as child subreaper the wrapper knows that nothing of it is left. Rented machines add a call that ends
the rent.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Callable, NamedTuple

from containers.job import scratch
from containers.job.clock import Clock, instant
from containers.job.processes import ignore_exit, kill_everything

REAPED = "reaped"
"""In the machine's directory: every process was reaped, only the wrapper was left, and it was about to exit."""

TRIES_MAX = 6
"""Rounds of killing, each ``processes.KILL_LIMIT_S`` long."""


class Machine(NamedTuple):
    """What has to be known to end a machine."""

    name: str
    directory: Path
    provider: str = "local"


Strategy = Callable[[Machine, Clock], bool]


def end_machine(machine: Machine, clock: Clock) -> bool:
    """End the machine, as often as it takes; return whether nothing but this process is left."""
    strategy = STRATEGIES[machine.provider]
    return any(strategy(machine, clock) for _ in range(TRIES_MAX))


def end_local(machine: Machine, clock: Clock) -> bool:
    """Kill and reap all, clear up, leave the word."""
    if not kill_everything(machine.name, clock, ignore_exit):
        return False
    scratch.remove(machine.directory / "scratch")
    with contextlib.suppress(OSError):
        _say_reaped(machine, clock)
    return True


def _say_reaped(machine: Machine, clock: Clock) -> None:
    temporary = machine.directory / f".{REAPED}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps({"machine": machine.name, "at": instant(clock.wall())}), "utf-8")
    temporary.replace(machine.directory / REAPED)


STRATEGIES: dict[str, Strategy] = {"local": end_local}
"""How a machine of each provider ends itself."""
