"""Machine directories: made once, read back after a crash at any point, gone after the proof."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from providers.local import registry as registry_module
from providers.local.processes import ProcessKey
from providers.local.registry import MachineRecord, Registry, is_name, lock_is_free

AT = datetime(2026, 11, 23, 14, tzinfo=UTC)


def record(name: str = "lc1-a") -> MachineRecord:
    return MachineRecord(
        name=name,
        digest="d",
        account="local:x:0",
        boot_id="b",
        pid_namespace="p",
        uid=0,
        began=AT,
        rate_usd_per_hour=Decimal(1),
    )


def create(registry: Registry, name: str = "lc1-a") -> registry_module.Entry:
    entry, lock = registry.create(record(name))
    os.close(lock)
    return entry


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_directory_is_made_once(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    create(registry)
    with pytest.raises(FileExistsError):
        registry.create(record())


def test_members_survive_a_restart(tmp_path: Path) -> None:
    entry = create(Registry(tmp_path))
    entry.see({ProcessKey(5, 50)})
    entry.see({ProcessKey(5, 50), ProcessKey(6, 60)})
    assert Registry(tmp_path).entries["lc1-a"].members == {ProcessKey(5, 50), ProcessKey(6, 60)}


def test_the_members_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "MEMBER_LINES_MAX", 10)
    entry = create(Registry(tmp_path))
    for number in range(100):
        entry.see({ProcessKey(number, number)})
    assert len((entry.path / "members").read_text().splitlines()) <= 10
    assert ProcessKey(99, 99) in Registry(tmp_path).entries["lc1-a"].members


def test_torn_lines_of_the_members_file_are_passed_over(tmp_path: Path) -> None:
    entry = create(Registry(tmp_path))
    (entry.path / "members").write_text("5 50\n6\nx y\n7 70 70\n8 8")
    assert Registry(tmp_path).entries["lc1-a"].members == {ProcessKey(5, 50), ProcessKey(8, 8)}


def test_a_create_cut_before_its_record_leaves_no_machine(tmp_path: Path) -> None:
    (tmp_path / "machines" / "lc1-cut").mkdir(parents=True)
    registry = Registry(tmp_path)
    assert registry.entries == {}
    create(registry, "lc1-cut")


def test_a_create_cut_before_its_record_stays_while_its_lock_is_held(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    entry, lock = registry.create(record())
    (entry.path / "machine.json").unlink()
    assert set(Registry(tmp_path).entries) == {"lc1-a"}
    os.close(lock)
    assert Registry(tmp_path).entries == {}
    assert not entry.path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "lc1-a"}', "[" * 100_000, "\x00" * 100])
def test_a_machine_whose_record_is_damaged_is_not_forgotten(tmp_path: Path, text: str) -> None:
    entry = create(Registry(tmp_path))
    entry.see({ProcessKey(5, 50)})
    (entry.path / "machine.json").write_text(text)
    found = Registry(tmp_path).entries["lc1-a"]
    assert found.damaged
    assert (found.name, found.members) == ("lc1-a", {ProcessKey(5, 50)})


def test_a_record_that_is_gone_from_a_machine_that_ran_is_a_damaged_one(tmp_path: Path) -> None:
    entry = create(Registry(tmp_path))
    (entry.path / "console.log").touch()
    (entry.path / "machine.json").unlink()
    assert Registry(tmp_path).entries["lc1-a"].damaged


def test_a_record_under_another_name_is_not_believed(tmp_path: Path) -> None:
    entry = create(Registry(tmp_path))
    entry.path.rename(tmp_path / "machines" / "lc1-b")
    [found] = Registry(tmp_path).entries.values()
    assert (found.name, found.damaged, found.record.digest) == ("lc1-b", True, "")


@pytest.mark.parametrize("wrapper", [{"wrapper_pid": 0}, {"wrapper_pid": 2**70}, {"wrapper_start": -1}])
def test_a_record_with_an_impossible_process_is_damaged(tmp_path: Path, wrapper: dict[str, int]) -> None:
    entry = create(Registry(tmp_path))
    (entry.path / "machine.json").write_text(json.dumps(json.loads(record().model_dump_json()) | wrapper))
    assert Registry(tmp_path).entries["lc1-a"].damaged


def test_impossible_lines_of_the_members_file_are_passed_over(tmp_path: Path) -> None:
    entry = create(Registry(tmp_path))
    (entry.path / "members").write_text(f"{'9' * 5000} 1\n1 {'9' * 5000}\n0 5\n{2**40} 1\n7 70\n")
    assert Registry(tmp_path).entries["lc1-a"].members == {ProcessKey(7, 70)}


def test_no_more_members_are_read_back_than_may_live_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "MEMBER_LINES_READ_MAX", 10)
    entry = create(Registry(tmp_path))
    (entry.path / "members").write_text("".join(f"{n} 1\n" for n in range(1, 1000)))
    assert len(Registry(tmp_path).entries["lc1-a"].members) == 10


def test_members_that_could_not_be_written_are_written_with_the_next_look(tmp_path: Path) -> None:
    entry = create(Registry(tmp_path))
    (entry.path / "members").mkdir()
    entry.see({ProcessKey(5, 50)})
    assert entry.members == {ProcessKey(5, 50)}
    (entry.path / "members").rmdir()
    entry.see({ProcessKey(5, 50)})
    assert Registry(tmp_path).entries["lc1-a"].members == {ProcessKey(5, 50)}


@pytest.mark.parametrize("step", ["write", "flock"])
def test_a_create_that_the_disk_cuts_short_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    registry = Registry(tmp_path)
    held = descriptors()
    monkeypatch.setattr(*{"write": (registry, "write"), "flock": (fcntl, "flock")}[step], full)
    with pytest.raises(OSError, match="No space"):
        registry.create(record())
    monkeypatch.undo()
    assert descriptors() == held
    assert list((tmp_path / "machines").iterdir()) == []
    create(registry)


def test_what_cannot_be_a_machine_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "machines"
    (folder / "Not a machine").mkdir(parents=True)
    (folder / "lc1-link").symlink_to(tmp_path)
    assert Registry(tmp_path).entries == {}
    assert {path.name for path in folder.iterdir()} == {"Not a machine", "lc1-link"}


def test_an_end_cut_before_the_directory_went_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(tmp_path)
    entry = create(registry)
    monkeypatch.setattr("providers.local.registry.remove_folder", lambda path: False)
    registry.end(entry, AT + timedelta(seconds=3))
    monkeypatch.undo()
    assert entry.path.exists()
    again = Registry(tmp_path)
    assert not entry.path.exists()
    assert again.entries == {}
    assert again.ended["lc1-a"].seconds == 3


def test_only_the_newest_consoles_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "CONSOLES_KEPT", 2)
    monkeypatch.setattr(registry_module, "CONSOLE_BYTES_KEPT", 4)
    registry = Registry(tmp_path)
    for number in range(4):
        entry = create(registry, f"lc1-{number}")
        (entry.path / "console.log").write_text(f"long text {number:04d}")
        registry.end(entry, AT)
    kept = {path.name: path.read_text() for path in (tmp_path / "consoles").iterdir()}
    assert len(kept) == 2
    assert kept["lc1-3.log"] == "0003"


def test_a_lock_nobody_can_hold_is_free(tmp_path: Path) -> None:
    assert lock_is_free(tmp_path)
    (tmp_path / "lock").symlink_to(tmp_path)
    assert lock_is_free(tmp_path)


@pytest.mark.parametrize("name", ["a", "lc1-abc", "x" * 63, "0-0"])
def test_names_that_can_be(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "a-", "x" * 64, "a b", "a\n", "ä"])
def test_names_that_cannot_be(name: str) -> None:
    assert not is_name(name)
