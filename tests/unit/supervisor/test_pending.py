"""What is to be done now follows from the state alone."""

from __future__ import annotations

import pytest

from actors.supervisor.pending import pending
from messages import events as ev
from tests.support.jobs import START, Story


def test_a_queued_job_waits_for_its_slot() -> None:
    story = Story()
    assert story.effects(granted=False) == []
    assert story.effects(granted=True) == ["reserve/1"]
    assert story.stop().effects() == []


def test_a_job_that_had_a_machine_keeps_its_slot() -> None:
    story = Story().refused()
    assert story.effects(granted=False) == ["reserve/2"]


@pytest.mark.parametrize("granted", [True, False])
def test_every_phase_has_its_effects_and_no_others(granted: bool) -> None:
    story = Story()
    assert story.reserved().effects(granted) == ["launch/1"]
    assert story.created().effects(granted) == []
    assert story.started().effects(granted) == []
    assert story.marked().effects(granted) == ["end/1/m1", "collect/1"]
    assert story.accepted().effects(granted) == ["end/1/m1", "collect/1"]
    assert story.proved().effects(granted) == ["collect/1"]
    assert story.collected().effects(granted) == []


def test_collecting_runs_beside_ending_and_never_delays_it() -> None:
    story = Story().running().marked()
    assert story.effects()[0] == "end/1/m1"
    story.collected()
    assert story.effects() == ["end/1/m1"]


def test_a_gone_machine_without_a_marker_is_read_out() -> None:
    story = Story().running().after(999).vanished()
    assert story.effects() == ["end/1/m1"]
    assert story.proved().effects() == ["seek/1"]
    story.observe(ev.StorageUnreadable(attempt=1, at=START))
    assert story.effects() == []


def test_only_the_run_that_committed_an_intent_sends_its_create() -> None:
    story = Story().reserved()
    assert [e.key for e in pending(story.job, "run-1", granted=True)] == ["launch/1"]
    assert pending(story.job, "another run", granted=True) == ()


def test_effects_are_the_same_whenever_they_are_asked_for() -> None:
    story = Story().running().marked()
    assert story.due() == story.due()
    assert len({hash(effect.key) for effect in story.due()}) == 2
