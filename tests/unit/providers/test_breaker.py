"""A dead surface is left alone for a while, and asked by one call at a time. Fault 14."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from providers.breaker import FAILURES_MAX, OPEN_FIRST_S, OPEN_MAX_S, Breaker


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        breaker.failed(100.0)
    return breaker


def test_it_opens_after_a_row_of_failures_and_not_before() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(0.0)
        assert breaker.wait_s(0.0) == 0
    breaker.failed(0.0)
    assert breaker.is_open
    assert breaker.wait_s(0.0) == OPEN_FIRST_S


def test_any_answer_closes_it() -> None:
    breaker = opened()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.wait_s(100.0) == 0


def test_an_answer_between_failures_breaks_the_row() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX * 3):
        breaker.failed(0.0)
        breaker.succeeded()
    assert not breaker.is_open


def test_one_probe_at_a_time_goes_out() -> None:
    breaker, now = opened(), 100.0 + OPEN_FIRST_S
    assert breaker.wait_s(now) == 0
    breaker.sending(now)
    assert breaker.wait_s(now) > 0


def test_a_probe_that_never_returns_does_not_hold_the_door_for_ever() -> None:
    breaker, now = opened(), 100.0 + OPEN_FIRST_S
    breaker.sending(now)
    assert breaker.wait_s(now + OPEN_FIRST_S) == 0


def test_a_failed_probe_doubles_the_time_up_to_a_minute() -> None:
    breaker, now, seen = opened(), 100.0, []
    for _ in range(6):
        seen.append(breaker.wait_s(now))
        now += seen[-1]
        breaker.sending(now)
        breaker.failed(now)
    assert seen == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_calls_that_fail_together_count_as_one_opening() -> None:
    breaker = opened()
    for _ in range(9):
        breaker.failed(100.0)
    assert breaker.wait_s(100.0) == OPEN_FIRST_S


class BreakerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0

    @rule(by=st.floats(0, 100))
    def wait(self, by: float) -> None:
        self.now += by

    @rule()
    def send(self) -> None:
        if self.breaker.wait_s(self.now) == 0:
            self.breaker.sending(self.now)

    @rule()
    def fail(self) -> None:
        self.breaker.failed(self.now)

    @rule()
    def succeed(self) -> None:
        self.breaker.succeeded()
        assert self.breaker.wait_s(self.now) == 0

    @invariant()
    def nobody_waits_longer_than_a_minute(self) -> None:
        assert 0 <= self.breaker.wait_s(self.now) <= OPEN_MAX_S + 1e-6
        if not self.breaker.is_open:
            assert self.breaker.wait_s(self.now) == 0


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(deadline=None, max_examples=50, stateful_step_count=20)
