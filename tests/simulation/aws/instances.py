"""What runs inside simulated instances: their user-data's timers, and the wrapper's life, ended by powering off.

The user-data is the provider's own text: its variables and its deadline are read out of it, as a shell would.
"""

from __future__ import annotations

import re
import shlex

from providers.aws.settings import MACHINE_ROOT, STORE_FOLDER
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.runner import InstanceSpec, Power
from tests.emulators.runpod.volume import Files
from tests.simulation.clouds.machines import Life, ScriptedMachines, Works

LOOK_S = 5.0
"""Between two looks for the spot notice."""
MARK_S = 1.0
"""SIGTERM, or the notice, to the marker."""
MINUTE_S = 60.0
_VARIABLES = re.compile(rb"<<'LASTCALL-ENV'\n(.*?)\nLASTCALL-ENV\n", re.DOTALL)
_HARD = re.compile(rb"m=\$\(\( \((\d+) - \$\(date \+%s\)\) / 60 \)\)")


class ScriptedInstances(ScriptedMachines):
    """An ``InstanceRunner`` whose instances live by ``works``."""

    def __init__(self, works: Works) -> None:
        super().__init__(works)
        self.core: Ec2Core
        self.store: Files
        self._off: set[str] = set()
        """Instances that ended their power."""

    def start(self, spec: InstanceSpec, now: float) -> None:
        """Boot: the timer first, then the job; at any boot but the first the power goes off."""
        said = _VARIABLES.search(spec.user_data)
        hard = _HARD.search(spec.user_data)
        if said is None or hard is None:
            return
        lines = (line.partition("=") for line in said[1].decode().splitlines())
        env = {name: "".join(shlex.split(value)) for name, _, value in lines}
        root = f"{MACHINE_ROOT}/{STORE_FOLDER}/"
        life = Life.told(spec.id, spec.name, f"{spec.id}-{spec.boot}", self.store, env, root)
        self._off.discard(spec.id)
        if spec.boot > 1:
            self._count += 1
            life.generation = self._count
            self._lives[spec.id] = life
            self._at(now, life, "power_off")
            return
        self._begin(life, now)
        self._at(now + max(1, int((float(hard[1]) - now) // MINUTE_S)) * MINUTE_S, life, "power_off")
        if spec.spot:
            self._at(now + LOOK_S, life, "look")

    def poll(self, instance_id: str, now: float) -> Power | None:
        """Return what an instance did to its power."""
        return "poweroff" if instance_id in self._off else None

    def kill(self, instance_id: str, grace_s: float, now: float) -> None:
        """SIGTERM to everything: the wrapper leaves its marker if there is time, and all of it ends."""
        life = self._lives.get(instance_id)
        if life is None:
            return
        if grace_s <= 0 or life.over:
            self._count_work(life, now)
            del self._lives[instance_id]
        elif life.ending_since is None:
            life.ending_since = now
            self._at(now + min(MARK_S, grace_s), life, "taken")

    def _taken(self, life: Life, now: float) -> None:
        if life.started_at is not None:
            self._mark(life, now, "interrupted", "E-INTERRUPTED")
        self._count_work(life, now)
        life.over = True

    def _look(self, life: Life, now: float) -> None:
        instance = self.core.hosts.get(life.machine_id)
        if life.ending_since is not None or instance is None:
            return
        if instance.notice_at is not None and life.started_at is not None:
            self._finish(life, now, "interrupted", "E-INTERRUPTED")
        elif instance.notice_at is not None:
            self._end(life, now)
        else:
            self._at(now + LOOK_S, life, "look")

    def _power_off(self, life: Life, now: float) -> None:
        self._end(life, now)

    def _end(self, life: Life, now: float) -> None:
        if life.ending_since is None:
            life.ending_since = now
        self._die(life, 0, now)

    def _die(self, life: Life, code: int, now: float) -> None:
        """Whatever ends the wrapper, the script that started it powers off."""
        self._count_work(life, now)
        life.over = True
        self._off.add(life.machine_id)
        self._ended.append(life.machine_id)
