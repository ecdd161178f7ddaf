"""Pods that follow a script in virtual time: for simulations, where no process runs and nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.emulators.runpod.runner import PodSpec, Printed
from tests.emulators.runpod.volume import Files, Volumes
from tests.emulators.runpod.wire import Request, Response, Surface

Ask = Callable[[Request, float], Response]
"""Carries a request to the platform at a time."""


class Box:
    """What a script has: one start of one container."""

    def __init__(self, spec: PodSpec, files: Files | None, ask: Ask) -> None:
        self.spec = spec
        self.files = files
        """The mounted network volume, or ``None``."""
        self.ask = ask
        """Sends any request; put the pod's key into it for what a pod may do."""
        self.code: int | None = None
        self.lines: list[Printed] = []
        self.at: float | None = None
        """The time of the step being taken."""

    def ended(self) -> bool:
        """Return whether the first process has ended."""
        return self.code is not None

    def log(self, line: str) -> None:
        """Print one line."""
        self.lines.append(Printed(self.at, line))

    def exit(self, code: int) -> None:
        """End the first process; the platform starts the container again some seconds later."""
        self.code = code

    def terminate(self, now: float) -> Response:
        """End the own pod with the own key, as the wrapper does first (fact sheet 2.2)."""
        return self.ask(self._request("DELETE", f"/v2/pods/{self.spec.id}"), now)

    def terminate_by_graphql(self, now: float) -> Response:
        """End the own pod by the older way."""
        query = f'{{"query": "mutation {{ podTerminate(input: {{podId: \\"{self.spec.id}\\"}}) }}"}}'
        request = self._request("POST", "/graphql")
        return self.ask(
            Request(Surface.GRAPHQL, request.method, request.path, "", request.headers, query.encode()), now
        )

    def _request(self, method: str, path: str) -> Request:
        headers = {"authorization": f"Bearer {self.spec.api_key}", "user-agent": "script/1"}
        return Request(Surface.REST, method, path, "", headers)


class Script(Protocol):
    """One start of a container, as a small deterministic machine."""

    def due(self) -> float | None:
        """Return when ``step`` wants to be called next, or ``None`` if never again."""
        ...

    def step(self, now: float, box: Box) -> None:
        """Do what is due at ``now``; ``due`` must move on, or the script end by ``box.exit``."""
        ...

    def asked_to_end(self, now: float, grace_s: float, box: Box) -> None:
        """SIGTERM: the box is gone ``grace_s`` later whatever happens here. Not called when there is no grace."""
        ...


Scripts = Callable[[PodSpec, float], Script]
"""Makes the script of one start at a time; ``PodSpec.start`` counts the starts."""
Action = Callable[[float, Box], None]


class TimedScript:
    """Actions at fixed times after the container's start."""

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
        known = [one for one in (self.script.due(), self.kill_at) if one is not None]
        return min(known, default=None)


class ScriptRunner:
    """Runs scripts; a PodRunner."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._running: dict[str, _Running] = {}
        self._printed: dict[str, list[Printed]] = {}
        self._ask: Ask | None = None
        self._volumes = Volumes()

    def attach(self, ask: Ask, volumes: Volumes) -> None:
        """Learn whom scripts call, and where volumes are; a simulator may give its own network as ``ask``."""
        self._ask = ask
        self._volumes = volumes

    @property
    def attached(self) -> bool:
        """Whether somebody said whom scripts call."""
        return self._ask is not None

    def start(self, pod: PodSpec, now: float) -> None:
        """Begin a script."""
        if self._ask is None:
            raise RuntimeError("a ScriptRunner is attached to a platform before pods start")
        volume = self._volumes.get(pod.volume_id) if pod.volume_id else None
        box = Box(pod, volume.files if volume else None, self._ask)
        self._running[pod.id] = _Running(self._scripts(pod, now), box)

    def advance(self, now: float) -> Sequence[str]:
        """Take every step that is due."""
        ended = []
        while (due := self._next()) is not None and due[0] <= now:
            running = self._running[due[1]]
            if running.kill_at is not None and running.kill_at <= due[0]:
                self._remove(due[1])
                continue
            running.box.at = due[0]
            running.script.step(due[0], running.box)
            if running.box.ended() and self._running.get(due[1]) is running:
                if running.kill_at is None:
                    ended.append(due[1])
                    break
                self._remove(due[1])
        return ended

    def poll(self, pod_id: str, now: float) -> int | None:
        """Return the code of a script that ended."""
        running = self._running.get(pod_id)
        return None if running is None else running.box.code

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        """Tell a script to end, and end it."""
        running = self._running.get(pod_id)
        if running is None:
            return
        if grace_s <= 0 or running.box.ended():
            self._remove(pod_id)
        elif running.kill_at is None:
            running.kill_at = now + grace_s
            running.box.at = now
            running.script.asked_to_end(now, grace_s, running.box)
            if running.box.ended():
                self._remove(pod_id)

    def forget(self, pod_id: str, now: float) -> None:
        """Drop what it printed."""
        self._printed.pop(pod_id, None)

    def lines(self, pod_id: str) -> Sequence[Printed]:
        """Return what was printed."""
        fresh = self._printed.pop(pod_id, [])
        running = self._running.get(pod_id)
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
        known = [
            (due, pod_id)
            for pod_id, one in self._running.items()
            if (due := one.due()) is not None and (not one.box.ended() or one.kill_at is not None)
        ]
        return min(known, default=None)

    def _remove(self, pod_id: str) -> None:
        running = self._running.pop(pod_id)
        self._printed[pod_id] = [*self._printed.get(pod_id, []), *running.box.lines]
