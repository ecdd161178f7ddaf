"""GET /v2/pods/{id}/logs: server-sent events that never end and never say where the past stops (fact sheet 2.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs

from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.podlog import Entry
from tests.emulators.runpod.podstate import Pod, Status
from tests.emulators.runpod.problems import Problem, invalid
from tests.emulators.runpod.wire import Request, Response

CALL = "pods.logs"
TAIL = 100
TAIL_MAX = 5000
KEPT_S = 120.0
"""How long what a container said outlives it."""
HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}
LONG_LINE = (
    b'data: {"ts":"2026-06-01T12:02:03Z","source":"container","line":"\x1b[31m' + b"x" * 1_000_000 + b'\xff"}\n\n'
)
"""A megabyte, with an escape sequence and a byte that is no UTF-8."""


def answer(request: Request, pod: Pod, collect: Callable[[], None], faults: FaultBox, now: float) -> Response:
    """Return the stream. ``collect`` fetches what the container has printed meanwhile. Raises Problem."""
    name = pod.config.name
    if faults.hit("logs.400", CALL, now, name):
        raise Problem(400, "request could not be processed")
    query = parse_qs(request.query, keep_blank_values=True)
    source = query["source"][0] if query.get("source") else None
    if source not in (None, "container", "system"):
        raise invalid([f"source: value must be one of 'container', 'system', got '{source}'"])
    collect()
    if pod.status is Status.EXITED and now - pod.statuses[-1][0] > KEPT_S:
        pod.log.drop_container_lines()
    entries = _past(request, query, pod, source)
    last = max([entry.number for entry in entries], default=0)
    if pod.log.after(0):
        last = max(last, pod.log.after(0)[-1].number)
    if faults.hit("logs.gap", CALL, now, name):
        entries = entries[::2]
    body = b"".join(entry.frame() for entry in entries)
    flood = faults.hit("logs.flood", CALL, now, name)
    if flood:
        body += b"".join(Entry(last, now, "container", "flood").frame() for _ in range(flood)) + LONG_LINE
    position = [last]

    def follow() -> bytes:
        collect()
        fresh = pod.log.after(position[0], source)
        if fresh:
            position[0] = fresh[-1].number
        return b"".join(entry.frame() for entry in fresh)

    return Response(200, HEADERS, body, follow=follow)


def _past(request: Request, query: dict[str, list[str]], pod: Pod, source: str | None) -> Sequence[Entry]:
    last_id = request.headers.get("last-event-id")
    entries = pod.log.after(0, source)
    if last_id:
        when, _, number = last_id.partition("/")
        since = _time(when, "Last-Event-ID")
        if number.isdecimal():
            return [entry for entry in entries if entry.number > int(number)]
        return [entry for entry in entries if entry.at > since]
    if query.get("since"):
        since = _time(query["since"][0], "since")
        return [entry for entry in entries if entry.at >= since]
    text = query["tail"][0] if query.get("tail") else str(TAIL)
    if not text.isdecimal() or int(text) > TAIL_MAX:
        raise invalid([f"tail: want an integer from 0 to {TAIL_MAX}"])
    return entries[-int(text) :] if int(text) else []


def _time(text: str, what: str) -> float:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise invalid([f"{what}: '{text}' is not a date-time"]) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
