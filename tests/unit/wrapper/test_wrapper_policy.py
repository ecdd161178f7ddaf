"""When the work is told to stop, when it is killed, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containers.job.policy import (
    INTERRUPT_GRACE_S,
    Limits,
    Moment,
    Order,
    Reason,
    Step,
    bounded_soft_deadline,
    decide,
    seconds_to_next,
    time_left,
)

LIMITS = Limits(term_lead_s=60, kill_lead_s=15, stop_grace_s=10)
SPANS = st.none() | st.floats(0, 1000)


@pytest.mark.parametrize(
    ("moment", "order"),
    [
        (Moment(1000), Order(Step.RUN)),
        (Moment(60.01), Order(Step.RUN)),
        (Moment(60), Order(Step.TERM, Reason.DEADLINE)),
        (Moment(15), Order(Step.KILL, Reason.DEADLINE)),
        (Moment(-1), Order(Step.KILL, Reason.DEADLINE)),
        (Moment(1000, stopping_s=0), Order(Step.TERM, Reason.CANCELLED)),
        (Moment(1000, stopping_s=10), Order(Step.KILL, Reason.CANCELLED)),
        (Moment(1000, interrupted_s=0), Order(Step.TERM, Reason.INTERRUPTED)),
        (Moment(1000, interrupted_s=4), Order(Step.KILL, Reason.INTERRUPTED)),
        (Moment(1000, interrupted_s=29, interrupt_grace_s=30), Order(Step.TERM, Reason.INTERRUPTED)),
        (Moment(1000, interrupted_s=30, interrupt_grace_s=30), Order(Step.KILL, Reason.INTERRUPTED)),
        (Moment(1000, past_limit_s=0), Order(Step.TERM, Reason.STEP_LIMIT)),
        (Moment(1000, past_limit_s=10), Order(Step.KILL, Reason.STEP_LIMIT)),
        (Moment(1000, memory_share=0.969), Order(Step.RUN)),
        (Moment(1000, memory_share=0.97), Order(Step.KILL, Reason.MEMORY)),
        (Moment(1000, fenced=True), Order(Step.KILL, Reason.FENCED)),
        (Moment(15, stopping_s=1), Order(Step.KILL, Reason.CANCELLED)),
        (Moment(1000, stopping_s=1, interrupted_s=4), Order(Step.KILL, Reason.CANCELLED)),
        (Moment(30, interrupted_s=1, memory_share=1), Order(Step.KILL, Reason.INTERRUPTED)),
        (Moment(1000, stopping_s=1, fenced=True), Order(Step.KILL, Reason.FENCED)),
    ],
)
def test_each_cause_has_its_step(moment: Moment, order: Order) -> None:
    assert decide(moment, LIMITS) == order


@given(left=st.floats(-1000, 1000), stopping=SPANS, interrupted=SPANS, past=SPANS, share=st.floats(0, 2))
def test_there_is_a_reason_exactly_when_something_is_stopped(
    left: float, stopping: float | None, interrupted: float | None, past: float | None, share: float
) -> None:
    order = decide(Moment(left, stopping, interrupted, past, share), LIMITS)
    assert (order.step is Step.RUN) == (order.reason is None)


@given(left=st.floats(-1000, 1000), stopping=SPANS, interrupted=SPANS, past=SPANS, later=st.floats(0, 500))
def test_time_alone_only_ever_makes_it_harder(
    left: float, stopping: float | None, interrupted: float | None, past: float | None, later: float
) -> None:
    def moment(passed: float) -> Moment:
        first, second, third = (None if span is None else span + passed for span in (stopping, interrupted, past))
        return Moment(left - passed, first, second, third)

    assert decide(moment(later), LIMITS).step >= decide(moment(0), LIMITS).step
    wait = seconds_to_next(moment(0), LIMITS)
    assert decide(moment(wait * 0.999), LIMITS).step == decide(moment(0), LIMITS).step


def test_time_left_is_the_smaller_of_deadline_and_runtime() -> None:
    assert time_left(soft_deadline=100, wall=40, max_runtime_s=50, since_started_s=10) == 40
    assert time_left(soft_deadline=100, wall=40, max_runtime_s=500, since_started_s=10) == 60


def test_the_soft_deadline_moves_either_way_but_not_into_the_reserve_before_the_hard_one() -> None:
    assert bounded_soft_deadline(asked=10, initial=100, hard=1000) == 10
    assert bounded_soft_deadline(asked=600, initial=100, hard=1000) == 600
    assert bounded_soft_deadline(asked=900, initial=100, hard=1000) == 700
    assert bounded_soft_deadline(asked=900, initial=800, hard=1000) == 800
    assert bounded_soft_deadline(asked=9000, initial=8000, hard=1000) == 1000


def test_the_next_look_is_at_the_next_change() -> None:
    assert seconds_to_next(Moment(100), LIMITS) == 40
    assert seconds_to_next(Moment(50), LIMITS) == 35
    assert seconds_to_next(Moment(100, stopping_s=9), LIMITS) == 1
    assert seconds_to_next(Moment(100, interrupted_s=1), LIMITS) == INTERRUPT_GRACE_S - 1
    assert seconds_to_next(Moment(0), LIMITS) == 0
