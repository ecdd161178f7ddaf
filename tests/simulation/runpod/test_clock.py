"""A computer that starts with the wrong time: no deadline ends a machine until the provider's time agrees."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from actors.runtime.clock import SteadyClock
from actors.runtime.virtual import VirtualClock
from messages.events import AlarmRaised
from messages.jobs import JobState, Outcome, StopReason
from tests.simulation.clouds import machines
from tests.simulation.clouds.machines import Work
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ARTIFACTS

DAY_S = 86_400.0


class Host:
    """The computer's own clock, which people can set."""

    def __init__(self, wall: VirtualClock, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        self._wall = wall
        self.monotonic, self.sleep = wall.monotonic, wall.sleep

    def now(self) -> datetime:
        return self._wall.now() + timedelta(seconds=self.ahead_s)


def test_a_daemon_that_starts_a_day_ahead_ends_nothing_says_so_and_keeps_the_deadline_once_the_clock_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        machines, "KILL_LEAD_S", -DAY_S
    )  # the pod's own timer is broken: only the daemon keeps the time
    monkeypatch.setattr(machines, "GRACE_S", DAY_S)

    async def told(house: RunPodHouse) -> None:
        job_id = await house.train(max_runtime_s=600)
        job = await house.until(job_id, JobState.RUNNING)
        deadline = job.attempts[0].request
        assert deadline is not None
        host = Host(house.wall, DAY_S)
        await house.stop()
        house.clock = SteadyClock(host)
        await house.start()
        await house.wall.sleep(120)
        assert house.billing() == 1
        assert (await house.job(job_id)).phase is JobState.RUNNING
        alarms = [r.event for r in await house.journal.read("node") if isinstance(r.event, AlarmRaised)]
        assert ["no deadline ends a machine" in alarm.detail for alarm in alarms if alarm.alarm == "clock_off"] == [
            True
        ]
        host.ahead_s = 0.0
        await house.wall.sleep(60)
        assert house.billing() == 1
        late_s = (deadline.soft_deadline - house.wall.now()).total_seconds() + 90
        await house.wall.sleep(late_s)
        assert house.billing() == 0
        closed = await house.closed(job_id)
        assert closed.closed is not None
        assert closed.closed.outcome is Outcome.TIMED_OUT
        end = closed.attempts[0].end
        assert end is not None
        assert end.reason is StopReason.DEADLINE

    simulate(told, works=lambda _name, _attempt: Work(50_000.0, "hangs", ARTIFACTS))
