"""Instances that follow a script in virtual time: for simulations, where no process runs and nothing sleeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.emulators.aws.runner import InstanceSpec, Power, Printed
from tests.emulators.aws.wire import Request, Response

Ask = Callable[[Request, float], Response]
"""Carries a request to AWS at a time."""
Metadata = Callable[[str, Request, float], Response]
"""Carries a request to an instance's metadata."""
TTL = {"x-aws-ec2-metadata-token-ttl-seconds": "60"}


class Box:
    """What a script has: one boot of one instance."""

    def __init__(self, spec: InstanceSpec, ask: Ask, metadata: Metadata) -> None:
        self.spec = spec
        self.ask = ask
        """Sends any request; sign it with what ``credentials`` gives."""
        self.power: Power | None = None
        self.lines: list[Printed] = []
        self.at: float | None = None
        """The time of the step being taken."""
        self._metadata = metadata

    def log(self, line: str) -> None:
        """Print one line on the console."""
        self.lines.append(Printed(self.at, line))

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


class Script(Protocol):
    """One boot of an instance, as a small deterministic machine."""

    def due(self) -> float | None:
        """Return when ``step`` wants to be called next, or ``None`` if never again."""
        ...

    def step(self, now: float, box: Box) -> None:
        """Do what is due at ``now``; ``due`` must move on, or the box's power end."""
        ...

    def asked_to_end(self, now: float, grace_s: float, box: Box) -> None:
        """SIGTERM: the box is gone ``grace_s`` later whatever happens here."""
        ...


Scripts = Callable[[InstanceSpec, float], Script]
"""Makes the script of one boot at a time."""
Action = Callable[[float, Box], None]


class TimedScript:
    """Actions at fixed times after the boot."""

    def __init__(self, began: float, actions: Sequence[tuple[float, Action]], on_term: Action | None = None) -> None:
        self._left = [(began + after, action) for after, action in sorted(actions, key=lambda one: one[0])]
        self._on_term = on_term

    def due(self) -> float | None:
        """Return the time of the next action."""
        return self._left[0][0] if self._left else None

    def step(self, now: float, box: Box) -> None:
        """Do the next action."""
        self._left.pop(0)[1](now, box)

    def asked_to_end(self, now: float, grace_s: float, box: Box) -> None:
        """Do what was given for this."""
        if self._on_term:
            self._on_term(now, box)


@dataclass
class _Running:
    script: Script
    box: Box
    kill_at: float | None = None

    def due(self) -> float | None:
        asleep = self.box.power is not None and self.kill_at is None
        known = [] if asleep else [one for one in (self.script.due(), self.kill_at) if one is not None]
        return min(known, default=None)


class ScriptRunner:
    """Runs scripts; an InstanceRunner."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._running: dict[str, _Running] = {}
        self._printed: dict[str, list[Printed]] = {}
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
        self._running[spec.id] = _Running(self._scripts(spec, now), Box(spec, self._ask, self._metadata))

    def advance(self, now: float) -> Sequence[str]:
        """Take every step that is due; stop at the first that ends a machine's power."""
        while (due := self._next()) is not None and due[0] <= now:
            running = self._running[due[1]]
            if running.kill_at is not None and running.kill_at <= due[0]:
                self._remove(due[1])
                continue
            running.box.at = due[0]
            running.script.step(due[0], running.box)
            if running.box.power is not None and self._running.get(due[1]) is running:
                return [due[1]]
        return ()

    def poll(self, instance_id: str, now: float) -> Power | None:
        """Return what a script did to its power."""
        running = self._running.get(instance_id)
        return None if running is None or running.kill_at is not None else running.box.power

    def kill(self, instance_id: str, grace_s: float, now: float) -> None:
        """Tell a script to end, and end it."""
        running = self._running.get(instance_id)
        if running is None:
            return
        if grace_s <= 0 or running.box.power is not None:
            self._remove(instance_id)
        elif running.kill_at is None:
            running.kill_at = now + grace_s
            running.box.at = now
            running.script.asked_to_end(now, grace_s, running.box)

    def forget(self, instance_id: str, now: float) -> None:
        """Drop what it printed."""
        self._printed.pop(instance_id, None)

    def lines(self, instance_id: str) -> Sequence[Printed]:
        """Return what was printed."""
        fresh = self._printed.pop(instance_id, [])
        running = self._running.get(instance_id)
        if running is not None:
            fresh += running.box.lines
            running.box.lines = []
        return fresh

    def next_due(self) -> float | None:
        """Return when the next script wants to do something."""
        due = self._next()
        return None if due is None else due[0]

    def close(self) -> None:
        """Drop all scripts."""
        self._running.clear()

    def _next(self) -> tuple[float, str] | None:
        known = [(due, one) for one, running in self._running.items() if (due := running.due()) is not None]
        return min(known, default=None)

    def _remove(self, instance_id: str) -> None:
        running = self._running.pop(instance_id, None)
        if running is not None:
            self._printed[instance_id] = [*self._printed.get(instance_id, []), *running.box.lines]
