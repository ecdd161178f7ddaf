"""Which of our pods ended by themselves, from listings alone. Information, never a proof."""

from __future__ import annotations

from datetime import timedelta

import pytest

from messages.machines import Machine, MachineState
from providers import sights as module
from providers.sights import Sights
from tests.support.providers.clocks import BEGIN, ManualClock


def machine(number: int, uptime_s: float | None = 5, name: str = "lc1-x") -> Machine:
    return Machine(
        id=f"pod{number}", name=name, account="a", state=MachineState.RUNNING, first_seen=BEGIN, uptime_s=uptime_s
    )


def seen(*listings: list[Machine]) -> list[str]:
    sights = Sights(ManualClock())
    for listing in listings:
        sights.listed(listing)
    return list(sights.exits)


def test_a_pod_that_is_not_listed_any_more_ended_once() -> None:
    assert seen([machine(1), machine(2)], [machine(2)], [machine(2)], []) == ["pod1", "pod2"]


def test_a_launched_pod_needs_no_listing_before() -> None:
    sights = Sights(ManualClock())
    sights.launched("pod1")
    sights.listed([])
    assert list(sights.exits) == ["pod1"]


def test_a_container_that_began_anew_has_ended() -> None:
    assert seen([machine(1, 100)], [machine(1, 105)], [machine(1, 3)], [machine(1, 8)]) == ["pod1"]


def test_an_uptime_that_is_not_said_says_nothing() -> None:
    assert seen([machine(1, 100)], [machine(1, None)], [machine(1, 110)]) == []
    assert seen([machine(1, 100)], [machine(1, None)], [machine(1, 2)]) == ["pod1"]


def test_other_peoples_pods_are_none_of_ours() -> None:
    assert seen([machine(1, 100, "theirs")], [machine(1, 3, "theirs")], []) == []


def test_a_pod_that_shows_again_may_end_again() -> None:
    assert seen([machine(1)], [], [machine(1)], []) == ["pod1", "pod1"]


def test_first_sight_stays_and_goes_by_our_own_clock() -> None:
    clock = ManualClock()
    sights = Sights(clock)
    first = sights.first_seen("pod1")
    clock.elapsed = 50
    sights.listed([machine(1), machine(2)])
    assert sights.first_seen("pod1") == first == BEGIN
    assert sights.first_seen("pod2") == BEGIN + timedelta(seconds=50)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_MAX", 3)
    sights = Sights(ManualClock())
    for number in range(10):
        sights.launched(f"pod{number}")
    sights.listed([])
    assert list(sights.exits) == ["pod7", "pod8", "pod9"]
