"""The carrier keeps the newest checkpoint whole in the job folder, and whatever fails costs a checkpoint at most."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import pytest

from containers.job import carrier as module
from containers.job.carrier import Carrier
from containers.job.folder import Folder
from containers.job.scratch import checkpoint_file
from messages.folder import CHECKPOINT
from tests.support.patience import wait_until
from tests.unit.wrapper.fakes import StillClock, settings


class Desk:
    """A carrier whose turns the test takes itself."""

    def __init__(self, root: Path, **more: str) -> None:
        self.clock = StillClock()
        self.settings = settings(root, **more)
        self.root = self.settings.folder
        self.folder = Folder(self.root, "mine")
        self.said: list[str] = []
        self.fenced = False
        self.carrier = Carrier(self.settings, self.folder, self.clock, lambda: self.fenced, self.said.append)
        self.source = checkpoint_file(self.settings)
        self.source.parent.mkdir()

    def work_keeps(self, data: bytes) -> None:
        new = self.source.with_name(".new")
        new.write_bytes(data)
        new.replace(self.source)

    def kept(self) -> list[bytes]:
        """What the job folder holds, newest first, each compared with its digest."""
        found = []
        for entry in json.loads((self.root / CHECKPOINT).read_bytes())["files"]:
            data = (self.root / entry["name"]).read_bytes()
            if (len(data), hashlib.sha256(data).hexdigest()) == (entry["size_bytes"], entry["sha256"]):
                found.append(data)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_newest_two_are_kept_and_nothing_that_has_not_changed_is_copied(desk: Desk) -> None:
    desk.carrier.look()
    assert not (desk.root / CHECKPOINT).exists()
    for number, expected in ((1, [b"1"]), (2, [b"2", b"1"]), (3, [b"3", b"2"])):
        desk.work_keeps(b"%d" % number)
        desk.carrier.look()
        assert desk.kept() == expected
    before = (desk.root / CHECKPOINT).stat().st_mtime_ns
    desk.carrier.look()
    assert (desk.root / CHECKPOINT).stat().st_mtime_ns == before
    assert sorted(path.name for path in desk.root.rglob("*") if path.is_file()) == ["1", "2", CHECKPOINT]


@pytest.mark.parametrize("at", ["keep", "replace"])
def test_a_copy_that_breaks_off_anywhere_leaves_the_one_before_it_whole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    for data in (b"1", b"2"):
        desk.work_keeps(data)
        desk.carrier.look()

    def torn(self: Folder, file: Any, name: str) -> dict[str, Any]:
        (self.root / name).write_bytes(b"half")
        raise OSError(errno.EIO, "gone")

    def away(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "gone")

    with monkeypatch.context() as broken:
        broken.setattr(Folder, at, torn if at == "keep" else away)
        desk.work_keeps(b"3")
        for _ in range(2):
            desk.carrier.look()
    assert desk.kept() == [b"2"]
    assert desk.said == ["the checkpoint could not be kept: gone"]
    desk.carrier.look()
    assert desk.kept() == [b"3", b"2"]


def test_another_wrappers_attempt_gets_no_checkpoint_of_ours(desk: Desk) -> None:
    desk.fenced = True
    desk.work_keeps(b"1")
    desk.carrier.look()
    assert list(desk.root.iterdir()) == []


def test_what_is_no_whole_file_of_a_size_is_not_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 3)
    desk.work_keeps(b"1234")
    desk.carrier.look()
    desk.source.unlink()
    (desk.settings.scratch / "else").write_bytes(b"1")
    desk.source.symlink_to(desk.settings.scratch / "else")
    desk.carrier.look()
    desk.source.unlink()
    os.mkfifo(desk.source)
    desk.carrier.look()
    assert not (desk.root / CHECKPOINT).exists()
    assert len(desk.said) == 3
    assert "at most 3 bytes" in desk.said[0]


def test_a_file_that_is_written_to_while_it_is_read_is_not_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Folder.keep

    def meanwhile(self: Folder, file: IO[bytes], name: str) -> dict[str, Any]:
        entry = real(self, file, name)
        with desk.source.open("ab") as more:
            more.write(b"more")
        return entry

    monkeypatch.setattr(Folder, "keep", meanwhile)
    desk.work_keeps(b"1")
    desk.carrier.look()
    assert not (desk.root / CHECKPOINT).exists()
    assert "not replaced whole" in desk.said[0]


def test_copying_takes_a_bounded_share_of_the_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Folder.keep

    def slow(self: Folder, file: IO[bytes], name: str) -> dict[str, Any]:
        desk.clock.passed += 20
        return real(self, file, name)

    desk.work_keeps(b"1")
    desk.carrier.look()
    assert desk.carrier._next == desk.clock.boot() + 15
    monkeypatch.setattr(Folder, "keep", slow)
    desk.work_keeps(b"2")
    desk.carrier.look()
    assert desk.carrier._next == desk.clock.boot() + 200


def test_the_thread_carries_and_takes_the_last_one_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, LASTCALL_CHECKPOINT_INTERVAL_S="0.05")
    desk.work_keeps(b"brought")
    desk.carrier.start()
    desk.carrier.look()
    assert not (desk.root / CHECKPOINT).exists(), "an earlier attempt has it already"
    desk.work_keeps(b"1")
    wait_until((desk.root / CHECKPOINT).exists)
    wait_until(lambda: desk.kept() == [b"1"])
    desk.clock.passed -= 1000  # the next is not due
    desk.work_keeps(b"2")
    desk.carrier.close(once_more=True)
    assert desk.carrier.wait(10)
    assert desk.kept() == [b"2", b"1"]
    desk.carrier.discard()
    assert [path.name for path in desk.root.rglob("*")] == ["checkpoint"]


def test_a_fault_of_ours_costs_the_checkpoint_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "ensure", lambda *_: 1 / 0)
    desk.carrier.start()
    desk.work_keeps(b"1")
    desk.carrier.close(once_more=True)
    assert desk.carrier.wait(10)
    assert desk.said == ["the checkpoint is not kept: ZeroDivisionError: division by zero"]


def test_a_carrier_that_was_never_started_is_closed_all_the_same(desk: Desk) -> None:
    desk.carrier.close(once_more=True)
    assert desk.carrier.wait(10)
    desk.carrier.discard()
