"""The courier keeps what it knows when storage fails, and believes only what is positively there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from containers.job.courier import Courier, cleaned_progress, disk_free_bytes
from containers.job.folder import Folder, dump
from containers.job.policy import Reason
from containers.job.spool import Spool
from containers.job.standing import Standing
from containers.job.timer import AFTER_DEADLINE_S, Timer
from messages.folder import Heartbeat, Progress
from tests.unit.wrapper.fakes import NOW, StillClock, settings


class Desk:
    """A courier whose turns the test takes itself."""

    def __init__(self, root: Path) -> None:
        self.clock = StillClock()
        self.settings = settings(root, LASTCALL_CONTROL_INTERVAL_S="1", LASTCALL_HEARTBEAT_INTERVAL_S="1")
        self.root = self.settings.folder
        self.spool = Spool(1 << 20)
        self.woken = 0
        self.courier = Courier(self.settings, Folder(self.root, "mine"), "mine", self.clock, self.spool, self.wake)
        self.write("started.json", nonce="mine")

    def wake(self) -> None:
        self.woken += 1

    def write(self, name: str, **document: Any) -> None:
        (self.root / name).write_bytes(dump(document))

    def pass_time(self, seconds: float) -> float:
        self.clock.passed += seconds
        return self.courier.tick()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_highest_seq_counts_and_an_unreadable_control_keeps_the_last(desk: Desk) -> None:
    desk.courier.tick()
    assert desk.woken == 0
    desk.write("control.json", seq=2, soft_deadline="2027-01-15T08:00:00Z", stop_requested=False)
    desk.pass_time(1)
    for document in ({"seq": 1, "soft_deadline": "2027-01-15T08:00:00Z", "stop_requested": True}, {"seq": "3"}):
        desk.write("control.json", **document)
        desk.pass_time(1)
    (desk.root / "control.json").unlink()
    desk.pass_time(1)
    assert desk.courier.control is not None
    assert (desk.courier.control.seq, desk.courier.control.stop_requested) == (2, False)
    assert desk.woken == 1


def test_a_missing_claim_is_no_reason_but_another_nonce_is(desk: Desk) -> None:
    (desk.root / "started.json").unlink()
    desk.pass_time(20)
    (desk.root / "started.json").write_text("{")
    desk.pass_time(20)
    assert desk.woken == 0
    desk.write("started.json", nonce="other")
    desk.pass_time(20)
    assert desk.courier.fenced
    assert not desk.courier.marker_exists


@pytest.mark.parametrize(("holder", "elsewhere"), [("pod_other", True), ("pod_mine", False), (None, False)])
def test_a_claim_that_another_machine_took_over_is_its_to_end(desk: Desk, holder: str | None, elsewhere: bool) -> None:
    desk.courier._settings = replace(desk.courier._settings, machine_id="pod_mine")
    desk.write("started.json", nonce="other", machine_id=holder)
    desk.pass_time(20)
    assert (desk.courier.fenced, desk.courier.held_elsewhere) == (True, elsewhere)


def test_a_marker_fences(desk: Desk) -> None:
    desk.write("result.json")
    desk.pass_time(20)
    assert desk.courier.fenced
    assert desk.courier.marker_exists


def test_the_heartbeat_is_the_shape_the_daemon_reads(desk: Desk) -> None:
    desk.courier.vitals = {"stage": "running", "rss_bytes": 5, "memory_limit_bytes": 10, "gpu_use_percent": None}
    desk.courier.tick()
    beat = Heartbeat.model_validate_json((desk.root / "heartbeat.json").read_bytes())
    assert (beat.attempt, beat.stage, beat.rss_bytes, beat.at.timestamp()) == (1, "running", 5, NOW)
    assert beat.disk_free_bytes
    assert disk_free_bytes(desk.root / "none") is None


def test_log_files_wait_for_storage_and_are_tried_again(desk: Desk) -> None:
    desk.spool.add("stdout", "a", NOW, desk.clock.boot())
    desk.root.rename(desk.root.with_name("away"))
    desk.pass_time(6)
    assert desk.courier.log_files == 0
    assert 0 < desk.pass_time(0.1) <= 0.5
    desk.root.with_name("away").rename(desk.root)
    desk.pass_time(1)
    assert desk.courier.log_files == 1
    assert desk.courier.log_bytes == (desk.root / "log/000001.ndjson").stat().st_size
    assert json.loads((desk.root / "log/000001.ndjson").read_text())["text"] == "a"


def test_a_log_file_of_somebody_else_keeps_its_number(desk: Desk) -> None:
    (desk.root / "log").mkdir()
    (desk.root / "log/000001.ndjson").write_text("other")
    desk.spool.add("stdout", "a", NOW, desk.clock.boot())
    desk.pass_time(6)
    desk.pass_time(1)
    assert (desk.root / "log/000001.ndjson").read_text() == "other"
    assert desk.courier.log_files == 2
    assert desk.courier.log_bytes == (desk.root / "log/000002.ndjson").stat().st_size


def test_progress_is_copied_when_it_changes_and_only_what_is_sound(desk: Desk) -> None:
    path = desk.settings.scratch / "progress.json"
    for junk in (b"{", b"[]", b"x" * 100_000, b'{"percent": NaN}'):
        path.write_bytes(junk)
        desk.pass_time(1)
        assert not (desk.root / "progress.json").exists()
    path.write_text('{"stage": "fit", "percent": 12.5, "left_s": 240.5, "metric": {"loss": 1, "bad": "x"}, "junk": 1}')
    desk.pass_time(1)
    progress = Progress.model_validate_json((desk.root / "progress.json").read_bytes())
    assert (progress.stage, progress.percent, progress.metric) == ("fit", 12.5, {"loss": 1})
    assert progress.left_s == 240.5
    written = (desk.root / "progress.json").stat().st_ino
    desk.pass_time(1)
    assert (desk.root / "progress.json").stat().st_ino == written


def test_progress_that_could_not_be_written_is_written_later(desk: Desk) -> None:
    (desk.settings.scratch / "progress.json").write_text('{"stage": "fit"}')
    desk.root.rename(desk.root.with_name("away"))
    desk.pass_time(1)
    desk.root.with_name("away").rename(desk.root)
    desk.pass_time(1)
    assert (desk.root / "progress.json").exists()


def test_progress_through_a_symlink_is_not_read(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"stage": "secret"}')
    (desk.settings.scratch / "progress.json").symlink_to(tmp_path / "secret")
    desk.pass_time(1)
    assert not (desk.root / "progress.json").exists()


def test_progress_fields_are_bounded() -> None:
    cleaned = cleaned_progress(
        {"stage": "s" * 9999, "message": 3, "percent": 101, "metric": {str(n): n for n in range(999)}}
    )
    assert len(cleaned["stage"]) == 500
    assert set(cleaned) == {"stage", "metric"}
    assert len(cleaned["metric"]) == 50
    assert [cleaned_progress({"left_s": junk}) for junk in (-1, 1e9, True, "3", float("nan"))] == [{}] * 5
    assert cleaned_progress({"percent": True, "metric": {"a": float("inf")}}) == {"metric": {}}


def test_finishing_writes_what_waits(desk: Desk) -> None:
    desk.courier.start()
    desk.spool.add("stdout", "last", NOW, desk.clock.boot())
    desk.courier.poke()
    assert desk.courier.finish(10.0)
    assert [path.name for path in (desk.root / "log").iterdir()] == ["000001.ndjson"]


def test_a_stop_once_heard_stays_and_moves_the_timer(desk: Desk) -> None:
    timer = Timer(desk.clock, NOW + 100, NOW + 500, lambda: None)
    grace: float | None = None
    standing = Standing(desk.settings, desk.clock, desk.courier, timer, lambda: grace)
    assert standing.moment().left_s == 100
    assert timer.left_s() == 100 + AFTER_DEADLINE_S
    desk.write("control.json", seq=1, soft_deadline="2027-01-15T08:00:10Z", stop_requested=False)
    desk.courier.read_control()
    assert standing.moment().left_s == 10
    assert timer.left_s() == 10 + AFTER_DEADLINE_S
    desk.write("control.json", seq=2, soft_deadline="2027-01-15T09:00:10Z", stop_requested=True)
    desk.courier.read_control()
    assert standing.moment().stopping_s == 0
    assert standing.moment().left_s == 200  # the reserve before the hard deadline
    desk.write("control.json", seq=3, soft_deadline="2027-01-15T08:00:10Z", stop_requested=False)
    desk.courier.read_control()
    desk.clock.passed += 3
    grace = 4.0
    moment = standing.moment()
    assert (moment.stopping_s, moment.interrupted_s, moment.fenced) == (3, 0, False)
    assert (moment.interrupt_grace_s, standing.noticed_s()) == (4.0, 0)
    desk.clock.passed += 2
    assert (standing.moment().interrupted_s, standing.noticed_s()) == (2, 2)
    assert Reason.CANCELLED.value == "cancelled"


@pytest.mark.parametrize("text", ['{"percent": 1' + "0" * 400 + "}", '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_no_number_and_no_nesting_of_the_work_ends_the_courier(desk: Desk, text: str) -> None:
    desk.settings.scratch.mkdir(parents=True, exist_ok=True)
    (desk.settings.scratch / "progress.json").write_text(text)
    desk.courier.tick()
    desk.pass_time(1)
    assert desk.courier.control is None
