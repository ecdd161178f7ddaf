"""This computer, without a daemon and without a provider."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.journal.interface import JournalRefused
from lastcall.doctor import here
from lastcall.doctor.findings import Check, Finding, Room, document_of, exit_code
from tests.unit.doctor.kit import examined, named, room, status


async def test_nothing_configured_and_nothing_running_is_well(tmp_path: Path) -> None:
    findings = await examined(room(tmp_path))
    assert exit_code(findings) == 0, findings
    assert named(findings, "daemon").verdict == "warn"
    assert "lastcall daemon" in named(findings, "daemon").fix
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"


async def test_every_problem_of_the_configuration_is_a_finding(tmp_path: Path) -> None:
    findings = await examined(room(tmp_path, LASTCALL_LIMITS_MAX_MACHINES="0", RUNPOD_CLOUD_TYPE="moon"))
    wrong = [one for one in findings if one.verdict == "fail"]
    assert len(wrong) == 2
    assert {one.name for one in wrong} == {"configuration"}
    assert exit_code(findings) == 1


async def test_a_file_with_keys_that_others_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[runpod]\napi_key = "rpa_secret"\n')
    file.chmod(0o644)
    findings = await examined(room(tmp_path))
    [careless] = [one for one in findings if one.name == "configuration" and one.verdict == "warn"]
    assert "chmod 600" in careless.detail
    assert "rpa_secret" not in str(findings)


async def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "TRAINING", ("nosuchlibrary",))
    assert named(await examined(room(tmp_path)), "libraries").verdict == "warn"
    monkeypatch.setattr(here, "CORE", ("nosuchlibrary",))
    found = named(await examined(room(tmp_path)), "libraries")
    assert (found.verdict, "nosuchlibrary" in found.detail) == ("fail", True)


async def test_old_pythons_and_sqlites_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def old() -> None:
        raise JournalRefused("SQLite 3.1 can lose committed events")

    monkeypatch.setattr(here, "PYTHON_MIN", (99,))
    monkeypatch.setattr(here, "check_sqlite", old)
    findings = await examined(room(tmp_path))
    assert [one.name for one in findings if one.verdict == "fail"] == ["python", "SQLite"]


@pytest.mark.parametrize(("free", "verdict"), [(1 << 20, "fail"), (1 << 30, "warn"), (1 << 40, "ok")])
async def test_a_disk_that_fills_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    (tmp_path / "s").mkdir(0o700)
    monkeypatch.setattr("lastcall.doctor.here.shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert named(await examined(room(tmp_path)), "disk").verdict == verdict


async def test_a_state_directory_open_to_others_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(0o755)
    (tmp_path / "s").chmod(0o755)
    assert "chmod 700" in named(await examined(room(tmp_path)), "state").fix


def a_journal(folder: Path) -> Path:
    folder.mkdir(0o700)
    path = folder / here.JOURNAL
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (position INTEGER)")
        connection.executemany("INSERT INTO events VALUES (?)", [(n,) for n in range(2000)])
        connection.commit()
    return path


async def test_a_journal_is_read_through_without_being_touched(tmp_path: Path) -> None:
    path = a_journal(tmp_path / "s")
    before = path.read_bytes()
    assert named(await examined(room(tmp_path)), "journal").detail == "whole, 2000 events"
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [here.JOURNAL]


async def test_a_damaged_journal_fails(tmp_path: Path) -> None:
    path = a_journal(tmp_path / "s")
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    path.write_bytes(data)
    assert named(await examined(room(tmp_path)), "journal").verdict == "fail"
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 20)
    assert "backup" in named(await examined(room(tmp_path)), "journal").fix


async def test_a_running_daemon_speaks_for_its_journal(tmp_path: Path) -> None:
    where = room(tmp_path)
    where.status = status()
    assert (await here.journal(where))[0].verdict == "ok"
    where.status = status(alarms=[{"alarm": "journal_unsure", "detail": "the disk failed", "at": "x"}])
    assert (await here.journal(where))[0] == Finding(
        "journal", "fail", "the disk failed", "make room, or restart lastcall daemon"
    )


async def test_a_check_that_breaks_hides_no_other(tmp_path: Path) -> None:
    async def breaks(_: Room) -> list[Finding]:
        raise RuntimeError("secret words")

    async def works(_: Room) -> list[Finding]:
        return [Finding("second", "ok", "fine")]

    findings = await examined(room(tmp_path), [Check("first", breaks), Check("second", works)])
    assert [one.verdict for one in findings] == ["fail", "ok"]
    assert "secret words" not in str(findings)


async def test_a_check_that_hangs_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(where: Room) -> list[Finding]:
        await where.clock.sleep(1e9)
        return []

    monkeypatch.setattr("lastcall.doctor.command.CHECK_S", 0.0)
    [found] = await examined(room(tmp_path), [Check("slow", hangs)])
    assert found.verdict == "fail"


def test_the_document_says_all_and_whether_it_works() -> None:
    document = document_of([Finding("a", "warn", "b", "c")])
    assert document == {
        "schema": "doctor/v1",
        "ok": True,
        "checks": [{"name": "a", "verdict": "warn", "detail": "b", "fix": "c"}],
    }
    assert not document_of([Finding("a", "fail", "b")])["ok"]
