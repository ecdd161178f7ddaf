"""At most one process gets a yes for an attempt."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from containers.job.folder import Folder
from containers.job.opening import Opening, open_attempt
from containers.job.policy import Reason
from tests.unit.wrapper.fakes import StillClock, settings

SPEC = {"schema": "spec/v1", "job_id": "job_aaaaaaaaaa", "attempt": 1, "work": {"argv": ["true"]}}


class Door:
    """One attempt's folder and a still clock."""

    def __init__(self, root: Path) -> None:
        self.clock = StillClock()
        self.settings = settings(root)
        self.root = self.settings.folder
        self.noticed = False
        self.write("spec.json", SPEC)

    def write(self, name: str, document: object) -> None:
        (self.root / name).write_text(json.dumps(document))

    def knock(self, nonce: str = "mine") -> Opening:
        return open_attempt(Folder(self.root, nonce), self.settings, nonce, self.clock, lambda: self.noticed)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_the_first_gets_the_spec_and_the_second_never(door: Door) -> None:
    first, second = door.knock("one"), door.knock("two")
    assert first.spec is not None
    assert (second.spec, second.reason) == (None, Reason.RESTARTED)
    assert second.started_at == pytest.approx(first.started_at)


def test_a_claim_lost_while_it_settles_is_lost(door: Door) -> None:
    door.clock.on_sleep = lambda: door.write("started.json", {"nonce": "other", "started_at": "junk"})
    opening = door.knock()
    assert (opening.reason, opening.started_at) == (Reason.RESTARTED, None)


@pytest.mark.parametrize(
    ("holder", "elsewhere"), [("pod_other", True), ("pod_mine", False), ("", False), (None, False), (7, False)]
)
def test_work_that_another_machine_holds_is_told_from_a_restart(door: Door, holder: object, elsewhere: bool) -> None:
    """Fault 17: two machines of one create; what is not known to be another one's counts as a restart."""
    door.settings = replace(door.settings, machine_id="pod_mine")
    door.write("started.json", {"nonce": "other", "machine_id": holder})
    opening = door.knock()
    assert (opening.reason, opening.held_elsewhere) == (Reason.RESTARTED, elsewhere)


def test_a_machine_that_does_not_know_its_id_takes_every_start_before_for_its_own(door: Door) -> None:
    door.write("started.json", {"nonce": "other", "machine_id": "pod_other"})
    assert not door.knock().held_elsewhere


def test_a_marker_says_no(door: Door) -> None:
    door.write("result.json", {})
    assert door.knock() == Opening(marker_exists=True)
    assert not (door.root / "started.json").exists()


def test_an_unreadable_folder_is_waited_for_and_then_given_up(door: Door) -> None:
    away = door.root.with_name("away")
    door.root.rename(away)
    opening = door.knock()
    assert opening.reason is Reason.FOLDER
    assert door.settings.folder_wait_s <= door.clock.passed < door.settings.folder_wait_s + 2

    def come_back() -> None:
        if away.exists():
            away.rename(door.root)

    door.clock.on_sleep = come_back
    assert door.knock().spec is not None


def test_a_spec_that_is_none_is_not_waited_for(door: Door) -> None:
    door.write("spec.json", {**SPEC, "attempt": 7})
    opening = door.knock()
    assert opening.reason is Reason.FOLDER
    assert "attempt" in opening.detail
    assert door.clock.passed == 0


def test_a_notice_ends_the_wait(door: Door) -> None:
    (door.root / "spec.json").unlink()

    def notice() -> None:
        door.noticed = True

    door.clock.on_sleep = notice
    assert door.knock().reason is Reason.INTERRUPTED


def test_a_claim_whose_answer_was_lost_is_not_made_twice(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    create, calls = Folder.create, []

    def lose_answer(self: Folder, name: str, data: bytes) -> bool:
        calls.append(name)
        create(self, name, data)
        raise OSError(errno.EIO, "answer lost")

    monkeypatch.setattr(Folder, "create", lose_answer)
    assert door.knock().spec is not None
    assert calls == ["started.json"]


def test_a_claim_that_failed_is_made_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    create, failures = Folder.create, [OSError(errno.EIO, "failed")]

    def fail_once(self: Folder, name: str, data: bytes) -> bool:
        if failures:
            raise failures.pop()
        return create(self, name, data)

    monkeypatch.setattr(Folder, "create", fail_once)
    assert door.knock().spec is not None


@pytest.mark.parametrize(
    ("heartbeat", "full"),
    [
        ({"rss_bytes": 95, "memory_limit_bytes": 100}, True),
        ({"rss_bytes": 94, "memory_limit_bytes": 100}, False),
        ({"rss_bytes": None, "memory_limit_bytes": 100}, False),
        ({"rss_bytes": 95, "memory_limit_bytes": 0}, False),
        ({}, False),
    ],
)
def test_the_last_heartbeat_tells_whether_memory_was_full(door: Door, heartbeat: dict[str, Any], full: bool) -> None:
    door.write("started.json", {"nonce": "other"})
    door.write("heartbeat.json", heartbeat)
    assert door.knock().memory_was_full is full
