"""install.json, generations, safe mode, backups, migrations, the lock. Faults 48, 53, 55."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import apsw
import pytest

from actors.journal.identity import Identity
from actors.journal.install import Install, load_or_create, renew, safe_mode
from actors.journal.interface import ANY, NEW, JournalRefused, JournalUnavailable
from actors.journal.lock import StateLock, StateLocked
from tests.support.journal_kit import START, counting_entropy, note


def make(state: Path, *, journal_exists: bool = False, entropy: Any = None) -> Install:
    return load_or_create(state, journal_exists=journal_exists, entropy=entropy or counting_entropy(), now=START)


def test_an_installation_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert (len(first.installation), len(first.generation), len(first.name_key)) == (6, 4, 32)
    assert stat.S_IMODE((tmp_path / "install.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["install.json"]
    assert make(tmp_path, journal_exists=True) == first
    assert first.name_key.hex() not in repr(first)


def test_a_missing_journal_makes_a_new_generation_and_keeps_the_names_ours(tmp_path: Path) -> None:
    entropy = counting_entropy()
    first = make(tmp_path, entropy=entropy)
    second = make(tmp_path, entropy=entropy)
    assert second.generation != first.generation
    assert (second.installation, second.name_key) == (first.installation, first.name_key)


def test_a_new_generation_is_never_the_old_one(tmp_path: Path) -> None:
    first = make(tmp_path, entropy=lambda count: b"\x01" * count)
    answers = iter([b"\x01" * 5, b"\x02" * 5])
    assert renew(tmp_path, first, lambda _: next(answers)).generation != first.generation


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema"', '"shape"'),
        ("install/v1", "install/v9"),
        ('"name_key": "', '"name_key": "zz'),
        ('"name_key": "', '"name_key": "00'),
        ('"installation": "', '"installation": "!'),
        ('"generation": "', '"generation": 7, "was": "'),
        ("{", "["),
    ],
)
def test_a_damaged_installation_is_refused_and_never_guessed(tmp_path: Path, old: str, new: str) -> None:
    make(tmp_path)
    path = tmp_path / "install.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(JournalRefused, match=r"install\.json"):
        make(tmp_path, journal_exists=True)


async def test_a_new_journal_belongs_to_nobody_and_is_adopted(opened: Any, tmp_path: Path) -> None:
    install = make(tmp_path)
    journal = await opened()
    assert (await journal.identity()).new
    assert safe_mode(install, await journal.identity()) is None
    await journal.adopt(install.generation, install.home)
    await journal.close()
    again = await opened()
    assert await again.identity() == Identity(install.generation, install.home)
    assert safe_mode(make(tmp_path, journal_exists=True), await again.identity()) is None


async def test_another_generation_means_safe_mode_until_one_is_made(opened: Any, tmp_path: Path) -> None:
    entropy = counting_entropy()
    install = make(tmp_path, entropy=entropy)
    journal = await opened()
    await journal.adopt("zzzz", install.home)
    assert "generation zzzz" in (safe_mode(install, await journal.identity()) or "")
    renewed = renew(tmp_path, install, entropy)
    await journal.adopt(renewed.generation, renewed.home)
    assert safe_mode(renewed, await journal.identity()) is None


async def test_a_copied_state_directory_means_safe_mode(opened: Any, tmp_path: Path) -> None:
    """Fault 53."""
    original, copy = tmp_path / "a", tmp_path / "b"
    original.mkdir()
    install = make(original)
    journal = await opened(original / "journal.db")
    await journal.adopt(install.generation, install.home)
    await journal.close()
    shutil.copytree(original, copy)
    copied = await opened(copy / "journal.db")
    assert "copy" in (safe_mode(make(copy, journal_exists=True), await copied.identity()) or "")


async def test_a_backup_put_back_means_safe_mode(opened: Any, tmp_path: Path) -> None:
    """Fault 48."""
    install = make(tmp_path)
    journal = await opened(threaded=True)
    await journal.adopt(install.generation, install.home)
    await journal.append("job/1", NEW, [note(1)], actor="a")
    target = tmp_path / "backups.db"
    await journal.backup(target)
    await journal.backup(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not target.with_name("backups.db.part").exists()
    await journal.append("job/2", NEW, [note(2)], actor="a")
    await journal.close()
    target.replace(tmp_path / "journal.db")
    (tmp_path / "journal.mark").unlink()
    restored = await opened()
    assert [r.stream async for r in restored.scan()] == ["job/1"]
    assert "backup" in (safe_mode(install, await restored.identity()) or "")
    await restored.adopt(install.generation, install.home)
    assert safe_mode(install, await restored.identity()) is None


async def test_a_backup_that_fails_leaves_nothing(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await opened()

    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        await journal.backup(tmp_path / "b.db")
    assert not list(tmp_path.glob("b.db*"))


async def test_a_lost_write_ahead_log_is_noticed_and_stays_noticed(opened: Any, tmp_path: Path) -> None:
    """Fault 48: SQLite itself reads such a journal as sound and shorter."""
    install = make(tmp_path)
    journal = await opened()
    await journal.adopt(install.generation, install.home)
    await journal.append("job/1", NEW, [note(1), note(2)], actor="a")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("install.json", "journal.db", "journal.mark"):
        shutil.copy(tmp_path / name, crashed / name)
    for _ in range(2):
        shorter = await opened(crashed / "journal.db")
        assert "event 2 was committed" in (safe_mode(install, await shorter.identity()) or "")
        await shorter.append("job/9", ANY, [note(1), note(2), note(3)], actor="a")
        await shorter.close()
        (crashed / "journal.mark").unlink()
    fixed = await opened(crashed / "journal.db")
    await fixed.adopt("abcd", install.home)
    assert (await fixed.identity()).lost == ""


async def test_a_newer_shape_is_refused(opened: Any, tmp_path: Path) -> None:
    """Fault 55."""
    await (await opened()).close()
    connection = apsw.Connection(str(tmp_path / "journal.db"))
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(JournalRefused, match="newer version"):
        await opened()


async def test_an_older_shape_is_migrated_after_a_backup(opened: Any, tmp_path: Path) -> None:
    """Fault 55."""
    journal = await opened()
    await journal.append("job/1", NEW, [note(1)], actor="a")
    await journal.close()

    def half(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE added (x)")
        raise KeyboardInterrupt

    def add(connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE added (x)")

    with pytest.raises(KeyboardInterrupt):
        await opened(migrations={1: half}, schema_version=2)
    backup = tmp_path / "journal.db.before-schema-2"
    assert backup.exists()
    journal = await opened(migrations={1: add}, schema_version=2)
    assert await journal.query("SELECT count(*) FROM added") == [(0,)]
    assert [r.event for r in await journal.read("job/1")] == [note(1)]
    before = apsw.Connection(str(backup))
    assert before.execute("PRAGMA user_version").fetchone() == (1,)
    before.close()


async def test_an_event_of_the_future_refuses_the_start(opened: Any, tmp_path: Path) -> None:
    await (await opened()).close()
    connection = apsw.Connection(str(tmp_path / "journal.db"))
    connection.execute("INSERT INTO kinds VALUES ('job.teleported', 1)")
    connection.close()
    with pytest.raises(JournalRefused, match=r"job\.teleported"):
        await opened()


async def test_the_journal_is_closed_to_others(opened: Any, tmp_path: Path) -> None:
    journal = await opened()
    await journal.append("job/1", NEW, [note(1)], actor="a")
    for name in ("journal.db", "journal.db-wal", "journal.mark", "journal.reserve"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_state_directory_has_one_holder(tmp_path: Path) -> None:
    """Fault 53, rule 9."""
    state = tmp_path / "deep" / "state"
    lock = StateLock.take(state)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    with pytest.raises(StateLocked, match=f"process {os.getpid()}") as refused:
        StateLock.take(state)
    assert refused.value.pid == os.getpid()
    (state / "lock").write_text("")
    with pytest.raises(StateLocked, match="another process"):
        StateLock.take(state)
    lock.release()
    StateLock.take(state).release()


def test_a_started_program_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = StateLock.take(tmp_path)
    assert not os.get_inheritable(lock._fd)
    lock.release()


async def test_an_unadoptable_journal_says_why(opened: Any) -> None:
    journal = await opened()
    await journal.close()
    with pytest.raises(JournalUnavailable):
        await journal.adopt("abcd", "1")
