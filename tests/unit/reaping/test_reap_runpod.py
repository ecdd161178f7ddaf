"""``lastcall reap`` on the emulated RunPod: pods known by their names alone, with the key alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from actors.journal import install as installs
from lastcall import reaping
from messages.errors import Refusal
from messages.machines import MachineName
from providers.runpod.training import RunPodTraining
from tests.support.providers.clocks import ManualClock
from tests.support.providers.runpod_subject import RunPodSubject

KEY = b"k" * 32
OURS = installs.Install("instal", "gene", KEY, datetime(2026, 1, 1, tzinfo=UTC), "1")


async def test_overdue_pods_are_ended_and_proven_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """Fault 16; the last line of defence, for the day the daemon's computer is dead."""
    subject = RunPodSubject(tmp_path)
    hard = subject.now() + timedelta(seconds=60)
    overdue = MachineName("instal", "olde", "zzzzzzzzzz", 1, hard).text(KEY)
    running = MachineName("instal", "gene", "yyyyyyyyyy", 1, hard + timedelta(days=1)).text(KEY)
    others = MachineName("instal", "gene", "xxxxxxxxxx", 1, hard).text(b"another key")
    for name in (overdue, running, others, "somebody-elses"):
        subject.plant(name)
    await subject.advance(300)
    training = subject.provider.training
    found = await subject.run(reaping.reap(training, OURS, subject.clock, dry_run=False))
    assert [(row.name, row.gone) for row in found.machines] == [(overdue, True)]
    assert {name: subject.living(name) for name in (overdue, running, others, "somebody-elses")} == {
        overdue: 0,
        running: 1,
        others: 1,
        "somebody-elses": 1,
    }
    assert (found.left, found.running, reaping.exit_code(found)) == (0, 1, 0)


class DayAhead:
    """A clock that was set wrongly before the process began."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.monotonic, self.sleep = clock.monotonic, clock.sleep

    def now(self) -> datetime:
        return self._clock.now() + timedelta(days=1)


async def test_a_computer_whose_clock_is_a_day_ahead_ends_nothing_and_says_why(tmp_path: Path) -> None:
    subject = RunPodSubject(tmp_path)
    name = MachineName("instal", "gene", "yyyyyyyyyy", 1, subject.now() + timedelta(hours=2)).text(KEY)
    subject.plant(name)
    await subject.advance(300)
    client = cast(RunPodTraining, subject.provider.training).client
    client.clock = DayAhead(subject.clock)
    with pytest.raises(Refusal, match="runpod's clock is -86") as no:
        await subject.run(reaping.reap(subject.provider.training, OURS, client.clock, dry_run=False))
    assert no.value.code == "E-CLOCK"
    assert subject.living(name) == 1
