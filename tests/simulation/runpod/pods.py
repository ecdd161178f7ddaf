"""What runs inside simulated pods: the wrapper's observable life, as a script in the platform's time.

It reads and writes the job folder on the volume and ends its pod with the pod's own key, as ``containers/job`` does
with real processes; everything else of a pod (placing, pulling, restarting for ever, billing) is the emulator's.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.runner import PodSpec, Printed
from tests.emulators.runpod.volume import Files
from tests.emulators.runpod.wire import Request, Surface

BOOT_S = 1.0
TICK_S = 15.0
"""Heartbeat, control, and the marker's own check."""
END_RETRY_S = 5.0
END_GIVE_UP_S = 10.0
"""Still alive so long after the first end call: the first process exits (design.md 7)."""
KILL_LEAD_S = 15.0
GRACE_S = 30.0
"""The timer fires so long after the soft deadline."""
STOP_S = 3.0


@dataclass(frozen=True)
class Work:
    """What the work of one attempt does."""

    run_s: float
    ends: str = "succeeded"
    """``succeeded``, ``failed``, ``hangs`` (never by itself), ``dies`` (the first process ends without a marker),
    ``torn`` and ``missing`` (an artifact that the marker names is cut, or not there)."""
    artifacts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class Life:
    """One container of one pod."""

    pod: PodSpec
    files: Files
    folder: str
    attempt: int
    soft: float
    hard: float
    max_runtime_s: float
    generation: int
    started_at: float | None = None
    ending_since: float | None = None
    exit_code: int | None = None
    nonce: str = ""


