"""Reservations, accruals, settlements and budgets: pure, and idempotent over every event of a job."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.budgets import Budgets, Window, refuse, windows
from actors.ledger.entries import JobFacts, entries, prediction_entry, reserve
from actors.ledger.requests import ReserveMoney
from actors.ledger.state import LedgerState, fold, reservation_id
from messages import events as ev
from messages.errors import Refusal
from messages.ids import JobId, ModelId, PredictionId, UserId
from messages.jobs import Outcome
from messages.money import ZERO, accrued
from tests.support.jobs import JOB, START, TIMINGS, USER, Story, machine, offer

FACTS = JobFacts(USER, "fake", closed=False)
OTHER = UserId("usr_oooooooooo")


def asked(attempt: int = 1, job: JobId = JOB, user: UserId = USER, cap: str = "1") -> ReserveMoney:
    return ReserveMoney(
        job_id=job, user_id=user, attempt=attempt, offer=offer(), cap_left_usd=Decimal(cap), max_runtime_s=7200
    )


def books(*booked: ev.Event) -> LedgerState:
    return fold(booked, UTC)


def test_a_reservation_is_held_until_its_attempt_ends() -> None:
    state = books()
    held = reserve(state, Budgets(), asked(), TIMINGS, START)
    state.apply(held)
    assert state.reserved_usd == held.hold_usd
    story = Story().reserved().created().started().after(3600).marked().ended()
    ended = next(e for e in story.events if isinstance(e, ev.AttemptEnded))
    for event in entries(state, JOB, FACTS, ended, story.now):
        state.apply(event)
    assert state.reserved_usd == 0
    assert state.total_usd == ended.cost_usd == Decimal("0.27")


def test_what_was_booked_is_not_booked_again() -> None:
    state = books(reserve(books(), Budgets(), asked(), TIMINGS, START))
    story = Story().running().marked().ended()
    closed = FACTS._replace(closed=True)
    facts = [e for e in story.events if isinstance(e, ev.MachineCreated | ev.AttemptEnded | ev.JobClosed)]
    booked: list[ev.LedgerEvent] = []
    for _ in range(2):
        for fact in facts:
            new = entries(state, JOB, closed, fact, story.now)
            for event in new:
                state.apply(event)
            booked += new
    kinds = [event.kind for event in booked]
    assert kinds == ["ledger.accrual_started", "ledger.released", "ledger.settled"]


def test_a_reservation_made_for_a_job_that_had_closed_meanwhile_is_given_back() -> None:
    held = reserve(books(), Budgets(), asked(), TIMINGS, START)
    state = books(held)
    fact = ev.MoneyReserved(attempt=1, reservation=held.reservation, hold_usd=held.hold_usd, at=START)
    assert entries(state, JOB, FACTS, fact, START) == []
    released = entries(state, JOB, FACTS._replace(closed=True), fact, START)
    assert [event.kind for event in released] == ["ledger.released"]
    assert entries(books(), JOB, FACTS._replace(closed=True), fact, START) == []


def test_closing_gives_back_whatever_the_job_still_holds() -> None:
    state = books(
        reserve(books(), Budgets(), asked(1), TIMINGS, START), reserve(books(), Budgets(), asked(2), TIMINGS, START)
    )
    closed = ev.JobClosed(outcome=Outcome.CANCELLED, cost_usd=ZERO, at=START)
    kinds = [event.kind for event in entries(state, JOB, FACTS, closed, START)]
    assert kinds == ["ledger.released", "ledger.released", "ledger.settled"]


def test_a_machine_without_a_reservation_accrues_nothing() -> None:
    fact = ev.MachineCreated(attempt=1, machine=machine("n"), at=START)
    assert entries(books(), JOB, FACTS, fact, START) == []


def test_running_cost_grows_with_time_and_never_past_the_hold() -> None:
    held = reserve(books(), Budgets(), asked(cap="0.2"), TIMINGS, START)
    state = books(held)
    reservation = state.open[held.reservation]
    assert reservation.accrued_usd(START) == 0
    for event in entries(state, JOB, FACTS, ev.MachineCreated(attempt=1, machine=machine("n"), at=START), START):
        state.apply(event)
    assert reservation.accrued_usd(START + timedelta(seconds=600)) == Decimal("0.045")
    assert reservation.accrued_usd(START + timedelta(days=9)) == held.hold_usd


def test_a_machine_that_just_began_costs_the_least_that_its_provider_bills() -> None:
    asks = asked()
    asks = asks.model_copy(update={"offer": asks.offer.model_copy(update={"least_s": 60})})
    held = reserve(books(), Budgets(), asks, TIMINGS, START)
    state = books(held)
    for event in entries(state, JOB, FACTS, ev.MachineCreated(attempt=1, machine=machine("n"), at=START), START):
        state.apply(event)
    minute, hour = (accrued(Decimal("0.27"), span_s) for span_s in (60, 3600))
    assert state.open[held.reservation].accrued_usd(START + timedelta(seconds=1)) == minute
    assert state.open[held.reservation].accrued_usd(START + timedelta(hours=1)) == hour


def test_a_correction_is_spent_and_a_stray_event_changes_nothing() -> None:
    state = books()
    state.apply(ev.Corrected(job_id=JOB, user_id=USER, delta_usd=Decimal("-0.1"), reason="bill", at=START))
    assert state.total_usd == Decimal("-0.1")
    state.apply(ev.Released(reservation="none", spent_usd=Decimal(1), at=START))
    state.apply(ev.AccrualStarted(reservation="none", rate_usd_per_hour=ZERO, fixed_usd=ZERO, at=START))
    assert state.total_usd == Decimal("-0.1")
    assert fold([ev.MarkerAbsent(attempt=1, at=START)], UTC).total_usd == 0


# ---------------------------------------------------------------------------------------------- budgets

LIMITS: list[tuple[str, str]] = [
    ("per_day_usd", "day"),
    ("per_month_usd", "month"),
    ("total_usd", "total"),
    ("per_user_per_day_usd", "your day"),
    ("per_user_per_month_usd", "your month"),
    ("per_user_total_usd", "your total"),
]


@pytest.mark.parametrize(("name", "said"), LIMITS)
def test_each_budget_refuses_what_it_has_not_left(name: str, said: str) -> None:
    budgets = Budgets.model_validate({name: "1"})
    state = books()
    assert refuse(state, budgets, USER, Decimal("1"), START) is None
    state.apply(reserve(state, budgets, asked(cap="0.6"), TIMINGS, START))
    reason = refuse(state, budgets, USER, Decimal("0.5"), START)
    assert reason is not None
    assert f"({said})" in reason
    with pytest.raises(Refusal, match="E-BUDGET"):
        reserve(state, budgets, asked(2, cap="0.6"), TIMINGS, START)


@pytest.mark.parametrize(("name", "shared"), [(n, not n.startswith("per_user")) for n, _ in LIMITS])
def test_only_the_shared_budgets_count_other_users(name: str, shared: bool) -> None:
    budgets = Budgets.model_validate({name: "1"})
    state = books()
    state.apply(reserve(state, budgets, asked(user=OTHER), TIMINGS, START))
    assert (refuse(state, budgets, USER, Decimal("1"), START) is not None) is shared


def test_days_and_months_begin_anew_and_totals_do_not() -> None:
    state = books()
    state.apply(ev.Corrected(job_id=JOB, user_id=USER, delta_usd=Decimal(1), reason="r", at=START))
    every = Budgets.model_validate(dict.fromkeys((name for name, _ in LIMITS), "1"))
    tomorrow, next_month = START + timedelta(days=1), START + timedelta(days=31)

    def open_windows(at: Any) -> set[str]:
        return {w.name for w in windows(state, every, USER, at) if w.left_usd}

    assert open_windows(START) == set()
    assert open_windows(tomorrow) == {"day", "your day"}
    assert open_windows(next_month) == {"day", "your day", "month", "your month"}
    assert windows(state, Budgets(), USER, START) == []
    assert state.spent_between(date.min, date.max, OTHER) == 0


@pytest.mark.parametrize(("spent", "said"), [("0.4", ""), ("0.5", "50%"), ("0.8", "80%"), ("1", "used up")])
def test_a_budget_warns_at_half_and_at_four_fifths(spent: str, said: str) -> None:
    warning = Window("day", Decimal(1), Decimal(spent), ZERO).warning
    assert said in warning
    assert bool(said) == bool(warning)
    assert Window("day", ZERO, ZERO, ZERO).warning == "no money is allowed"


@pytest.mark.parametrize(
    ("share", "spent", "said"),
    [
        ("0.9", "0.89", "50%"),
        ("0.9", "0.9", "90%"),
        ("0.3", "0.29", ""),
        ("0.3", "0.3", "30%"),
        ("0.3", "0.6", "50%"),
        ("1", "0.99", "50%"),
        ("1", "1", "used up"),
    ],
)
def test_the_share_at_which_a_budget_warns_is_the_configured_one(share: str, spent: str, said: str) -> None:
    budgets = Budgets.model_validate({"total_usd": "1", "per_user_per_day_usd": "1", "warning_share": share})
    state = books(ev.Corrected(job_id=JOB, user_id=USER, delta_usd=Decimal(spent), reason="r", at=START))
    told = [window.warning for window in windows(state, budgets, USER, START)]
    assert len(told) == 2
    assert all(said in warning and bool(said) == bool(warning) for warning in told)


@given(st.lists(st.tuples(st.sampled_from("rex"), st.integers(1, 4), st.integers(1, 300)), max_size=30))
def test_spent_and_reserved_never_pass_the_budget_whatever_the_order(steps: list[tuple[str, int, int]]) -> None:
    """I6: at every commit."""
    budgets = Budgets.model_validate({"total_usd": "1"})
    state = books()
    for what, attempt, cents in steps:
        reservation = reservation_id(JOB, attempt)
        if what == "r" and reservation not in state.open:
            try:
                state.apply(reserve(state, budgets, asked(attempt, cap=str(cents / 100)), TIMINGS, START))
            except Refusal:
                continue
        elif what == "e" and reservation in state.open:
            cost = min(state.open[reservation].hold_usd, Decimal(cents) / 100)
            over = ev.AttemptEnded(attempt=attempt, rate_usd_per_hour=ZERO, fixed_usd=ZERO, cost_usd=cost)
            for event in entries(state, JOB, FACTS, over, START):
                state.apply(event)
        assert state.total_usd + state.reserved_usd <= 1
        assert state.reserved_usd == sum((h.hold_usd for h in state.open.values()), ZERO)


def test_a_prediction_is_booked_once_and_a_free_one_not_at_all() -> None:
    state = books()
    made = ev.PredictionMade(
        prediction_id=PredictionId("prd_pppppppppp"),
        user_id=USER,
        model_id=ModelId("mdl_mmmmmmmmmm"),
        key="k",
        rows=3,
        cost_usd=Decimal("0.01"),
    )
    for event in prediction_entry(state, made, "local", START):
        state.apply(event)
    assert state.total_usd == Decimal("0.01")
    assert prediction_entry(state, made, "local", START) == []
    free = made.model_copy(update={"prediction_id": PredictionId("prd_qqqqqqqqqq"), "cost_usd": ZERO})
    assert prediction_entry(state, free, "local", START) == []


def test_a_changed_price_accrues_from_where_it_changed_and_is_booked_once() -> None:
    """Fault 77."""
    state = books(reserve(books(), Budgets(), asked(cap="5"), TIMINGS, START))
    made = ev.MachineCreated(attempt=1, machine=machine("n"), at=START)
    raised = ev.RateChanged(attempt=1, rate_usd_per_hour=Decimal("0.54"), at=START + timedelta(minutes=15))
    assert entries(state, JOB, FACTS, raised, START) == []  # nothing accrues yet
    for fact in (made, raised):
        for event in entries(state, JOB, FACTS, fact, START):
            state.apply(event)
    assert entries(state, JOB, FACTS, raised, START) == []
    held = state.open[reservation_id(JOB, 1)]
    assert held.accrued_usd(START + timedelta(minutes=30)) == Decimal("0.0675") + Decimal("0.135")
    state.apply(ev.AccrualChanged(reservation="none", rate_usd_per_hour=ZERO, accrued_usd=ZERO, at=START))
    assert held.accrued_usd(START + timedelta(minutes=30)) == Decimal("0.2025")
