"""What the wrapper reads: environment, spec, control, times."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containers.job.clock import Clock, epoch, instant
from containers.job.settings import LOG_BYTES_MAX, SettingsError, read
from containers.job.spec import Control, parse_control, parse_spec
from messages import folder as shapes
from tests.unit.wrapper.fakes import NOW, environment

SPEC = {"schema": "spec/v1", "job_id": "job_aaaaaaaaaa", "attempt": 1, "work": {"argv": ["true"]}}


def test_the_defaults_are_those_of_a_rented_machine(tmp_path: Path) -> None:
    settings = read(environment(tmp_path))
    assert (settings.term_lead_s, settings.kill_lead_s, settings.stop_grace_s) == (60, 15, 10)
    assert (settings.control_interval_s, settings.heartbeat_interval_s, settings.log_flush_s) == (15, 15, 5)
    assert (settings.nonce_interval_s, settings.nonce_settle_s, settings.folder_wait_s) == (15, 2, 120)
    assert settings.checkpoint_interval_s == 15
    assert (settings.memory_limit_bytes, settings.log_bytes_max, settings.lock_fd) == (0, LOG_BYTES_MAX, None)
    assert settings.path
    assert settings.scratch == tmp_path / "machine" / "scratch"


def test_the_soft_deadline_is_never_after_the_hard_one(tmp_path: Path) -> None:
    settings = read(environment(tmp_path, LASTCALL_SOFT_DEADLINE=str(NOW + 9000)))
    assert settings.soft_deadline == settings.hard_deadline


def test_an_interval_of_nothing_does_not_spin(tmp_path: Path) -> None:
    assert read(environment(tmp_path, LASTCALL_CONTROL_INTERVAL_S="0")).control_interval_s > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LASTCALL_MACHINE", ""),
        ("LASTCALL_JOB_FOLDER", ""),
        ("LASTCALL_JOB_FOLDER", "relative"),
        ("LASTCALL_MACHINE_DIR", ""),
        ("LASTCALL_SOFT_DEADLINE", ""),
        ("LASTCALL_HARD_DEADLINE", ""),
        ("LASTCALL_HARD_DEADLINE", "tomorrow"),
        ("LASTCALL_HARD_DEADLINE", "nan"),
        ("LASTCALL_SOFT_DEADLINE", "inf"),
        ("LASTCALL_MAX_RUNTIME_S", "-1"),
        ("LASTCALL_ATTEMPT", "one"),
        ("LASTCALL_PROVIDER", "moon"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read(environment(tmp_path, **{name: value}))


def test_a_spec_the_daemon_writes_is_read_back() -> None:
    written = shapes.Spec(
        job_id="job_aaaaaaaaaa",
        attempt=2,
        prepare=shapes.Work(argv=("sh",), limit_s=60),
        work=shapes.Work(argv=("python", "-m", "x"), environment={"A": "b"}),
        work_spec={"target": "t"},
        inputs={"data.csv": "users/x/data.csv"},
        artifacts_required=("artifacts/model.skops",),
        resume=("jobs/x/1/checkpoint.json",),
    )
    spec = parse_spec(written.model_dump(mode="json", by_alias=True), 2)
    assert spec.work.argv == ("python", "-m", "x")
    assert spec.work.environment == {"A": "b"}
    assert spec.prepare is not None
    assert spec.prepare.limit_s == 60
    assert spec.inputs == {"data.csv": "users/x/data.csv"}
    assert spec.resume == ("jobs/x/1/checkpoint.json",)
    assert (spec.work_spec, spec.artifacts_required) == ({"target": "t"}, ("artifacts/model.skops",))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "spec/v2"},
        {"attempt": 2},
        {"job_id": 3},
        {"work": None},
        {"work": {"argv": []}},
        {"work": {"argv": ["a", 1]}},
        {"work": {"argv": ["a\0b"]}},
        {"work": {"argv": "true"}},
        {"work": {"argv": ["a"], "environment": {"A": 1}}},
        {"work": {"argv": ["a"], "environment": {"A=B": "1"}}},
        {"work": {"argv": ["a"], "environment": []}},
        {"work": {"argv": ["a"], "limit_s": 0}},
        {"work": {"argv": ["a"], "limit_s": True}},
        {"work_spec": []},
        {"inputs": {"../x": "a"}},
        {"inputs": {"work.json": "a"}},
        {"inputs": {"out": "a"}},
        {"inputs": {"a": "/etc/passwd"}},
        {"inputs": {"a": "x/../../y"}},
        {"inputs": {"a": ""}},
        {"inputs": {"checkpoint": "a"}},
        {"artifacts_required": [1]},
        {"resume": ["../../etc/passwd"]},
        {"resume": [1]},
    ],
)
def test_a_spec_that_is_none_is_refused(change: dict[str, Any]) -> None:
    parse_spec(SPEC, 1)
    with pytest.raises(ValueError, match=r"."):
        parse_spec({**SPEC, **change}, 1)


def test_a_control_the_daemon_writes_is_read_back() -> None:
    at = datetime(2026, 11, 23, 14, 3, 0, 250_000, UTC)
    written = shapes.Control(seq=3, soft_deadline=at, stop_requested=True)
    assert parse_control(written.model_dump(mode="json")) == Control(3, at.timestamp(), True)


@pytest.mark.parametrize(
    "change", [{"seq": "3"}, {"seq": True}, {"stop_requested": 1}, {"soft_deadline": 3}, {"soft_deadline": "soon"}]
)
def test_a_control_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_control({"seq": 1, "soft_deadline": "2026-11-23T14:03:00Z", **change})


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_survive_writing_and_reading(at: datetime) -> None:
    assert abs(epoch(instant(at.timestamp())) - at.timestamp()) < 1e-5


def test_times_with_an_offset_or_without_fractions_are_read() -> None:
    assert epoch("2026-11-23T14:03:00Z") == epoch("2026-11-23T16:03:00+02:00") == epoch("2026-11-23T12:03:00.0-02:00")
    with pytest.raises(ValueError, match="RFC 3339"):
        epoch("2026-11-23T14:03:00")


def test_the_real_clock_goes_forward() -> None:
    clock = Clock()
    before = clock.boot()
    clock.sleep(0)
    assert clock.boot() >= before
    assert clock.wall() > 1.7e9
