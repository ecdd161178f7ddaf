"""Rows of the journal's tables as recorded events, and the statements that read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import apsw

from actors.journal.codec import decode
from actors.journal.interface import Position, Recorded, Version

PAGE_EVENTS = 512
"""Events read at once by whoever reads the journal along."""
PAGE_STREAMS = 256
"""Streams read at once in bulk."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STREAM = """
SELECT e.position, e.event_id, s.name, e.version, e.kind, e.schema, e.at, e.cause, e.actor, e.body
FROM streams s JOIN events e ON e.stream = s.id
WHERE s.name = ? AND e.version > ? ORDER BY e.version
"""
# CROSS JOIN fixes the order of the loops: along the positions, so that a page costs a page.
_PAGE = """
SELECT e.position, e.event_id, s.name, e.version, e.kind, e.schema, e.at, e.cause, e.actor, e.body
FROM events e CROSS JOIN streams s ON s.id = e.stream
WHERE e.position > ? AND s.name >= ? AND s.name < ? ORDER BY e.position LIMIT ?
"""
_MANY = """
SELECT e.position, e.event_id, s.name, e.version, e.kind, e.schema, e.at, e.cause, e.actor, e.body
FROM streams s JOIN events e ON e.stream = s.id
WHERE s.name IN (SELECT value FROM json_each(?)) ORDER BY s.name, e.version
"""
_STREAMS = "SELECT name FROM streams WHERE name >= ? AND name < ? ORDER BY name"
_LAST = "\U0010ffff"


def to_micros(at: datetime) -> int:
    """Return microseconds since 1970, as stored."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant, UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def recorded(row: Sequence[Any]) -> Recorded:
    """Turn a row into the event it holds; raises ``JournalRefused`` for one this version cannot read."""
    position, event_id, stream, version, kind, schema, at, cause, actor, body = row
    return Recorded(
        decode(kind, schema, body),
        event_id,
        stream,
        Version(version),
        Position(position),
        from_micros(at),
        cause,
        actor,
    )


def stream_events(connection: apsw.Connection, stream: str, after: int) -> list[Recorded]:
    """Return the events of ``stream`` after version ``after``."""
    return [recorded(row) for row in connection.execute(_STREAM, (stream, after))]


def page_after(connection: apsw.Connection, after: int, prefix: str = "", limit: int = PAGE_EVENTS) -> list[Recorded]:
    """Return at most ``limit`` events after position ``after``, of streams that begin with ``prefix``, in order."""
    return [recorded(row) for row in connection.execute(_PAGE, (after, prefix, prefix + _LAST, limit))]


def pages_after(connection: apsw.Connection, after: int, limit: int) -> Iterator[list[Recorded]]:
    """Yield every event after ``after`` in pages of ``limit``."""
    while page := page_after(connection, after, limit=limit):
        yield page
        after = page[-1].position


def many_streams(connection: apsw.Connection, streams: Sequence[str]) -> dict[str, list[Recorded]]:
    """Return all events of each of ``streams``; one without events is not among them."""
    found: dict[str, list[Recorded]] = {}
    for row in connection.execute(_MANY, (json.dumps(list(streams)),)):
        found.setdefault(row[2], []).append(recorded(row))
    return found


def stream_names(connection: apsw.Connection, prefix: str) -> list[str]:
    """Return the names of all streams that begin with ``prefix``, ordered."""
    return [name for (name,) in connection.execute(_STREAMS, (prefix, prefix + _LAST))]


def head_position(connection: apsw.Connection) -> int:
    """Return the position of the last event, 0 when there is none."""
    found = connection.execute("SELECT max(position) FROM events").fetchone()
    return int(found[0] or 0) if found else 0
