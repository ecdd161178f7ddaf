"""Reading what a machine wrote (fault 29): torn, oversized, foreign or newer files never mislead or break."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.storage.folder import (
    LOG_FILE_BYTES_MAX,
    LOG_FILE_NUMBER_MAX,
    MARKER_BYTES_MAX,
    SMALL_FILE_BYTES_MAX,
    FolderView,
    JobFolder,
)
from messages.folder import Control, Spec, Work
from providers.interface import Unavailable
from tests.unit.storage.kit import Clock, MemoryStore

KEY = "jobs/user_usr_aaaaaaaaaa/job_jjjjjjjjjj/2"
AT = "2026-05-01T00:00:00Z"
STARTED = {"attempt": 2, "nonce": "n1", "started_at": AT, "machine": "lc1"}
HEARTBEAT = {"attempt": 2, "at": AT, "rss_bytes": 5}
PROGRESS = {"stage": "fit", "percent": 40.0}
MARKER = {
    "schema": "result/v1",
    "attempt": 2,
    "nonce": "n1",
    "outcome": "succeeded",
    "ended_at": AT,
    "artifacts": [{"name": "artifacts/model.skops", "size_bytes": 1, "sha256": "0" * 64}],
}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(Clock())


async def put(store: MemoryStore, name: str, body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    await store.write(f"{KEY}/{name}", data)


async def test_an_empty_folder_says_nothing(store: MemoryStore) -> None:
    assert await JobFolder(store, KEY).look() == FolderView()
    assert await JobFolder(store, KEY).log_file(1) is None


async def test_one_look_reads_everything_and_the_marker_last(store: MemoryStore) -> None:
    for name, body in (
        ("started", STARTED),
        ("heartbeat", HEARTBEAT),
        ("progress", PROGRESS),
        ("result", MARKER),
    ):
        await put(store, f"{name}.json", body)
    store.calls.clear()
    view = await JobFolder(store, KEY).look()
    assert (view.started and view.started.nonce, view.heartbeat and view.heartbeat.rss_bytes) == ("n1", 5)
    assert (view.progress and view.progress.percent, view.marker and view.marker.outcome) == (40.0, "succeeded")
    assert not view.reasons
    assert [key.rsplit("/", 1)[1] for _, key in store.calls] == [
        "started.json",
        "heartbeat.json",
        "progress.json",
        "result.json",
    ]


async def test_what_can_never_change_is_not_fetched_twice_and_nothing_is_ever_listed(store: MemoryStore) -> None:
    await put(store, "started.json", STARTED)
    await put(store, "result.json", MARKER)
    folder = JobFolder(store, KEY)
    view = await folder.look()
    store.calls.clear()
    again = await folder.look(view)
    assert (again.started, again.marker) == (view.started, view.marker)
    assert [call for call, _ in store.calls] == ["get", "get"]


async def test_who_knows_that_the_work_runs_does_not_read_its_start_again(store: MemoryStore) -> None:
    await put(store, "started.json", STARTED)
    await put(store, "heartbeat.json", HEARTBEAT)
    store.calls.clear()
    view = await JobFolder(store, KEY).look(runs=True)
    assert (view.started, view.heartbeat is not None) == (None, True)
    assert [key.rpartition("/")[2] for _, key in store.calls] == ["heartbeat.json", "progress.json", "result.json"]


async def test_a_newer_wrapper_may_say_more(store: MemoryStore) -> None:
    artifact = {"name": "artifacts/a", "size_bytes": 1, "sha256": "0" * 64, "kind": "new"}
    await put(store, "result.json", {**MARKER, "later": 1, "artifacts": [artifact]})
    await put(store, "started.json", {**STARTED, "later": {}})
    view = await JobFolder(store, KEY).look()
    assert view.marker is not None
    assert view.started is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        json.dumps(MARKER).encode()[:-5],
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"attempt": NaN}',
        b'{"attempt": 1e999}',
        json.dumps({**MARKER, "outcome": "wonderful"}).encode(),
        json.dumps({**MARKER, "artifacts": ["x"]}).encode(),
        json.dumps({**MARKER, "artifacts": 7}).encode(),
        json.dumps({**MARKER, "ended_at": "2026-05-01T00:00:00"}).encode(),
        json.dumps({**MARKER, "detail": "x" * MARKER_BYTES_MAX}).encode(),
    ],
)
async def test_a_torn_or_strange_marker_is_no_marker_and_says_why(store: MemoryStore, data: bytes) -> None:
    await put(store, "result.json", data)
    folder = JobFolder(store, KEY)
    assert await folder.read_marker() is None
    assert folder.reasons["result.json"]
    assert (await folder.look()).reasons["result.json"]
    await put(store, "result.json", MARKER)
    assert await folder.read_marker() is not None
    assert not folder.reasons


async def test_a_log_is_counted_by_what_lies_in_its_folder(store: MemoryStore) -> None:
    folder = JobFolder(store, KEY)
    assert await folder.count_log() == (0, 0)
    await put(store, "log/000001.ndjson", b"x" * 10)
    await put(store, "log/000002.ndjson", b"x" * 5)
    await put(store, "heartbeat.json", HEARTBEAT)
    assert await folder.count_log() == (2, 15)


@pytest.mark.parametrize("name", ["started.json", "heartbeat.json", "result.json"])
async def test_a_file_of_another_attempt_is_ignored(store: MemoryStore, name: str) -> None:
    body = {"started.json": STARTED, "heartbeat.json": HEARTBEAT, "result.json": MARKER}[name]
    await put(store, name, {**body, "attempt": 1})
    view = await JobFolder(store, KEY).look()
    assert (view.started, view.heartbeat, view.marker) == (None, None, None)
    assert "attempt 1" in view.reasons[name]


async def test_an_endless_progress_file_is_cut_off(store: MemoryStore) -> None:
    await put(store, "progress.json", b" " * (SMALL_FILE_BYTES_MAX + 1))
    folder = JobFolder(store, KEY)
    assert await folder.read_progress() is None
    assert "more than" in folder.reasons["progress.json"]


async def test_a_store_that_does_not_answer_is_not_an_empty_folder(store: MemoryStore) -> None:
    store.fail = lambda call, key: Unavailable("no answer")
    with pytest.raises(Unavailable):
        await JobFolder(store, KEY).look()
    with pytest.raises(Unavailable):
        await JobFolder(store, KEY).log_file(1)


async def test_log_lines_come_by_number_and_broken_lines_are_left_out(store: MemoryStore) -> None:
    lines = [{"at": AT, "stream": "stdout", "text": "one"}, {"at": AT, "stream": "stderr", "text": "two", "new": 1}]
    data = b"\n".join([json.dumps(lines[0]).encode(), b"{torn", b"", json.dumps(lines[1]).encode(), b""])
    await put(store, "log/000003.ndjson", data)
    got = await JobFolder(store, KEY).log_file(3)
    assert [line.text for line in got or []] == ["one", "two"]
    assert [call for call, _ in store.calls] == ["put", "get"]


async def test_an_oversized_log_file_is_skipped_rather_than_awaited_for_ever(store: MemoryStore) -> None:
    await put(store, "log/000001.ndjson", b"x" * (LOG_FILE_BYTES_MAX + 1))
    assert await JobFolder(store, KEY).log_file(1) == []


@pytest.mark.parametrize("number", [0, -1, LOG_FILE_NUMBER_MAX + 1])
async def test_there_is_no_log_file_of_an_impossible_number(store: MemoryStore, number: int) -> None:
    assert await JobFolder(store, KEY).log_file(number) is None
    assert not store.calls


async def test_spec_and_control_are_written_whole_in_the_shapes_the_wrapper_reads(store: MemoryStore) -> None:
    folder = JobFolder(store, KEY)
    await folder.write_spec(Spec(job_id="job_jjjjjjjjjj", attempt=2, work=Work(argv=("python",))))
    await folder.write_control(Control(seq=3, soft_deadline=datetime(2026, 5, 1, tzinfo=UTC), stop_requested=True))
    spec = json.loads(store.objects[f"{KEY}/spec.json"][0])
    control = json.loads(store.objects[f"{KEY}/control.json"][0])
    assert (spec["schema"], spec["work"]["argv"]) == ("spec/v1", ["python"])
    assert control == {"seq": 3, "soft_deadline": AT, "stop_requested": True}


@pytest.mark.parametrize("key", ["jobs/x", "jobs/x/", "jobs/x/-1", "jobs/x/²"])
def test_a_key_without_an_attempt_is_no_job_folder(store: MemoryStore, key: str) -> None:
    with pytest.raises(ValueError, match="attempt"):
        JobFolder(store, key)


@given(st.binary(max_size=200))
async def test_no_bytes_whatever_break_the_reader(data: bytes) -> None:
    store = MemoryStore(Clock())
    for name in ("started.json", "heartbeat.json", "progress.json", "result.json", "log/000001.ndjson"):
        await put(store, name, data)
    view = await JobFolder(store, KEY).look()
    assert view.marker is None
    assert isinstance(await JobFolder(store, KEY).log_file(1), list)
