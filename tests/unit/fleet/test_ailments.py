"""What listings say of a machine's health: restarts, crash loops, hosts that run nothing, stopped machines."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from actors.fleet.ailments import Ailments
from actors.fleet.messages import Watched
from actors.supervisor.inputs import Ailing
from messages.ids import JobId, UserId
from messages.jobs import JobState, StopReason
from messages.machines import Machine, MachineState
from providers.fake.timings import RUNPOD_LIKE

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TIMINGS = RUNPOD_LIKE.model_copy(update={"no_uptime_s": 300.0})
JOB = JobId("job_aaaaaaaaaa")


class Patrol:
    """Listings every five seconds of one machine."""

    def __init__(self, phase: JobState, **more: Any) -> None:
        self.ailments = Ailments()
        self.phase = phase
        self.now_s = 0.0
        self.timings = TIMINGS.model_copy(update=more)
        self.heard_s: float | None = None
        self.look_interval_s = 5.0

    def see(
        self, uptime_s: float | None = None, state: MachineState = MachineState.RUNNING, **more: Any
    ) -> Ailing | None:
        self.now_s += more.pop("after_s", 5.0)
        watched = Watched(
            job_id=JOB,
            user_id=UserId("usr_uuuuuuuuuu"),
            attempt=more.pop("attempt", 1),
            name="the-name",
            folder="jobs/1",
            account="a",
            phase=self.phase,
            machine_id="m1",
            soft_deadline=AT,
        )
        machine = Machine(
            id=more.pop("id", "m1"),
            name="the-name",
            account="a",
            state=state,
            first_seen=AT,
            uptime_s=uptime_s,
            rate_usd_per_hour=Decimal("0.27"),
            **more,
        )
        return self.ailments.observe(
            watched, machine, self.timings, self.now_s, heard_s=self.heard_s, look_interval_s=self.look_interval_s
        )

    def reasons(self, *uptimes: float | None) -> list[StopReason | None]:
        return [found.reason if (found := self.see(uptime)) else None for uptime in uptimes]

    def stopped(self, looks: int) -> list[StopReason | None]:
        found = [self.see(None, MachineState.STOPPED_BILLING, raw_status="EXITED") for _ in range(looks)]
        return [one.reason if one else None for one in found]


def test_an_uptime_that_fell_and_stays_young_means_the_work_is_over() -> None:
    """With storage down there is no other evidence (design.md 7)."""
    found = Patrol(JobState.RUNNING).reasons(100, 105, 3, 8, 13, 18, 23, 28, 33)
    assert found == [None] * 8 + [StopReason.RESTARTED]


def test_a_container_restarted_for_ever_after_the_start_is_found_too() -> None:
    found = Patrol(JobState.RUNNING).reasons(100, 3, 8, 2, 7, 1, 6, 0, 5)
    assert found[-1] is StopReason.RESTARTED


def test_a_new_heartbeat_of_the_work_takes_a_fall_back() -> None:
    patrol = Patrol(JobState.RUNNING)
    patrol.reasons(100, 3, 8)
    patrol.heard_s = patrol.now_s
    assert patrol.reasons(13, 18, 23, 28, 33, 38) == [None] * 6


def test_a_heartbeat_from_before_the_fall_says_nothing() -> None:
    patrol = Patrol(JobState.RUNNING)
    patrol.heard_s = 4.0
    assert patrol.reasons(100, 3, 8, 13, 18, 23, 28, 33)[-1] is StopReason.RESTARTED


def test_an_uptime_of_a_minute_ago_is_no_restart() -> None:
    """Fault 10: it fell, and to more than a restart since the last look could give."""
    assert Patrol(JobState.RUNNING).reasons(100, 105, 50, 55, 60, 65, 70, 75, 80, 85) == [None] * 10


def test_a_young_reading_that_turns_out_to_be_a_stale_one_is_taken_back() -> None:
    assert Patrol(JobState.RUNNING).reasons(60, 65, 5, 10, 15, 85, 90, 95, 100, 105) == [None] * 10


def test_a_fall_that_the_next_list_takes_back_means_nothing() -> None:
    """A cached or missing runtime flaps (fault 10)."""
    assert Patrol(JobState.RUNNING).reasons(100, 3, 110, 115, 120, 125, 130, 135, 140) == [None] * 9


@pytest.mark.parametrize("uptimes", [(100, 99, 98, 104), (100, None, None, 115), (None,) * 8, (5, 10, 15), (100,) * 12])
def test_rounding_silence_and_growth_are_no_restart(uptimes: tuple[float | None, ...]) -> None:
    assert Patrol(JobState.RUNNING).reasons(*uptimes) == [None] * len(uptimes)


def test_two_restarts_before_the_start_are_borne_and_the_third_is_a_loop() -> None:
    found = Patrol(JobState.STARTING).reasons(20, 3, 8, 13, 1, 6, 2)
    assert found == [None, None, None, None, None, None, StopReason.CRASH_LOOP]


@pytest.mark.parametrize(
    ("state", "uptime_s", "words"),
    [
        (MachineState.STARTING, None, ("as PROVISIONING to the end and never as running", "check the image")),
        (MachineState.RUNNING, None, ("nothing shows that anything ran", "run it again")),
        (MachineState.RUNNING, 0.0, ("a bad host", "run it again")),
        (MachineState.RUNNING, 1199.4, ("ran for 1199 s and the work did not begin", "try another image")),
        (MachineState.UNKNOWN, None, ()),
    ],
)
def test_why_a_machine_did_not_begin_is_told_by_what_lists_showed_of_it(
    state: MachineState, uptime_s: float | None, words: tuple[str, ...]
) -> None:
    """A pull, a bad host and a volume that is not there look the same in the folder: there is nothing in it."""
    patrol = Patrol(JobState.STARTING)
    assert patrol.ailments.unstarted(JOB) == ""
    patrol.see(uptime_s, state, raw_status="PROVISIONING")
    why = patrol.ailments.unstarted(JOB)
    assert all(word in why for word in words)
    assert bool(why) is bool(words)


def test_readings_of_a_minute_ago_make_no_crash_loop() -> None:
    """Fault 10: a cached uptime is older than a container could be that began anew since the look before."""
    assert Patrol(JobState.STARTING).reasons(100, 60, 110, 65, 120, 70, 130, 75) == [None] * 8


def test_a_host_that_runs_nothing_for_minutes_is_replaced() -> None:
    patrol = Patrol(JobState.STARTING)
    assert [patrol.see(0.0, after_s=60) for _ in range(5)] == [None] * 5
    found = patrol.see(0.0, after_s=60)
    assert found is not None
    assert found.reason is StopReason.BAD_HOST


def test_a_provider_that_tells_no_uptimes_has_no_bad_hosts() -> None:
    patrol = Patrol(JobState.STARTING, no_uptime_s=None)
    assert [patrol.see(None, after_s=600) for _ in range(5)] == [None] * 5


def test_a_runtime_that_is_not_told_is_no_bad_host() -> None:
    """Fault 10: silence is never held against a machine."""
    patrol = Patrol(JobState.STARTING)
    assert [patrol.see(None, after_s=300) for _ in range(4)] == [None] * 4


@pytest.mark.parametrize("uptime_s", [None, 0.0])
def test_pulling_an_image_is_no_bad_host(uptime_s: float | None) -> None:
    patrol = Patrol(JobState.STARTING)
    assert [patrol.see(uptime_s, MachineState.STARTING, after_s=300) for _ in range(4)] == [None] * 4


@pytest.mark.parametrize(
    ("phase", "looks", "words"),
    [(JobState.RUNNING, 6, "often an empty balance"), (JobState.STARTING, 6, "image that cannot be had")],
)
def test_a_machine_the_provider_stopped_is_ended_with_what_the_provider_said(
    phase: JobState, looks: int, words: str
) -> None:
    patrol = Patrol(phase)
    assert patrol.stopped(looks) == [None] * looks
    found = patrol.see(None, MachineState.STOPPED_BILLING, raw_status="EXITED")
    assert found is not None
    assert (found.reason, found.machine_id) == (StopReason.STOPPED, "m1")
    assert "(EXITED)" in found.detail
    assert words in found.detail


def test_work_whose_heart_beats_is_not_stopped_whatever_the_listings_say() -> None:
    patrol = Patrol(JobState.RUNNING)
    for _ in range(20):
        assert patrol.stopped(3) == [None] * 3
        patrol.heard_s = patrol.now_s


def test_a_heartbeat_from_before_the_stop_says_nothing() -> None:
    patrol = Patrol(JobState.RUNNING)
    patrol.heard_s = 4.0
    assert patrol.stopped(7)[-1] is StopReason.STOPPED


def test_where_folders_are_looked_into_less_often_a_heartbeat_is_waited_for_longer() -> None:
    """1,500 machines are looked at every 30 s: 15 s between two heartbeats and a whole interval until one is seen."""
    patrol = Patrol(JobState.RUNNING)
    patrol.look_interval_s = 30.0
    assert patrol.stopped(10) == [None] * 9 + [StopReason.STOPPED]


def test_a_stop_seen_once_is_not_believed() -> None:
    patrol = Patrol(JobState.RUNNING)
    states = [MachineState.STOPPED_BILLING] * 2 + [MachineState.RUNNING]
    assert [patrol.see(None, state) for state in states * 3] == [None] * 9


def test_the_history_of_one_machine_says_nothing_of_the_next() -> None:
    patrol = Patrol(JobState.RUNNING)
    patrol.see(500)
    patrol.see(3)
    assert [patrol.see(4 + n, id="m2", after_s=1 + 40 * n) for n in range(3)] == [None] * 3
    patrol.see(500, id="m2")
    patrol.see(3, id="m2")
    assert [patrol.see(4 + n, attempt=2, id="m2", after_s=1 + 40 * n) for n in range(3)] == [None] * 3


def test_what_is_watched_no_more_is_forgotten() -> None:
    patrol = Patrol(JobState.RUNNING)
    patrol.see(500)
    patrol.see(3)
    patrol.ailments.drop(JOB)
    assert patrol.see(43, after_s=40) is None
