"""What RunPod kept of a pod's console: an endless event stream, of which a snapshot is taken while someone looks.

The stream has no end and no mark between past and present (fact sheet 2.4), so silence ends the snapshot. Lifecycle
never depends on it. A position is the last event's id as one number: time in nanoseconds, then its sequence.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from providers.fields import text
from providers.gate import Priority
from providers.interface import LogChunk, Unavailable
from providers.runpod.client import Call, Client, path_of
from providers.runpod.codec import is_object
from providers.runpod.problems import Unreadable, parse_json
from providers.transport import HttpStream, NoReply, TransportError

LINE_CHARS_MAX: Final = 16_384
EVENT_BYTES_MAX: Final = 1 << 20
"""A longer event is dropped."""
SNAPSHOT_BYTES_MAX: Final = 8 << 20
"""Of one look; the next one goes on behind it."""
SNAPSHOT_S: Final = 30.0
TAIL_LINES: Final = 5000
"""The most RunPod gives (fact sheet 2.4)."""
CHUNK_CHARS: Final = 64 << 10

_SEQUENCE: Final = 10**12
_SECOND: Final = 10**9
_ID = re.compile(r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,9}))?Z/(?P<number>\d{1,12})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING: Final = frozenset({400, 404})
"""No log of it (any more); 400 comes now and then for no reason (fact sheet 2.4)."""


class Event(NamedTuple):
    """One line of the console."""

    position: int | None
    line: str


class Events:
    """Takes a stream of events apart, whatever pieces it comes in. Bounded."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False
        self._id = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that ``piece`` completes."""
        self._rest += piece
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        found = []
        for line in lines:
            if self._skipping:
                self._skipping = False  # the end of a line that was too long
                continue
            event = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if event is not None:
                found.append(event)
        if len(self._rest) > EVENT_BYTES_MAX:
            self._rest.clear()
            self._skipping = True
        return found

    def _line(self, line: str) -> Event | None:
        if not line:
            data, self._data = "\n".join(self._data), []
            return Event(position_of(self._id), _console(data)) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "data" and sum(map(len, self._data)) + len(value) <= EVENT_BYTES_MAX:
            self._data.append(value)
        return None


def position_of(event_id: str) -> int | None:
    """Return an event id as a number that grows, or ``None`` for an id of another kind."""
    found = _ID.fullmatch(event_id)
    if found is None:
        return None
    try:
        seconds = int((datetime.fromisoformat(f"{found['at']}+00:00") - _EPOCH).total_seconds())
    except ValueError:
        return None
    part = int((found["part"] or "").ljust(9, "0"))
    return (seconds * _SECOND + part) * _SEQUENCE + int(found["number"])


def event_id_of(position: int) -> str | None:
    """Return the event id a position was made of, or ``None`` for one that no id gives."""
    nanoseconds, number = divmod(position, _SEQUENCE)
    seconds, part = divmod(nanoseconds, _SECOND)
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    fraction = f".{part:09d}".rstrip("0") if part else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z/{number:012d}"


async def read_logs(client: Client, pod_id: str, after: int, silence_s: float) -> AsyncIterator[LogChunk]:
    """Yield what came after ``after``, oldest first, until it is silent. Raises Unavailable where nothing answered."""
    call = Call(
        "GET",
        path_of("pods", pod_id, "logs"),
        Priority.REST,
        query={} if after else {"tail": str(TAIL_LINES)},
        headers={"accept": "text/event-stream", **_resume(after)},
        total_s=SNAPSHOT_S,
        read_s=silence_s,
    )
    try:
        async with client.stream(call) as answer:
            if answer.status in _MISSING:
                return
            if answer.status != 200:
                raise Unavailable(f"RunPod answered {answer.status} when asked for a pod's log")
            async for chunk in _chunks(answer, after):
                yield chunk
    except TransportError as error:
        raise Unavailable(f"RunPod did not answer when asked for a pod's log: {error}") from error


def _resume(after: int) -> dict[str, str]:
    event_id = event_id_of(after) if after else None
    return {"last-event-id": event_id} if event_id else {}


async def _chunks(answer: HttpStream, after: int) -> AsyncIterator[LogChunk]:
    """Join lines to chunks. Events that were told before are left out, should the stream begin too early."""
    events, lines, held, taken, position = Events(), list[str](), 0, 0, after
    async for piece in _until_silent(answer):
        taken += len(piece)
        for event in events.feed(piece):
            if event.position is None or event.position <= position:
                continue
            position = event.position
            lines.append(event.line)
            held += len(event.line)
            if held >= CHUNK_CHARS:
                yield LogChunk(position, "".join(lines))
                lines, held = [], 0
        if taken > SNAPSHOT_BYTES_MAX:
            break
    if lines:
        yield LogChunk(position, "".join(lines))


async def _until_silent(answer: HttpStream) -> AsyncIterator[bytes]:
    """The transport ends the wait; a stream that was open has then told what it had."""
    try:
        async for piece in answer.chunks():
            yield piece
    except NoReply:
        return


def _console(data: str) -> str:
    """Return the line an event carries, ending in a line break."""
    try:
        value = parse_json(data.encode())
    except Unreadable:
        value = None
    line = text_of(value.get("line")) if is_object(value) else data
    return f"{line[:LINE_CHARS_MAX]}\n"


def text_of(value: object) -> str:
    """Return a string, however long, or nothing."""
    return value if isinstance(value, str) else (text(value) or "")
