"""Instances that follow a script in virtual time: for simulations, where no process runs and nothing sleeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.emulators.aws.runner import InstanceSpec, Power
from tests.emulators.aws.wire import Request, Response
from tests.emulators.common import scripts as common

Ask = Callable[[Request, float], Response]
"""Carries a request to AWS at a time."""
Metadata = Callable[[str, Request, float], Response]
"""Carries a request to an instance's metadata."""
TTL = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}


class Box(common.Box):
    """What a script has: one boot of one instance."""

    def __init__(self, spec: InstanceSpec, ask: Ask, metadata: Metadata) -> None:
        super().__init__()
        self.spec = spec
        self.ask = ask
        """Sends any request; sign it with what ``credentials`` gives."""
        self.power: Power | None = None
        self._metadata = metadata

    def ended(self) -> bool:
        """Return whether the machine ended its own power."""
        return self.power is not None

    def poweroff(self) -> None:
        """End the machine's power, as ``shutdown -h now`` does."""
        self.power = "poweroff"

    def reboot(self) -> None:
        """Boot again; a new script begins, with the next ``InstanceSpec.boot``."""
        self.power = "reboot"

    def metadata(self, path: str, now: float) -> str | None:
        """Return a leaf below ``/latest/meta-data/``, or ``None`` where there is none or no service."""
        token = self._metadata(self.spec.id, Request("PUT", "/latest/api/token", "", TTL), now)
        if token.status != 200 or token.lost:
            return None
        held = {"x-aws-ec2-metadata-token": token.body.decode()}
        found = self._metadata(self.spec.id, Request("GET", f"/latest/meta-data/{path}", "", held), now)
        return found.body.decode() if found.status == 200 and not found.lost else None

    def credentials(self, now: float) -> dict[str, Any] | None:
        """Return the role's credentials as metadata gives them."""
        found = self.metadata(f"iam/security-credentials/{self.spec.role}", now)
        return None if found is None else dict(json.loads(found))


Action = common.Action[Box]
Script = common.Script[Box]
"""One boot of an instance; it ends by the box's power."""
Scripts = Callable[[InstanceSpec, float], Script]
"""Makes the script of one boot at a time."""
TimedScript = common.TimedScript[Box]


class ScriptRunner(common.ScriptRunner[InstanceSpec, Box]):
    """Runs scripts; an InstanceRunner."""

    def __init__(self, scripts: Scripts) -> None:
        super().__init__(scripts)
        self._ask: Ask | None = None
        self._metadata: Metadata | None = None

    def attach(self, ask: Ask, metadata: Metadata) -> None:
        """Learn whom scripts call; a simulator may give its own network as ``ask``."""
        self._ask, self._metadata = ask, metadata

    @property
    def attached(self) -> bool:
        """Whether somebody said whom scripts call."""
        return self._ask is not None

    def start(self, spec: InstanceSpec, now: float) -> None:
        """Begin a script."""
        if self._ask is None or self._metadata is None:
            raise RuntimeError("a ScriptRunner is attached to a core before instances boot")
        self._remove(spec.id)
        self._running[spec.id] = common.Running(self._scripts(spec, now), Box(spec, self._ask, self._metadata))

    def advance(self, now: float) -> Sequence[str]:
        """Take every step that is due; stop at the first that ends a machine's power."""
        instance_id = self._until_one_ends(now)
        return () if instance_id is None else [instance_id]

    def poll(self, instance_id: str, now: float) -> Power | None:
        """Return what a script did to its power."""
        running = self._running.get(instance_id)
        return None if running is None or running.kill_at is not None else running.box.power