class ScriptedPods:
    """A ``PodRunner`` whose pods live by ``works``: the machine's name decides, so that a seed repeats a run."""

    def __init__(self, works: Callable[[str, int], Work]) -> None:
        self._works = works
        self.platform: Platform
        self._lives: dict[str, Life] = {}
        self._due: list[tuple[float, int, str, int, str]] = []
        self._count = 0
        self._ended: list[str] = []
        self.volume_full = False
        """Writes of pods fail, as on a volume without room."""
        self.refused_writes = 0
        """Writes that failed for want of room."""
        self.work_seconds: dict[str, float] = {}
        """Machine name → seconds of work really done by all its containers (work done twice shows here)."""
        self.started: list[tuple[str, int]] = []
        """Machine name and attempt of every work that began."""

    # --- the platform's side

    def start(self, pod: PodSpec, now: float) -> None:
        volume = self.platform.volumes.get(pod.volume_id or "")
        env, mount = pod.env, (pod.mount_path or "").rstrip("/") + "/"
        if volume is None or "LASTCALL_JOB_FOLDER" not in env:
            return
        self._count += 1
        life = Life(
            pod,
            volume.files,
            env["LASTCALL_JOB_FOLDER"].removeprefix(mount),
            int(env["LASTCALL_ATTEMPT"]),
            float(env["LASTCALL_SOFT_DEADLINE"]),
            float(env["LASTCALL_HARD_DEADLINE"]),
            float(env["LASTCALL_MAX_RUNTIME_S"]),
            self._count,
        )
        self._lives[pod.id] = life
        self._at(now + BOOT_S, life, "open")
        self._at(max(now + BOOT_S, min(life.soft + GRACE_S, life.hard)), life, "end")

    def advance(self, now: float) -> Sequence[str]:
        while self._due and self._due[0][0] <= now:
            at, _, pod_id, generation, step = heapq.heappop(self._due)
            life = self._lives.get(pod_id)
            if life is not None and life.generation == generation and life.exit_code is None:
                getattr(self, f"_{step}")(life, at)
        ended, self._ended = self._ended, []
        return ended

    def poll(self, pod_id: str, now: float) -> int | None:
        life = self._lives.get(pod_id)
        return life.exit_code if life else None

    def kill(self, pod_id: str, grace_s: float, now: float) -> None:
        life = self._lives.pop(pod_id, None)
        if life is not None:
            self._count_work(life, now)

    def forget(self, pod_id: str, now: float) -> None:
        self._lives.pop(pod_id, None)

    def lines(self, pod_id: str) -> Sequence[Printed]:
        return ()

    def next_due(self) -> float | None:
        return self._due[0][0] if self._due else None

    def close(self) -> None:
        self._lives.clear()

    # --- the wrapper's side

    def _at(self, when: float, life: Life, step: str) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, life.pod.id, life.generation, step))

    def _open(self, life: Life, now: float) -> None:
        bundle = life.pod.env.get("LASTCALL_BUNDLE")
        mount = (life.pod.mount_path or "").rstrip("/") + "/"
        has_bundle = bundle is None or life.files.stat(f"{bundle.removeprefix(mount)}/manifest.json") is not None
        if not has_bundle or self._file(life, "spec.json") is None or self._file(life, "result.json") is not None:
            self._end(life, now)
            return
        life.nonce = f"{life.pod.id}-{life.pod.start}"
        said = {
            "attempt": life.attempt,
            "nonce": life.nonce,
            "started_at": _instant(now),
            "machine": life.pod.name,
            "machine_id": life.pod.id,
        }
        if self._is_full() or not life.files.create(f"{life.folder}/started.json", _bytes(said), now):
            holder = self._file(life, "started.json")
            if holder is None or json.loads(holder)["machine_id"] == life.pod.id:
                self._mark(life, now, "interrupted", "E-RESTARTED")
            self._end(life, now)
            return
        self.started.append((life.pod.name, life.attempt))
        life.started_at = now
        work = self._works(life.pod.name, life.attempt)
        if work.ends != "hangs":
            self._at(now + work.run_s, life, "done")
        self._at(now + TICK_S, life, "tick")

    def _tick(self, life: Life, now: float) -> None:
        if life.ending_since is not None or life.started_at is None:
            return
        beat = {"attempt": life.attempt, "at": _instant(now), "rss_bytes": 1 << 28, "stage": "running"}
        if not self._is_full():
            life.files.put(f"{life.folder}/heartbeat.json", _bytes(beat), now)
        control = self._file(life, "control.json")
        if control is not None:
            said = json.loads(control)
            if said.get("stop_requested"):
                self._at(now + STOP_S, life, "stopped")
                return
        kill_at = min(life.soft, life.started_at + life.max_runtime_s) - KILL_LEAD_S
        if now >= kill_at:
            self._finish(life, now, "timed_out", "E-TIMEOUT")
            return
        self._at(min(now + TICK_S, kill_at), life, "tick")

    def _stopped(self, life: Life, now: float) -> None:
        self._finish(life, now, "cancelled", "E-CANCELLED")

    def _done(self, life: Life, now: float) -> None:
        if life.ending_since is not None:
            return
        work = self._works(life.pod.name, life.attempt)
        if work.ends == "dies":
            self._exit(life, 137, now)
        elif work.ends == "failed":
            self._finish(life, now, "failed", "E-WORK")
        else:
            self._finish(life, now, "succeeded", None, work)

    def _finish(self, life: Life, now: float, outcome: str, code: str | None, work: Work | None = None) -> None:
        stored: list[dict[str, object]] = []
        for number, (name, data) in enumerate((work.artifacts if work else {}).items()):
            if self._is_full():
                outcome, code, stored = "failed", "E-DISK", []
                break
            harm = work.ends if work and number == 0 else ""
            if harm != "missing":
                life.files.put(f"{life.folder}/{name}", data[:-1] if harm == "torn" else data, now)
            stored.append({"name": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        self._mark(life, now, outcome, code, stored)
        self._end(life, now)

    def _mark(
        self, life: Life, now: float, outcome: str, code: str | None, stored: Sequence[Mapping[str, object]] = ()
    ) -> None:
        marker = {
            "schema": "result/v1",
            "attempt": life.attempt,
            "nonce": life.nonce,
            "outcome": outcome,
            "code": code,
            "ended_at": _instant(now),
            "artifacts": list(stored),
        }
        if not self._is_full():
            life.files.create(f"{life.folder}/result.json", _bytes(marker), now)

    def _end(self, life: Life, now: float) -> None:
        """End the pod with its own key; past ten seconds of trying, the first process exits."""
        if life.ending_since is None:
            life.ending_since = now
            self._count_work(life, now)
        pod = life.pod
        headers = {"authorization": f"Bearer {pod.api_key}", "user-agent": "lastcall-job/1"}
        answer = self.platform.handle(Request(Surface.REST, "DELETE", f"/v2/pods/{pod.id}", "", headers), now)
        if answer.status in (204, 404) and answer.lost is None and self._lives.get(pod.id) is not life:
            return
        if now - life.ending_since >= END_GIVE_UP_S:
            self._exit(life, 0, now)
        else:
            self._at(now + END_RETRY_S, life, "end")

    def _exit(self, life: Life, code: int, now: float) -> None:
        self._count_work(life, now)
        life.exit_code = code
        self._ended.append(life.pod.id)

    def _count_work(self, life: Life, now: float) -> None:
        if life.started_at is not None:
            name = life.pod.name
            self.work_seconds[name] = self.work_seconds.get(name, 0.0) + now - life.started_at
            life.started_at = None

    def _is_full(self) -> bool:
        self.refused_writes += self.volume_full
        return self.volume_full

    def _file(self, life: Life, name: str) -> bytes | None:
        try:
            return life.files.read(f"{life.folder}/{name}")
        except FileNotFoundError:
            return None


def _bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
