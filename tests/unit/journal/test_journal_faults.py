"""A failing disk: what is appended, what is refused, how the journal comes back. Faults 45 to 49, 59."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from actors.journal import schema
from actors.journal.interface import (
    ANY,
    NEW,
    JournalRefused,
    JournalUnavailable,
    JournalUnsure,
    Version,
    WrongVersion,
)
from actors.journal.mark import HighWater
from actors.journal.reserve import SpaceReserve
from actors.journal.trouble import Trouble, trouble_of
from messages.events import Reserved
from messages.ids import JobId, UserId
from tests.support.faulty_vfs import FaultyVFS
from tests.support.journal_kit import START, HandClock, note

BEGINNING = Reserved(
    reservation="r",
    job_id=JobId.derived("j"),
    user_id=UserId.derived("u"),
    attempt=1,
    hold_usd="0.5",
    at=START,
)


@pytest.fixture
def vfs() -> Any:
    made = FaultyVFS()
    yield made
    made.unregister()


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_full_disk_takes_no_beginnings_but_still_the_ends(
    opened: Any, vfs: FaultyVFS, clock: HandClock, tmp_path: Path, threaded: bool
) -> None:
    """Fault 45: the first full write gives up the reserve; recovery comes by itself."""
    journal = await opened(vfs=vfs.name, threaded=threaded)
    reserve = tmp_path / "journal.reserve"
    assert reserve.stat().st_blocks > 0
    assert journal.degraded is None

    # One failure: giving the reserve up made room.
    vfs.bytes_left = 0
    original = journal._store.health.use_reserve

    def freed(now: Any) -> bool:
        vfs.heal()
        return bool(original(now))

    journal._store.health.use_reserve = freed
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.append("ledger", ANY, [BEGINNING], actor="CostLedger")
    assert not reserve.exists()
    assert "full" in (journal.degraded or "")
    assert (await journal.append("job/1", NEW, [note()], actor="a")).version == 1
    assert "full" in (journal.degraded or "")
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.append("ledger", ANY, [BEGINNING], actor="CostLedger")
    assert await journal.streams("") == ["job/1"]

    clock.pass_s(2)
    assert (await journal.append("ledger", ANY, [BEGINNING], actor="CostLedger")).version == 1
    assert journal.degraded is None
    assert reserve.exists()


async def test_a_disk_that_stays_full_appends_nothing_and_nothing_half(
    opened: Any, vfs: FaultyVFS, clock: HandClock
) -> None:
    journal = await opened(vfs=vfs.name)
    await journal.append("job/1", NEW, [note(0)], actor="a")
    for left in range(0, 40_000, 4_000):
        vfs.bytes_left = left
        with pytest.raises(JournalUnavailable, match="full"):
            await journal.append("job/1", Version(1), [note(n) for n in range(400)], actor="a")
        assert len(await journal.read("job/1")) == 1
    clock.pass_s(2)
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.append("job/1", Version(1), [note(1)], actor="a")
    vfs.heal()
    assert (await journal.append("job/1", Version(1), [note(1)], actor="a")).version == 2
    assert journal.degraded is not None
    assert await journal.probe() is None


async def test_no_room_for_the_reserve_at_the_start_is_a_full_disk(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: HandClock
) -> None:
    def no_room(fd: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.posix_fallocate", no_room)
        journal = await opened()
        assert "full" in (journal.degraded or "")
        assert not (tmp_path / "journal.reserve").exists()
        with pytest.raises(JournalUnavailable):
            await journal.append("ledger", ANY, [BEGINNING], actor="CostLedger")
        assert await journal.probe() is not None
    assert await journal.probe() is None


async def test_a_probe_that_finds_a_full_disk_gives_the_reserve_back(
    opened: Any, vfs: FaultyVFS, tmp_path: Path
) -> None:
    journal = await opened(vfs=vfs.name)
    vfs.bytes_left = 0
    with pytest.raises(JournalUnavailable):
        await journal.append("job/1", NEW, [note()], actor="a")
    assert "full" in (await journal.probe() or "")
    assert not (tmp_path / "journal.reserve").exists()


@pytest.mark.parametrize("threaded", [False, True])
async def test_after_a_failing_sync_nothing_more_is_written_until_it_is_opened_again(
    opened: Any, vfs: FaultyVFS, threaded: bool
) -> None:
    """Fault 46, 59."""
    journal = await opened(vfs=vfs.name, threaded=threaded)
    await journal.append("job/1", NEW, [note(1)], actor="a")
    vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    with pytest.raises(JournalUnsure, match="restart Lastcall"):
        await journal.append("job/1", Version(1), [note(2)], actor="a")
    vfs.heal()
    with pytest.raises(JournalUnsure):
        await journal.append("job/1", Version(1), [note(3)], actor="a")
    with pytest.raises(JournalUnavailable):
        await journal.adopt("abcd", "1")
    assert "disk failed" in (await journal.probe() or "")
    await journal.close()

    again = await opened(vfs=vfs.name)
    assert again.degraded is None
    found = [r.event for r in await again.read("job/1")]
    assert found in ([note(1)], [note(1), note(2)])
    assert (await again.append("job/1", ANY, [note(4)], actor="a")).version == len(found) + 1


async def test_a_failing_sync_of_a_checkpoint_counts_too(opened: Any, vfs: FaultyVFS) -> None:
    journal = await opened(vfs=vfs.name)
    await journal.append("job/1", NEW, [note(1)], actor="a")
    vfs.fail_sync = apsw.SQLITE_IOERR_FSYNC
    journal._store.checkpoint()
    vfs.heal()
    with pytest.raises(JournalUnsure):
        await journal.append("job/1", ANY, [note(2)], actor="a")


async def test_a_checkpoint_without_room_waits_for_the_next(opened: Any, vfs: FaultyVFS) -> None:
    journal = await opened(vfs=vfs.name)
    await journal.append("job/1", NEW, [note(1)], actor="a")
    vfs.bytes_left = 0
    journal._store.checkpoint()
    vfs.heal()
    assert (await journal.append("job/1", ANY, [note(2)], actor="a")).version == 2


async def test_a_read_only_disk_appends_nothing_and_works_again_when_it_is_writable(
    opened: Any, vfs: FaultyVFS
) -> None:
    journal = await opened(vfs=vfs.name)
    vfs.fail_write = apsw.SQLITE_READONLY
    with pytest.raises(JournalUnavailable, match="read-only"):
        await journal.append("job/1", NEW, [note()], actor="a")
    assert "read-only" in (journal.degraded or "")
    with pytest.raises(JournalUnavailable, match="read-only"):
        await journal.adopt("abcd", "1")
    assert "read-only" in (await journal.probe() or "")
    vfs.heal()
    await journal.append("job/1", NEW, [note()], actor="a")
    assert journal.degraded is None


async def test_a_held_lock_is_waited_for_within_bounds_and_without_the_loop(opened: Any, tmp_path: Path) -> None:
    """Fault 47."""
    journal = await opened(threaded=True, busy_timeout_ms=150)
    holder = apsw.Connection(str(tmp_path / "journal.db"))
    holder.execute("BEGIN IMMEDIATE")
    ticks = 0
    task = asyncio.ensure_future(journal.append("job/1", NEW, [note()], actor="a"))
    while not task.done():
        ticks += 1
        await asyncio.sleep(0.005)
    with pytest.raises(JournalUnavailable, match="lock"):
        await task
    assert ticks > 5
    later = asyncio.ensure_future(journal.append("job/1", NEW, [note()], actor="a"))
    await asyncio.sleep(0)
    holder.execute("ROLLBACK")
    holder.close()
    assert (await later).version == 1
    assert journal.degraded is None


async def test_a_batch_with_a_wrong_version_and_bad_text_leaves_its_neighbours_whole(opened: Any) -> None:
    journal = await opened(threaded=True)
    await journal.append("job/0", NEW, [note()], actor="a")
    results = await asyncio.gather(
        *(
            journal.append(stream, NEW, [note(1)], actor="a")
            for stream in ("job/1", "job/0", "job/2", "job/\ud800", "job/3", "job/1")
        ),
        return_exceptions=True,
    )
    kinds = [type(r).__name__ for r in results]
    assert kinds == ["Appended", "WrongVersion", "Appended", "JournalRefused", "Appended", "WrongVersion"]
    assert isinstance(results[5], WrongVersion)
    assert await journal.streams("job/") == ["job/0", "job/1", "job/2", "job/3"]
    assert [r.position async for r in journal.scan()] == [1, 2, 3, 4]


async def test_a_damaged_file_is_refused_with_what_to_do(opened: Any, tmp_path: Path) -> None:
    """Fault 48."""
    journal = await opened()
    for number in range(200):
        await journal.append(f"job/{number}", NEW, [note(number)], actor="a")
    await journal.close()
    path = tmp_path / "journal.db"
    content = bytearray(path.read_bytes())
    content[8_192 : 8_192 * 3] = b"\xff" * 8_192 * 2
    path.write_bytes(content)
    with pytest.raises(JournalRefused, match=r"damaged.*backup"):
        await opened()


async def test_a_file_that_is_no_database_is_refused(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"hello world " * 1_000)
    with pytest.raises(JournalRefused, match="damaged"):
        await opened()


async def test_damage_found_while_reading_is_said(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "CHECK_BYTES_MAX", 0)
    journal = await opened()
    await journal.append("job/1", ANY, [note(number) for number in range(2_000)], actor="a")
    await journal.close()
    path = tmp_path / "journal.db"
    content = bytearray(path.read_bytes())
    page = len(content) // 8_192 // 2
    content[page * 8_192 : page * 8_192 + 100] = b"\xff" * 100
    path.write_bytes(content)
    again = await opened()
    with pytest.raises(JournalRefused, match="damaged"):
        await again.read("job/1")


async def test_a_read_that_fails_for_now_is_unavailable(opened: Any) -> None:
    journal = await opened()

    def fail(_: apsw.Connection) -> None:
        raise apsw.BusyError("held")

    with pytest.raises(JournalUnavailable, match="cannot be read: held"):
        await journal._reader._ask(fail)


async def test_closing_ends_a_follower_whose_read_was_broken_off(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await opened()
    await journal.append("job/1", NEW, [note()], actor="a")

    async def broken(after: int) -> list[Any]:
        raise JournalUnavailable("interrupted")

    monkeypatch.setattr(journal._reader, "page", broken)
    with pytest.raises(JournalUnavailable, match="interrupted"):
        await anext(journal.follow(0))

    async def broken_by_close(after: int) -> list[Any]:
        journal._closed = True
        raise JournalUnavailable("interrupted")

    monkeypatch.setattr(journal._reader, "page", broken_by_close)
    assert [r async for r in journal.follow(0)] == []
    journal._closed = False


async def test_another_database_is_not_touched(opened: Any, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(JournalRefused, match="not a journal"):
        await opened()
    other = apsw.Connection(str(path))
    other.execute("PRAGMA user_version = 1")
    other.close()
    with pytest.raises(JournalRefused, match="not a journal"):
        await opened()


async def test_a_file_that_cannot_be_opened_is_unavailable(opened: Any, tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="cannot be opened"):
        await opened(tmp_path / "nowhere" / "journal.db")


@pytest.mark.parametrize("code", [apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE])
async def test_a_disk_that_fails_while_opening_is_unavailable(opened: Any, vfs: FaultyVFS, code: int) -> None:
    vfs.fail_write = code
    with pytest.raises(JournalUnavailable, match="cannot be opened: the disk"):
        await opened(vfs=vfs.name)
    vfs.heal()
    await opened(vfs=vfs.name)


async def test_the_last_note_at_closing_may_fail(opened: Any, vfs: FaultyVFS) -> None:
    journal = await opened(vfs=vfs.name)
    await journal.append("job/1", NEW, [note()], actor="a")
    vfs.fail_write = apsw.SQLITE_IOERR_WRITE
    await journal.close()
    vfs.heal()
    assert len(await (await opened(vfs=vfs.name)).read("job/1")) == 1


def test_every_error_has_a_trouble_and_the_unknown_ones_leave_it_unsure() -> None:
    assert trouble_of(apsw.FullError()) is Trouble.FULL
    assert trouble_of(apsw.CantOpenError()) is Trouble.READONLY
    assert trouble_of(apsw.LockedError()) is Trouble.BUSY
    assert trouble_of(apsw.IOError()) is Trouble.UNSURE
    assert trouble_of(apsw.ConstraintError()) is Trouble.UNSURE


@pytest.mark.parametrize("version", ["3.51.2", "3.40.1", "3.7.0"])
def test_a_sqlite_that_can_lose_commits_is_refused(version: str) -> None:
    """Fault 49."""
    with pytest.raises(JournalRefused, match=r"3\.51\.3"):
        schema.check_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "4.0.0"])
def test_a_sound_sqlite_is_taken(version: str) -> None:
    schema.check_sqlite(version)


def test_the_reserve_is_allocated_and_given_back_once(tmp_path: Path) -> None:
    reserve = SpaceReserve(tmp_path / "r", 8_192)
    assert reserve.hold()
    assert (tmp_path / "r").stat().st_size == 8_192
    assert reserve.release()
    assert not reserve.release()


def test_the_mark_is_read_as_nothing_when_it_is_damaged_and_passes_over_a_failing_write(tmp_path: Path) -> None:
    mark = HighWater(tmp_path / "mark")
    assert mark.read() == 0
    mark.write(7)
    assert mark.read() == 7
    (tmp_path / "mark").write_text("garbage")
    assert mark.read() == 0
    mark.close()
    mark.write(8)


async def test_damage_found_while_opening_is_refused(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "CHECK_BYTES_MAX", 0)
    journal = await opened()
    await journal.append("job/1", ANY, [note(number) for number in range(500)], actor="a")
    await journal.close()
    path = tmp_path / "journal.db"
    content = bytearray(path.read_bytes())
    content[8_192:] = b"\xff" * (len(content) - 8_192)
    path.write_bytes(content)
    with pytest.raises(JournalRefused, match="damaged"):
        await opened()
