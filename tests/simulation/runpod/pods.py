"""What runs inside simulated pods: the wrapper's life, ended by the pod's own key. The platform starts it for ever."""

from __future__ import annotations

from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.runner import PodSpec
from tests.emulators.runpod.wire import Request, Surface
from tests.simulation.clouds.machines import Life, ScriptedMachines, Works

END_RETRY_S = 5.0
END_GIVE_UP_S = 10.0
"""Still alive so long after the first end call: the first process exits (design.md 7)."""


class ScriptedPods(ScriptedMachines):
    """A ``PodRunner`` whose pods live by ``works``."""

    def __init__(self, works: Works) -> None:
        super().__init__(works)
        self.platform: Platform
        self._keys: dict[str, str] = {}
        self._codes: dict[str, int] = {}

    def start(self, pod: PodSpec, now: float) -> None:
        """Begin a container."""
        volume = self.platform.volumes.get(pod.volume_id or "")
        if volume is None or "LASTCALL_JOB_FOLDER" not in pod.env:
            return
        mount = (pod.mount_path or "").rstrip("/") + "/"
        self._keys[pod.id] = pod.api_key
        self._codes.pop(pod.id, None)
        self._begin(Life.told(pod.id, pod.name, f"{pod.id}-{pod.start}", volume.files, pod.env, mount), now)

    def poll(self, pod_id: str, now: float) -> int | None:
        """Return the exit code of the first process."""
        return self._codes.get(pod_id) if pod_id in self._lives else None

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        """End the container at once."""
        life = self._lives.pop(pod_id, None)
        if life is not None:
            self._count_work(life, now)

    def _end(self, life: Life, now: float) -> None:
        """End the pod with its own key; past ten seconds of trying, the first process exits."""
        if life.ending_since is None:
            life.ending_since = now
            self._count_work(life, now)
        pod_id = life.machine_id
        headers = {"authorization": f"Bearer {self._keys[pod_id]}", "user-agent": "lastcall-job/1"}
        answer = self.platform.handle(Request(Surface.REST, "DELETE", f"/v2/pods/{pod_id}", "", headers), now)
        if answer.status in (204, 404) and answer.lost is None and self._lives.get(pod_id) is not life:
            return
        if now - life.ending_since >= END_GIVE_UP_S:
            self._die(life, 0, now)
        else:
            self._at(now + END_RETRY_S, life, "end")

    def _die(self, life: Life, code: int, now: float) -> None:
        self._count_work(life, now)
        life.over = True
        self._codes[life.machine_id] = code
        self._ended.append(life.machine_id)
