"""What runs inside simulated machines: the wrapper's observable life, as a script in the cloud's time.

It reads and writes the job folder in storage and ends its machine by itself, as ``containers/job`` does with real
processes; everything else of a machine (placing, booting, billing) is the emulator's. How it ends its machine, and what
becomes of one whose first process ends, is the cloud's.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.emulators.common.runner import Printed
from tests.emulators.runpod.volume import Files

BOOT_S = 1.0
TICK_S = 15.0
"""Heartbeat, control, and the marker's own check."""
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


Works = Callable[[str, int], Work]
"""Machine name and attempt → what is done: the name decides, so that a seed repeats a run."""


@dataclass
class Life:
    """One start of one machine."""

    machine_id: str
    name: str
    files: Files
    folder: str
    bundle: str | None
    attempt: int
    soft: float
    hard: float
    max_runtime_s: float
    nonce: str
    generation: int = 0
    started_at: float | None = None
    ending_since: float | None = None
    over: bool = False
    """Nothing of it runs any more."""

    @classmethod
    def told(cls, machine_id: str, name: str, nonce: str, files: Files, env: Mapping[str, str], root: str) -> Life:
        """Return the life that a wrapper with this environment begins; ``root`` is where it sees storage."""
        bundle = env.get("LASTCALL_BUNDLE")
        return cls(
            machine_id,
            name,
            files,
            env["LASTCALL_JOB_FOLDER"].removeprefix(root),
            bundle.removeprefix(root) if bundle else None,
            int(env["LASTCALL_ATTEMPT"]),
            float(env["LASTCALL_SOFT_DEADLINE"]),
            float(env["LASTCALL_HARD_DEADLINE"]),
            float(env["LASTCALL_MAX_RUNTIME_S"]),
            nonce,
        )


class ScriptedMachines(ABC):
    """What every cloud's runner of scripted machines shares."""

    def __init__(self, works: Works) -> None:
        self.works = works
        self._lives: dict[str, Life] = {}
        self._due: list[tuple[float, int, str, int, str]] = []
        self._count = 0
        self._ended: list[str] = []
        self.storage_full = False
        """Writes of machines fail, as on a volume without room."""
        self.refused_writes = 0
        """Writes that failed for want of room."""
        self.work_seconds: dict[str, float] = {}
        """Machine name → seconds of work really done by all its starts (work done twice shows here)."""
        self.started: list[tuple[str, int]] = []
        """Machine name and attempt of every work that began."""

    # --- the cloud's side

    def advance(self, now: float) -> Sequence[str]:
        """Let time pass; return the machines of which something ended."""
        while self._due and self._due[0][0] <= now:
            at, _, machine_id, generation, step = heapq.heappop(self._due)
            life = self._lives.get(machine_id)
            if life is not None and life.generation == generation and not life.over:
                getattr(self, f"_{step}")(life, at)
        ended, self._ended = self._ended, []
        return ended

    def forget(self, machine_id: str, now: float) -> None:
        """Drop a machine."""
        self._lives.pop(machine_id, None)

    def lines(self, machine_id: str) -> Sequence[Printed]:
        """Return nothing: these print nothing."""
        return ()

    def next_due(self) -> float | None:
        """Return when something happens next."""
        return self._due[0][0] if self._due else None

    def close(self) -> None:
        """Drop all."""
        self._lives.clear()

    @abstractmethod
    def _end(self, life: Life, now: float) -> None:
        """Let the wrapper end its machine."""

    @abstractmethod
    def _die(self, life: Life, code: int, now: float) -> None:
        """Let the wrapper end with an exit code and nothing else."""

    # --- the wrapper's side

    def _begin(self, life: Life, now: float) -> None:
        self._count += 1
        life.generation = self._count
        self._lives[life.machine_id] = life
        self._at(now + BOOT_S, life, "open")
        self._at(max(now + BOOT_S, min(life.soft + GRACE_S, life.hard)), life, "end")

    def _at(self, when: float, life: Life, step: str) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, life.machine_id, life.generation, step))

    def _open(self, life: Life, now: float) -> None:
        has_bundle = life.bundle is None or life.files.stat(f"{life.bundle}/manifest.json") is not None
        if not has_bundle or self._file(life, "spec.json") is None or self._file(life, "result.json") is not None:
            self._end(life, now)
            return
        said = {
            "attempt": life.attempt,
            "nonce": life.nonce,
            "started_at": _instant(now),
            "machine": life.name,
            "machine_id": life.machine_id,
        }
        if self._is_full() or not life.files.create(f"{life.folder}/started.json", _bytes(said), now):
            holder = self._file(life, "started.json")
            if holder is None or json.loads(holder)["machine_id"] == life.machine_id:
                self._mark(life, now, "interrupted", "E-RESTARTED")
            self._end(life, now)
            return
        self.started.append((life.name, life.attempt))
        life.started_at = now
        work = self.works(life.name, life.attempt)
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
        work = self.works(life.name, life.attempt)
        if work.ends == "dies":
            self._die(life, 137, now)
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
            "log_files": 0,
            "log_bytes": 0,
        }
        if not self._is_full():
            life.files.create(f"{life.folder}/result.json", _bytes(marker), now)

    def _count_work(self, life: Life, now: float) -> None:
        if life.started_at is not None:
            self.work_seconds[life.name] = self.work_seconds.get(life.name, 0.0) + now - life.started_at
            life.started_at = None

    def _is_full(self) -> bool:
        self.refused_writes += self.storage_full
        return self.storage_full

    def _file(self, life: Life, name: str) -> bytes | None:
        try:
            return life.files.read(f"{life.folder}/{name}")
        except FileNotFoundError:
            return None


def _bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
