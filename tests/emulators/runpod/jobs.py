"""The queue of one serverless endpoint: jobs from submission until they are forgotten (fact sheet 3.1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

EXECUTION_TIMEOUT_S = 600.0
TTL_S = 86_400.0
KEPT_S = 1800.0
"""After the end of a job from ``/run``."""
KEPT_SYNC_S = 60.0
RETRIES_MAX = 1
"""By the platform itself, when a worker is lost."""


class JobStatus(StrEnum):
    """The platform's words."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT)
AGAIN = (JobStatus.FAILED, JobStatus.TIMED_OUT)
"""What ``/retry`` takes."""


@dataclass
class Job:
    """One request to an endpoint."""

    id: str
    request: dict[str, Any]
    """The body as it came: input, webhook, policy, s3Config."""
    submitted_at: float
    sync: bool
    ttl_s: float = TTL_S
    timeout_s: float = EXECUTION_TIMEOUT_S
    status: JobStatus = JobStatus.IN_QUEUE
    queued_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    worker_id: str | None = None
    retries: int = 0
    output: Any = None
    error: str | None = None
    chunks: deque[Any] = field(default_factory=deque)
    """Streamed and not yet fetched."""

    def shown(self) -> dict[str, Any]:
        """Return the document of ``/status``."""
        document: dict[str, Any] = {"id": self.id, "status": self.status.value}
        if self.started_at is not None:
            document["delayTime"] = round((self.started_at - self.queued_at) * 1000)
        if self.ended_at is not None and self.started_at is not None:
            document["executionTime"] = round((self.ended_at - self.started_at) * 1000)
        if self.output is not None:
            document["output"] = self.output
        if self.error is not None:
            document["error"] = self.error
        if self.retries:
            document["retries"] = self.retries
        if self.worker_id is not None:
            document["workerId"] = self.worker_id
        return document

    def for_worker(self) -> dict[str, Any]:
        """Return what a worker takes; a missing input stays missing, for the worker to refuse."""
        return {
            "id": self.id,
            **{key: self.request[key] for key in ("input", "webhook", "s3Config") if key in self.request},
        }

    def due(self) -> float:
        """Return when it is next changed by time."""
        known = [self.submitted_at + self.ttl_s]
        if self.ended_at is not None:
            known.append(self.ended_at + (KEPT_SYNC_S if self.sync else KEPT_S))
        elif self.started_at is not None and self.status is JobStatus.IN_PROGRESS:
            known.append(self.started_at + self.timeout_s)
        return min(known)


@dataclass
class Worker:
    """One worker, known from its calls."""

    id: str
    began: float
    seen: float
    unhealthy: str = ""
    """Why, as it told itself."""
    stops: list[str] = field(default_factory=list)
    """Jobs it is to stop."""


class Queue:
    """All jobs and workers of one endpoint."""

    def __init__(self, lost_s: float) -> None:
        self._lost_s = lost_s
        self.jobs: dict[str, Job] = {}
        self.workers: dict[str, Worker] = {}
        self.completed = self.failed = self.retried = 0

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        job.queued_at = job.submitted_at
        self.jobs[job.id] = job

    def take(self, worker_id: str, count: int, now: float) -> list[Job]:
        """Give a worker up to ``count`` of the oldest jobs."""
        self.hear(worker_id, now)
        taken = sorted(self._in(JobStatus.IN_QUEUE), key=lambda job: job.queued_at)[:count]
        for job in taken:
            job.status, job.started_at, job.worker_id = JobStatus.IN_PROGRESS, now, worker_id
        return taken

    def hear(self, worker_id: str, now: float) -> Worker:
        """A worker showed that it lives."""
        worker = self.workers.setdefault(worker_id, Worker(worker_id, now, now))
        worker.seen = now
        return worker

    def running(self, job_id: str, worker_id: str) -> Job | None:
        """Return a job this worker works on; late and foreign results find none."""
        job = self.jobs.get(job_id)
        fits = job is not None and job.status is JobStatus.IN_PROGRESS and job.worker_id == worker_id
        return job if fits else None

    def finish(self, job: Job, status: JobStatus, now: float) -> None:
        """End a job."""
        if status is JobStatus.COMPLETED:
            self.completed += 1
        elif status in AGAIN:
            self.failed += 1
        if status in (JobStatus.CANCELLED, JobStatus.TIMED_OUT) and job.worker_id in self.workers:
            self.workers[job.worker_id].stops.append(job.id)
        job.status, job.ended_at = status, now

    def again(self, job: Job, now: float) -> None:
        """Queue a job once more."""
        self.retried += 1
        job.status, job.queued_at = JobStatus.IN_QUEUE, now
        job.started_at = job.ended_at = job.worker_id = job.error = job.output = None
        job.chunks.clear()

    def shown(self) -> list[dict[str, Any]]:
        """Return every job that is not forgotten."""
        return [job.shown() for job in self.jobs.values()]

    def purge(self) -> int:
        """Forget what waits; return how many that were."""
        waiting = self._in(JobStatus.IN_QUEUE)
        for job in waiting:
            del self.jobs[job.id]
        return len(waiting)

    def next_due(self) -> float | None:
        """Return when something changes by itself."""
        known = [job.due() for job in self.jobs.values()]
        known += [worker.seen + self._lost_s for worker in self.workers.values()]
        return min(known, default=None)

    def step(self, now: float) -> None:
        """Do what is due by ``now``."""
        for worker in [one for one in self.workers.values() if one.seen + self._lost_s <= now]:
            del self.workers[worker.id]
            for job in self._in(JobStatus.IN_PROGRESS):
                if job.worker_id == worker.id:
                    self._lost(job, now)
        for job in [one for one in self.jobs.values() if one.due() <= now]:
            if job.status is JobStatus.IN_PROGRESS and job.submitted_at + job.ttl_s > now:
                job.error = "job exceeded its execution timeout"
                self.finish(job, JobStatus.TIMED_OUT, now)
            else:
                del self.jobs[job.id]

    def health(self) -> dict[str, Any]:
        """Return the document of ``/health``."""
        busy = [job.worker_id for job in self._in(JobStatus.IN_PROGRESS)]
        running = sum(1 for one in self.workers if one in busy)
        unhealthy = sum(1 for one in self.workers.values() if one.unhealthy)
        idle = max(0, len(self.workers) - running - unhealthy)
        return {
            "jobs": {
                "completed": self.completed,
                "failed": self.failed,
                "inProgress": len(busy),
                "inQueue": len(self._in(JobStatus.IN_QUEUE)),
                "retried": self.retried,
            },
            "workers": {
                "idle": idle,
                "initializing": 0,
                "ready": idle + running,
                "running": running,
                "throttled": 0,
                "unhealthy": unhealthy,
            },
        }

    def _lost(self, job: Job, now: float) -> None:
        if job.retries < RETRIES_MAX:
            self.again(job, now)
            job.retries += 1
            return
        job.error = f"job timed out after {job.retries} retries"
        self.finish(job, JobStatus.FAILED, now)

    def _in(self, status: JobStatus) -> list[Job]:
        return [job for job in self.jobs.values() if job.status is status]
