"""Ending the machine itself: one function, one strategy per provider.

A local machine ends by killing and reaping every process, removing the scratch directory and saying so in
``reaped``: as child subreaper the wrapper knows that nothing of it is left. A RunPod pod ends by a call, which waits
for nothing: not for what cannot be killed, nor for a disk. An EC2 instance ends by powering off.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Callable, NamedTuple

from containers.job import folder as names
from containers.job import scratch
from containers.job.clock import Clock, instant
from containers.job.folder import Folder, dump
from containers.job.processes import ignore_exit, kill_everything
from containers.job.runpod import Pod, Told, end_pod

REAPED = "reaped"
"""In the machine's directory: every process was reaped, only the wrapper was left, and it was about to exit."""

TRIES_MAX = 6
"""Rounds of killing, each ``processes.KILL_LIMIT_S`` long."""

RENTED_KILL_S = 2.0
"""On a rented machine killing goes before the end of the rent, but only for so long."""

POWER_OFF = (("shutdown", "-h", "now"), ("systemctl", "poweroff"), ("poweroff",))
POWER_OFF_S = 10.0
"""For each of them."""

KEY_BYTES_MAX = 4096


class Machine(NamedTuple):
    """What has to be known to end a machine."""

    name: str
    directory: Path
    provider: str = "local"
    folder: Path | None = None
    """The job folder, for the word on how the rent's end went."""
    pod: Pod | None = None


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


def end_runpod(machine: Machine, clock: Clock) -> bool:
    """Kill all, then call until this process is killed, too. Returns after ten seconds in vain: then it must exit."""
    killing = threading.Thread(target=_clear, args=(machine, clock), daemon=True)
    killing.start()
    killing.join(RENTED_KILL_S)
    if machine.pod is not None:
        end_pod(machine.pod, _teller(machine, clock))
    return True


def power_off() -> None:
    """Have the instance power itself off; its shutdown behaviour makes that its end. Tries whatever there is.

    In a container there is nothing: whoever started that powers off behind it.
    """
    for line in POWER_OFF:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=POWER_OFF_S, check=True)
            return


def end_aws(machine: Machine, clock: Clock) -> bool:
    """Kill all, then power the instance off, which ends it. Returns: whoever started this process powers off too."""
    killing = threading.Thread(target=_clear, args=(machine, clock), daemon=True)
    killing.start()
    killing.join(RENTED_KILL_S)
    power_off()
    return True


def _clear(machine: Machine, clock: Clock) -> None:
    kill_everything(machine.name, clock, ignore_exit)
    scratch.remove(machine.directory / "scratch")


def _teller(machine: Machine, clock: Clock) -> Told:
    """Return what leaves each answer in ``ending.json``: information for the daemon, the newest answer only."""

    def tell(route: str, status: int | None, detail: str, accepted: bool) -> None:
        if machine.folder is None:
            return
        word = {"at": instant(clock.wall()), "route": route, "status": status, "detail": detail, "accepted": accepted}
        with contextlib.suppress(OSError):
            Folder(machine.folder, f"end-{route}-{os.getpid()}").replace(names.ENDING, dump(word), durable=False)

    return tell


def take_pod(environ: Mapping[str, str]) -> Pod:
    """Return the pod this is, with its key: from the boot program's pipe, which is emptied, else the environment."""
    key = environ.get("RUNPOD_API_KEY", "")
    descriptor = environ.get("LASTCALL_KEY_FD", "")
    if descriptor.isdecimal():
        with contextlib.suppress(OSError), open(int(descriptor), "rb") as pipe:
            key = pipe.read(KEY_BYTES_MAX).decode("ascii", "replace")
    return Pod(environ, key)


def _say_reaped(machine: Machine, clock: Clock) -> None:
    temporary = machine.directory / f".{REAPED}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps({"machine": machine.name, "at": instant(clock.wall())}), "utf-8")
    temporary.replace(machine.directory / REAPED)


STRATEGIES: dict[str, Strategy] = {"local": end_local, "runpod": end_runpod, "aws": end_aws}
"""How a machine of each provider ends itself."""
