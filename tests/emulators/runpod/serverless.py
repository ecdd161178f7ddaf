"""The data plane of serverless endpoints, both sides: callers and workers (fact sheet 3.1 and 4)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.endpoints import Endpoint, Endpoints
from tests.emulators.runpod.jobs import AGAIN, ENDED, Job, JobStatus
from tests.emulators.runpod.problems import Problem, document, empty, not_found
from tests.emulators.runpod.wire import Request, Response

RUN_BYTES_MAX = 10 << 20
RUNSYNC_BYTES_MAX = 20 << 20
CHUNK_BYTES_MAX = 1 << 20
SYNC_WAIT_S = 90.0
STREAM_WAIT_S = 10.0
TAKE_WAIT_S = 80.0
"""Less than the 90 s after which a worker gives up a poll."""
WINDOW_S = 10
LIMITS = {"run": 1000, "runsync": 2000, "status": 2000, "stream": 2000, "cancel": 100, "purge-queue": 2, "requests": 10}
"""Per endpoint and ten seconds."""
CALLS = {
    "run": "POST",
    "runsync": "POST",
    "status": "GET",
    "stream": "GET",
    "cancel": "POST",
    "retry": "POST",
    "purge-queue": "POST",
    "health": "GET",
    "requests": "GET",
    "job-take": "GET",
    "job-take-batch": "GET",
    "job-done": "POST",
    "job-stream": "POST",
    "job-stop": "GET",
    "ping": "GET",
}


@dataclass(frozen=True)
class Target:
    """Where a request to the data plane goes."""

    endpoint_id: str
    word: str
    ids: tuple[str, ...]

    @property
    def call(self) -> str:
        """Return the name it is counted under."""
        return f"jobs.{self.word}" if self.word in CALLS else "jobs.unknown"


def target(request: Request) -> Target:
    """Return where a request goes."""
    parts = [unquote(part) for part in request.path.strip("/").split("/")] + ["", "", ""]
    return Target(parts[1], parts[2], tuple(part for part in parts[3:] if part))


class Serverless:
    """Answers callers and workers of all endpoints."""

    def __init__(self, endpoints: Endpoints, rng: random.Random) -> None:
        self._endpoints = endpoints
        self._rng = rng
        self._used: dict[tuple[str, str], tuple[int, int]] = {}
        self._works: dict[str, Callable[[Endpoint, Target, Request, float], Response]] = {
            "run": self._run,
            "runsync": self._run_sync,
            "status": self._status,
            "stream": self._stream,
            "cancel": self._cancel,
            "retry": self._retry,
            "purge-queue": lambda e, t, q, now: document(200, {"removed": e.queue.purge(), "status": "completed"}),
            "health": lambda e, t, q, now: document(200, e.queue.health()),
            "requests": lambda e, t, q, now: document(
                200, {"requests": [one.shown() for one in e.queue.jobs.values()]}
            ),
            "job-take": self._take,
            "job-take-batch": self._take_batch,
            "job-done": self._done,
            "job-stream": self._chunk,
            "job-stop": self._stop,
            "ping": self._ping,
        }

    def next_due(self) -> float | None:
        """Return when a queue changes by itself."""
        known = [due for one in self._endpoints.all() if (due := one.queue.next_due()) is not None]
        return min(known, default=None)

    def step(self, now: float) -> None:
        """Let queues change."""
        for one in self._endpoints.all():
            one.queue.step(now)

    def answer(self, asked: Target, request: Request, caller: Caller, now: float) -> Response:
        """Answer one request. Raises Problem."""
        if asked.word not in CALLS:
            raise not_found()
        if request.method != CALLS[asked.word]:
            raise Problem(405, "method not allowed", headers={"allow": CALLS[asked.word]})
        endpoint = self._endpoints.own(asked.endpoint_id, caller)
        self._count(asked, now)
        return self._works[asked.word](endpoint, asked, request, now)

    # Callers.

    def _run(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        job = self._submit(endpoint, request, RUN_BYTES_MAX, now, sync=False)
        return document(200, {"id": job.id, "status": job.status.value})

    def _run_sync(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        wait = _milliseconds(request, "wait", SYNC_WAIT_S, 1.0, 300.0)
        job = self._submit(endpoint, request, RUNSYNC_BYTES_MAX, now, sync=True)

        def ended(later: float) -> Response | None:
            return document(200, job.shown()) if job.status in ENDED else None

        return _held(lambda: document(200, {"id": job.id, "status": job.status.value}), ended, wait, now)

    def _submit(self, endpoint: Endpoint, request: Request, size: int, now: float, *, sync: bool) -> Job:
        if len(request.body) > size:
            raise Problem(413, f"request body exceeds {size} bytes")
        body = _json(request)
        if not isinstance(body, dict):
            raise Problem(400, "request body is not an object")
        policy = body.get("policy") or {}
        job_id = f"{'sync-' if sync else ''}{self._uuid()}-u1"
        job = Job(job_id, body, now, sync)
        job.ttl_s = _bounded(policy.get("ttl", job.ttl_s * 1000), 10, 604_800)
        job.timeout_s = _bounded(policy.get("executionTimeout", job.timeout_s * 1000), 5, 604_800)
        endpoint.queue.submit(job)
        return job

    def _status(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        return document(200, _job(endpoint, asked).shown())

    def _stream(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        job = _job(endpoint, asked)
        wait = _milliseconds(request, "wait", STREAM_WAIT_S, 0.0, 300.0)

        def drained() -> Response:
            chunks = [{"output": chunk} for chunk in job.chunks]
            job.chunks.clear()
            return document(200, {"status": job.status.value, "stream": chunks})

        def fresh(later: float) -> Response | None:
            return drained() if job.chunks or job.status in ENDED else None

        return _held(drained, fresh, wait, now)

    def _cancel(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        job = _job(endpoint, asked)
        if job.status not in ENDED:
            endpoint.queue.finish(job, JobStatus.CANCELLED, now)
        return document(200, {"id": job.id, "status": job.status.value})

    def _retry(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        job = _job(endpoint, asked)
        if job.status not in AGAIN:
            raise Problem(400, f"job is {job.status}; only FAILED and TIMED_OUT jobs can be retried")
        endpoint.queue.again(job, now)
        return document(200, {"id": job.id, "status": job.status.value})

    # Workers.

    def _take(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        def taken(later: float) -> Response | None:
            jobs = endpoint.queue.take(_worker(asked), 1, later)
            return document(200, jobs[0].for_worker()) if jobs else None

        return _held(empty, taken, TAKE_WAIT_S, now)

    def _take_batch(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        text = _query(request).get("batch_size", "1")
        count = int(text) if text.isdecimal() else 1

        def taken(later: float) -> Response | None:
            jobs = endpoint.queue.take(_worker(asked), count, later)
            return document(200, [job.for_worker() for job in jobs]) if jobs else None

        return _held(empty, taken, TAKE_WAIT_S, now)

    def _done(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        """Take a result or progress; the body is JSON whatever its content type says. Late ones change nothing."""
        worker_id, body = _worker(asked), _json(request)
        endpoint.queue.hear(worker_id, now)
        job = endpoint.queue.running(asked.ids[1] if len(asked.ids) > 1 else "", worker_id)
        if job is None or not isinstance(body, dict):
            return document(200, {})
        if body.get("status") == JobStatus.IN_PROGRESS:
            job.output = body.get("output")
            return document(200, {})
        failed = body.get("error") is not None
        job.error = body.get("error")
        job.output = body.get("output", None if failed else job.output)
        endpoint.queue.finish(job, JobStatus.FAILED if failed else JobStatus.COMPLETED, now)
        if body.get("stopPod"):
            endpoint.queue.workers.pop(worker_id, None)
        return document(200, {})

    def _chunk(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        if len(request.body) > CHUNK_BYTES_MAX:
            raise Problem(413, f"chunk exceeds {CHUNK_BYTES_MAX} bytes")
        worker_id, body = _worker(asked), _json(request)
        endpoint.queue.hear(worker_id, now)
        job = endpoint.queue.running(asked.ids[1] if len(asked.ids) > 1 else "", worker_id)
        if job is not None and isinstance(body, dict):
            job.chunks.append(body.get("output"))
        return document(200, {})

    def _stop(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        def stops(later: float) -> Response | None:
            worker = endpoint.queue.workers.get(_worker(asked))
            if worker is None or not worker.stops:
                return None
            jobs, worker.stops = worker.stops, []
            return document(200, {"jobsToStop": jobs})

        return _held(empty, stops, TAKE_WAIT_S, now)

    def _ping(self, endpoint: Endpoint, asked: Target, request: Request, now: float) -> Response:
        query = _query(request)
        worker = endpoint.queue.hear(_worker(asked), now)
        if query.get("status") == "unhealthy":
            worker.unhealthy = query.get("reason") or query.get("check") or "unhealthy"
        return document(200, {})

    def _count(self, asked: Target, now: float) -> None:
        limit = LIMITS.get(asked.word)
        if limit is None:
            return
        key, window = (asked.endpoint_id, asked.word), int(now // WINDOW_S)
        before, used = self._used.get(key, (window, 0))
        used = used if before == window else 0
        if used >= limit:
            raise Problem(429, "too many requests", headers={"retry-after": str(WINDOW_S)})
        self._used[key] = (window, used + 1)

    def _uuid(self) -> str:
        text = f"{self._rng.getrandbits(128):032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _held(
    base: Callable[[], Response], wait: Callable[[float], Response | None], wait_s: float, now: float
) -> Response:
    """Return what is there at once, or a long poll that ends with ``base``."""
    found = wait(now)
    if found is not None:
        return found
    first = base()
    return Response(first.status, first.headers, first.body, wait=wait, wait_s=wait_s)


def _job(endpoint: Endpoint, asked: Target) -> Job:
    job = endpoint.queue.jobs.get(asked.ids[0] if asked.ids else "")
    if job is None:
        raise not_found("job")
    return job


def _worker(asked: Target) -> str:
    if not asked.ids:
        raise not_found("worker")
    return asked.ids[0]


def _query(request: Request) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query).items()}


def _milliseconds(request: Request, name: str, default_s: float, least_s: float, most_s: float) -> float:
    text = _query(request).get(name)
    if text is None:
        return default_s
    if not text.isdecimal() or not least_s <= int(text) / 1000 <= most_s:
        raise Problem(400, f"{name} must lie between {least_s * 1000:.0f} and {most_s * 1000:.0f}")
    return int(text) / 1000


def _bounded(value: Any, least_s: float, most_s: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least_s <= value / 1000 <= most_s:
        raise Problem(400, "policy is out of bounds")
    return value / 1000


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except ValueError:
        raise Problem(400, "request body is not JSON") from None
