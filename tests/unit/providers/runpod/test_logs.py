"""Snapshots of an endless event stream. Fault 33."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.interface import LogChunk, Unavailable
from providers.runpod.logs import EVENT_BYTES_MAX, Events, event_id_of, position_of
from providers.runpod.training import RunPodTraining
from providers.transport import HttpReply, NoReply
from tests.support.runpod_wire import Wire, account, page, problem

ROUTE = "GET /pods/pod1/logs"
OPEN = HttpReply(200, {"content-type": "text/event-stream"}, b"")


def frame(number: int, line: str) -> bytes:
    data = json.dumps({"ts": "x", "source": "container", "line": line})
    return f"id: 2026-06-01T12:02:03Z/{number:012d}\ndata: {data}\n\n".encode()


async def look(wire: Wire, after: int = 0) -> list[LogChunk]:
    provider = RunPodTraining(account(wire))
    return [chunk async for chunk in provider.logs("pod1", after)]


async def test_a_snapshot_ends_with_silence_and_is_read_on_from_its_position() -> None:
    wire = Wire()
    wire.on(ROUTE, OPEN)
    wire.lines = [frame(1, "one"), b": keep-alive\n\n", frame(2, "two")]
    [chunk] = await look(wire)
    assert chunk.text == "one\ntwo\n"
    assert "tail=5000" in wire.asked[-1].url
    assert await look(wire, chunk.position) == []  # what was told before is not told again
    assert wire.asked[-1].headers["last-event-id"] == "2026-06-01T12:02:03Z/000000000002"
    assert "tail" not in wire.asked[-1].url
    wire.lines.append(frame(3, "three"))
    assert [c.text for c in await look(wire, chunk.position)] == ["three\n"]


async def test_what_a_look_at_the_console_was_told_of_the_quota_counts_for_everybody() -> None:
    wire = Wire()
    wire.on(ROUTE, problem(429, retry_after="30"))
    provider = RunPodTraining(account(wire))
    with pytest.raises(Unavailable):
        [chunk async for chunk in provider.logs("pod1")]
    assert provider.creates_now() == 0


@pytest.mark.parametrize("answer", [problem(404), problem(400), page(400)])
async def test_no_log_is_nothing(answer: HttpReply) -> None:
    wire = Wire()
    wire.on(ROUTE, answer)
    assert await look(wire) == []


@pytest.mark.parametrize("answer", [problem(403), page(502), NoReply("x")])
async def test_no_answer_is_told(answer: HttpReply | Exception) -> None:
    wire = Wire()
    wire.on(ROUTE, answer)
    with pytest.raises(Unavailable):
        await look(wire)


async def test_a_flood_is_taken_in_bounded_pieces() -> None:
    wire = Wire()
    wire.on(ROUTE, OPEN)
    wire.lines = [frame(n, "x" * 10_000) for n in range(1, 2000)]
    chunks = await look(wire)
    assert max(len(c.text) for c in chunks) < 80_000
    assert 8_000_000 < sum(len(c.text) for c in chunks) < 9_000_000


def test_a_long_line_is_cut_and_an_endless_one_dropped() -> None:
    events = Events()
    [event] = events.feed(frame(1, "y" * 200_000))
    assert len(event.line) < 20_000
    assert events.feed(b"data: " + b"z" * (EVENT_BYTES_MAX + 10)) == []
    assert events.feed(b"z" * 100) == []
    assert [e.line for e in events.feed(b"\n\n" + frame(2, "after"))] == ["after\n"]


def test_lines_that_are_no_json_are_told_as_they_are() -> None:
    events = Events()
    assert [e.line for e in events.feed(b"id: 2026-06-01T12:02:03Z/1\r\ndata: plain \xff\r\n\r\n")] == ["plain �\n"]
    assert [e.line for e in events.feed(b'data: {"line": 5}\ndata: 6\n\n')] == ['{"line": 5}\n6\n']
    assert events.feed(b"event: ping\nretry: 3\n\n") == []


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 20))
def test_no_bytes_break_the_stream(data: bytes, size: int) -> None:
    events = Events()
    for start in range(0, len(data), size):
        events.feed(data[start : start + size])


@settings(deadline=None)
@given(st.integers(1, 30))
def test_pieces_of_any_size_give_the_same_events(size: int) -> None:
    data = b"".join(frame(n, f"line {n} ü") for n in range(1, 6))
    events = Events()
    found = [e for start in range(0, len(data), size) for e in events.feed(data[start : start + size])]
    assert found == Events().feed(data)
    assert [e.line for e in found] == [f"line {n} ü\n" for n in range(1, 6)]


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1)), st.integers(1, 10**12 - 1))  # noqa: DTZ001
def test_a_position_gives_its_event_id_back(at: datetime, number: int) -> None:
    event_id = f"{at:%Y-%m-%dT%H:%M:%S}Z/{number:012d}"
    assert event_id_of(position_of(event_id) or 0) == event_id


def test_positions_grow_and_ids_of_another_kind_have_none() -> None:
    ids = [
        "2026-06-01T12:02:03Z/000000000001",
        "2026-06-01T12:02:03Z/000000000002",
        "2026-06-01T12:02:03.5Z/000000000001",
        "2026-06-01T12:02:04Z/000000000000",
    ]
    positions = [position_of(i) for i in ids]
    assert positions == sorted(positions, key=lambda p: p or 0)
    assert [event_id_of(p or 0) for p in positions] == ids
    for odd in ("", "17", "2026-13-01T12:02:03Z/1", "2026-06-01T12:02:03Z/1234567890123", "2026-06-01 12:02:03Z/1"):
        assert position_of(odd) is None
    assert event_id_of(10**40) is None


async def test_events_without_a_position_are_left_out() -> None:
    wire = Wire()
    wire.on(ROUTE, OPEN)
    wire.lines = [b"data: x\n\n"]
    assert await look(wire) == []
