"""Appending, reading and the fence."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import apsw
import pytest

from actors.journal.interface import (
    ANY,
    NEW,
    START,
    Journal,
    JournalRefused,
    JournalUnavailable,
    Version,
    WrongVersion,
)
from actors.journal.sqlite import SqliteJournal
from tests.support.journal_kit import HandClock, command, counting_entropy, note, started


async def test_what_was_appended_is_read_back_equal(journal: SqliteJournal, clock: HandClock) -> None:
    contract: Journal = journal
    answer = await contract.append("job/1", NEW, [note(1), note(2)], actor="PodSupervisor", cause="sys:x")
    first, second = await contract.read("job/1")
    assert (answer.version, answer.position) == (2, 2)
    assert (first.event, first.stream, first.version, first.position) == (note(1), "job/1", 1, 1)
    assert (first.at, first.cause, first.actor) == (clock.now(), "sys:x", "PodSupervisor")
    assert second.event == note(2)
    assert first.event_id != second.event_id
    assert await contract.read("job/1", answer.version) == []
    assert await contract.read("job/1", Version(1)) == [second]
    assert await contract.read("job/unknown") == []


async def test_an_exact_version_is_the_fence(journal: SqliteJournal) -> None:
    first = await journal.append("job/1", NEW, [note()], actor="a")
    await journal.append("job/1", first.version, [note()], actor="a")
    with pytest.raises(WrongVersion) as refused:
        await journal.append("job/1", first.version, [note()], actor="b")
    assert refused.value.found == 2
    with pytest.raises(WrongVersion):
        await journal.append("job/1", NEW, [note()], actor="b")
    with pytest.raises(WrongVersion):
        await journal.append("job/2", Version(1), [note()], actor="b")
    assert (await journal.append("job/1", ANY, [note()], actor="b")).version == 3
    assert await journal.streams("job/") == ["job/1"]


async def test_version_zero_means_a_stream_without_events(journal: SqliteJournal) -> None:
    assert (await journal.append("job/1", Version(0), [note()], actor="a")).version == 1


async def test_streams_are_listed_by_prefix_in_order(journal: SqliteJournal) -> None:
    for name in ("job/b", "ledger", "job/a", "jobs"):
        await journal.append(name, NEW, [note()], actor="a")
    assert await journal.streams("job/") == ["job/a", "job/b"]
    assert await journal.streams("") == ["job/a", "job/b", "jobs", "ledger"]


async def test_an_append_without_events_is_a_mistake_of_the_caller(journal: SqliteJournal) -> None:
    with pytest.raises(ValueError, match="at least one event"):
        await journal.append("job/1", NEW, [], actor="a")


async def test_text_that_is_no_unicode_is_refused_and_leaves_the_journal_working(journal: SqliteJournal) -> None:
    with pytest.raises(JournalRefused, match="cannot be stored"):
        await journal.append("job/\ud800", NEW, [note()], actor="a")
    assert (await journal.append("job/1", NEW, [note()], actor="a")).position == 1


async def test_a_closed_journal_takes_and_gives_nothing(journal: SqliteJournal) -> None:
    await journal.close()
    await journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append("job/1", NEW, [note()], actor="a")
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.read("job/1")
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.identity()
    assert await journal.probe() is None
    assert [r async for r in journal.follow(START)] == []


async def test_a_follower_sees_what_was_and_what_comes_in_order(journal: SqliteJournal) -> None:
    await journal.append("job/1", NEW, [note(1)], actor="a")
    follower = journal.follow(START)
    assert (await anext(follower)).event == note(1)
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    assert not waiting.done()
    await journal.append("job/2", NEW, [note(2)], actor="a")
    assert (await waiting).event == note(2)
    await journal.close()
    with pytest.raises(StopAsyncIteration):
        await anext(follower)


async def test_closing_ends_a_follower_that_waits(journal: SqliteJournal) -> None:
    async def collect() -> list[object]:
        return [r async for r in journal.follow(START)]

    task = asyncio.ensure_future(collect())
    await asyncio.sleep(0)
    await journal.close()
    assert await task == []


async def test_a_late_follower_reads_many_pages(journal: SqliteJournal) -> None:
    await journal.append("job/1", NEW, [note(n) for n in range(1_200)], actor="a")
    seen = []
    async for recorded in journal.follow(START):
        seen.append(recorded.position)
        if len(seen) == 1_200:
            break
    assert seen == list(range(1, 1_201))


async def test_a_scan_ends_at_the_head_and_keeps_to_its_prefix(journal: SqliteJournal) -> None:
    for number in range(700):
        await journal.append(f"job/{number:03}", NEW, [note(number)], actor="a")
        await journal.append("node", ANY, [started(number)], actor="a")
    found = [r async for r in journal.scan("job/")]
    assert [r.stream for r in found] == [f"job/{n:03}" for n in range(700)]
    assert [r.stream async for r in journal.scan("job/", found[-2].position)] == ["job/699"]
    assert journal.head == 1_400


async def test_many_streams_are_read_at_once(journal: SqliteJournal) -> None:
    for number in range(300):
        await journal.append(f"job/{number}", NEW, [note(number), note(number + 1)], actor="a")
    wanted = [f"job/{n}" for n in range(0, 300)] + ["job/none"]
    found = {name: [r.event for r in events] async for name, events in journal.read_many(wanted)}
    assert found == {f"job/{n}": [note(n), note(n + 1)] for n in range(300)}


async def test_a_query_cannot_write(journal: SqliteJournal) -> None:
    await journal.append("job/1", NEW, [note()], actor="a")
    assert await journal.query("SELECT name FROM streams WHERE name = ?", ["job/1"]) == [("job/1",)]
    with pytest.raises(apsw.ReadOnlyError):
        await journal.query("DELETE FROM events")
    assert (await journal.append("job/1", ANY, [note()], actor="a")).version == 2


async def test_a_journal_in_memory_is_opened_again_after_a_crash(clock: HandClock) -> None:
    disk = apsw.Connection(":memory:")
    entropy = counting_entropy()
    before = SqliteJournal.memory(clock=clock, entropy=entropy, connection=disk)
    await before.append("job/1", NEW, [note(1)], actor="a")
    after = SqliteJournal.memory(clock=clock, entropy=entropy, connection=disk)
    await after.append("job/1", Version(1), [note(2)], actor="a")
    first, second = await after.read("job/1")
    assert [first.event, second.event] == [note(1), note(2)]
    assert first.event_id.rsplit("-", 1)[0] != second.event_id.rsplit("-", 1)[0]
    await after.close()
    assert disk.execute("SELECT count(*) FROM events").fetchone() == (2,)
    disk.close()


async def test_ids_follow_from_the_entropy_alone(clock: HandClock) -> None:
    async def ids() -> list[str]:
        journal = SqliteJournal.memory(clock=clock, entropy=counting_entropy())
        await journal.append("job/1", NEW, [note(), note()], actor="a")
        found = [r.event_id for r in await journal.read("job/1")]
        await journal.close()
        return found

    assert await ids() == await ids()


async def test_events_carry_the_time_of_their_commit(opened: Any, clock: HandClock) -> None:
    journal = await opened()
    clock.pass_s(1.25)
    await journal.append("job/1", NEW, [note()], actor="a")
    clock.pass_s(1)
    assert [r.at for r in await journal.read("job/1")] == [clock.now() - timedelta(seconds=1)]


async def test_a_journal_on_disk_is_the_same_after_reopening(opened: Any) -> None:
    journal = await opened()
    await journal.append("job/1", NEW, [note(1), command(1)], actor="a", cause="sys:1")
    before = await journal.read("job/1")
    await journal.close()
    again = await opened()
    assert await again.read("job/1") == before
    assert (await again.append("job/1", Version(2), [note(2)], actor="a")).position == 3


async def test_somebody_else_who_writes_the_file_cannot_break_the_fence(opened: Any) -> None:
    """Fault 53: even past the lock, an older version is noticed and no version is given twice."""
    one = await opened(threaded=True)
    two = await opened(threaded=True)
    await one.append("job/1", NEW, [note(1)], actor="a")
    await two.append("job/1", Version(1), [note(2)], actor="b")
    with pytest.raises(WrongVersion):
        await one.append("job/1", Version(1), [note(3)], actor="a")
    assert (await one.append("job/1", Version(2), [note(3)], actor="a")).position == 3


async def test_only_so_many_streams_are_remembered(journal: SqliteJournal) -> None:
    journal._store._streams._cached_max = 2
    for number in range(5):
        await journal.append(f"job/{number}", NEW, [note()], actor="a")
    assert len(journal._store._streams._entries) == 2
    with pytest.raises(WrongVersion):
        await journal.append("job/0", NEW, [note()], actor="a")
