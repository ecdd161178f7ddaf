"""The committer: batches, order, cancelled waits, checkpoints, loops that are gone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from actors.journal import store as store_module
from actors.journal.committer import APPENDS_PER_COMMIT_MAX
from actors.journal.interface import ANY, NEW, JournalRefused
from actors.journal.sqlite import SqliteJournal
from actors.journal.store import EventStore
from actors.journal.worker import tell
from tests.support.faulty_vfs import FaultyVFS
from tests.support.journal_kit import HandClock, Starts, counting_entropy, note, started


def count_batches(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    commit = EventStore.commit

    def counted(self: EventStore, batch: Any, now: Any) -> Any:
        sizes.append(len(batch))
        return commit(self, batch, now)

    monkeypatch.setattr(EventStore, "commit", counted)
    return sizes


async def test_what_waits_goes_into_few_commits_of_bounded_size(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await opened(threaded=True)
    sizes = count_batches(journal, monkeypatch)
    held = threading.Event()
    blocked = journal._committer.call(lambda _: held.wait())
    tasks = [asyncio.ensure_future(journal.append(f"job/{n}", NEW, [note(n)], actor="a")) for n in range(1_100)]
    await asyncio.sleep(0)
    position = journal._committer.call(lambda store: store.position)
    held.set()
    await blocked
    answers = await asyncio.gather(*tasks)
    assert [a.position for a in answers] == list(range(1, 1_101))
    assert sizes == [APPENDS_PER_COMMIT_MAX, APPENDS_PER_COMMIT_MAX, 1_100 - 2 * APPENDS_PER_COMMIT_MAX]
    assert await position == 1_100


async def test_the_answers_of_a_batch_reach_the_loop_in_one_call(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await opened(threaded=True)
    held = threading.Event()
    blocked = journal._committer.call(lambda _: held.wait())
    tasks = [asyncio.ensure_future(journal.append("job/1", ANY, [note(n)], actor="a")) for n in range(100)]
    await asyncio.sleep(0)
    loop, calls = asyncio.get_running_loop(), []
    original = loop.call_soon_threadsafe

    def counted(callback: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(callback)
        return original(callback, *arguments, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    held.set()
    await asyncio.gather(blocked, *tasks)
    assert len(calls) == 2


async def test_a_cancelled_wait_does_not_take_the_events_back(opened: Any) -> None:
    journal = await opened(threaded=True)
    held = threading.Event()
    blocked = journal._committer.call(lambda _: held.wait())
    task = asyncio.ensure_future(journal.append("job/1", NEW, [note()], actor="a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()
    await blocked
    assert (await journal.append("job/1", ANY, [note()], actor="a")).version == 2


async def test_closing_waits_for_what_was_appended_and_leaves_no_thread(opened: Any) -> None:
    journal = await opened(threaded=True)
    tasks = [asyncio.ensure_future(journal.append("job/1", ANY, [note(n)], actor="a")) for n in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    assert [t.result().version for t in tasks] == list(range(1, 51))
    assert not [t for t in threading.enumerate() if t.name.startswith("journal")]


async def test_a_loop_that_is_gone_is_passed_over() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    tell(loop, lambda: None)


async def test_the_log_is_copied_when_it_has_grown(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHECKPOINT_PAGES", 3)
    journal = await opened()
    copied = 0
    original = journal._store.checkpoint

    def counted() -> None:
        nonlocal copied
        copied += 1
        original()

    monkeypatch.setattr(journal._store, "checkpoint", counted)
    for number in range(30):
        await journal.append("job/1", ANY, [note(number)], actor="a")
    assert 1 < copied < 30
    assert len(await journal.read("job/1")) == 30


async def test_the_last_note_of_the_read_models_may_fail(opened: Any) -> None:
    vfs = FaultyVFS()
    journal = await opened(vfs=vfs.name, projections=[Starts()])
    await journal.append("node", NEW, [started(1), note()], actor="a")
    await journal.append("job/1", NEW, [note()], actor="a")
    vfs.fail_write = apsw.SQLITE_IOERR_WRITE
    await journal.close()
    vfs.heal()
    again = await opened(vfs=vfs.name, projections=[Starts()])
    assert await again.query("SELECT run FROM starts") == [("r1",)]
    await again.close()
    vfs.unregister()


async def test_an_opening_that_fails_late_leaves_nothing_open(opened: Any, tmp_path: Path) -> None:
    journal = await opened()
    await journal.append("node", NEW, [started(1)], actor="a")
    await journal.close()
    connection = apsw.Connection(str(tmp_path / "journal.db"))
    connection.execute("UPDATE events SET body = '{}'")
    connection.close()
    with pytest.raises(JournalRefused, match="does not fit"):
        await opened(projections=[Starts()])
    await (await opened()).close()
    (tmp_path / "journal.db").chmod(0o600)


async def test_a_journal_in_memory_can_be_adopted(clock: HandClock) -> None:
    journal = SqliteJournal.memory(clock=clock, entropy=counting_entropy())
    await journal.adopt("abcd", "7")
    assert (await journal.identity()).generation == "abcd"
    await journal.close()


async def test_a_shorter_backup_is_noticed_as_both(opened: Any, tmp_path: Path) -> None:
    journal = await opened()
    await journal.append("job/1", NEW, [note(1)], actor="a")
    await journal.backup(tmp_path / "b.db")
    await journal.append("job/1", ANY, [note(2)], actor="a")
    await journal.close()
    (tmp_path / "b.db").replace(tmp_path / "journal.db")
    identity = await (await opened()).identity()
    assert identity.copied
    assert "event 2" in identity.lost
