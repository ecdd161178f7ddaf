"""Pods that follow a script in virtual time: for simulations, where no process runs and nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.emulators.common import scripts as common
from tests.emulators.runpod.runner import PodSpec
from tests.emulators.runpod.volume import Files, Volumes
from tests.emulators.runpod.wire import Request, Response, Surface

Ask = Callable[[Request, float], Response]
"""Carries a request to the platform at a time."""


class Box(common.Box):
    """What a script has: one start of one container."""

    def __init__(self, spec: PodSpec, files: Files | None, ask: Ask) -> None:
        super().__init__()
        self.spec = spec
        self.files = files
        """The mounted network volume, or ``None``."""
        self.ask = ask
        """Sends any request; put the pod's key into it for what a pod may do."""
        self.code: int | None = None

    def ended(self) -> bool:
        """Return whether the first process has ended."""
        return self.code is not None

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


Action = common.Action[Box]
Script = common.Script[Box]
"""One start of a container; it ends by ``box.exit``."""
Scripts = Callable[[PodSpec, float], Script]
"""Makes the script of one start at a time; ``PodSpec.start`` counts the starts."""
TimedScript = common.TimedScript[Box]


class ScriptRunner(common.ScriptRunner[PodSpec, Box]):
    """Runs scripts; a PodRunner."""

    def __init__(self, scripts: Scripts) -> None:
        super().__init__(scripts)
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
        self._running[pod.id] = common.Running(self._scripts(pod, now), box)

    def advance(self, now: float) -> Sequence[str]:
        """Take every step that is due; stop at the first that ends a container which nobody told to end."""
        while (pod_id := self._until_one_ends(now)) is not None:
            if self._running[pod_id].kill_at is None:
                return [pod_id]
            self._remove(pod_id)
        return []

    def poll(self, pod_id: str, now: float) -> int | None:
        """Return the code of a script that ended."""
        running = self._running.get(pod_id)
        return None if running is None else running.box.code

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        """Tell a script to end, and end it: at once where it does so by itself."""
        super().kill(pod_id, grace_s, now)
        running = self._running.get(pod_id)
        if running is not None and running.box.ended():
            self._remove(pod_id)
