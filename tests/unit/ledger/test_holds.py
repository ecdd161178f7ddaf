"""How much is held, and how long that lasts: the formula, its inverse, and the worked example of the design."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.entries import hold_for
from actors.ledger.holds import AFTER_SOFT_S, Terms, hold, seconds_affordable, seconds_needed, smallest_cap
from messages.errors import Refusal
from messages.machines import LogPrice
from messages.money import MICRO, accrued
from tests.support.jobs import TIMINGS, offer

IDEMPOTENT = TIMINGS.model_copy(update={"creates_are_idempotent": True})
rates = st.decimals(min_value="0.000001", max_value="100", places=6)
spans = st.floats(min_value=0, max_value=1e6, allow_nan=False)


def test_the_smallest_cap_of_an_a5000_is_about_eight_cents() -> None:
    terms = Terms.of(offer(rate="0.27"), TIMINGS)
    assert seconds_needed(terms) == 300 + 120 + 60
    assert smallest_cap(terms) == pytest.approx(Decimal("0.079"), abs=Decimal("0.001"))


def test_a_provider_with_idempotent_creates_needs_no_money_for_a_surplus() -> None:
    idempotent = TIMINGS.model_copy(update={"creates_are_idempotent": True})
    assert Terms.of(offer(), idempotent).surplus_s == 0
    assert Terms.of(offer(), TIMINGS).surplus_s == 180 + 90


@given(rate=rates, seconds=spans, surplus=st.floats(0, 300), fixed=st.decimals(0, 10, places=6))
def test_a_hold_buys_at_least_the_time_it_was_made_for(
    rate: Decimal, seconds: float, surplus: float, fixed: Decimal
) -> None:
    terms = Terms(rate, fixed, surplus, 0.0)
    held = hold(terms, seconds)
    assert seconds_affordable(terms, held) >= seconds - 0.01
    # Nor more than the rounding of one micro-dollar allows: the cap holds.
    assert hold(terms, seconds_affordable(terms, held)) <= held + MICRO * 2


LOG = LogPrice(usd_per_file=Decimal("0.000005"), usd_per_gb=Decimal("0.53"), bytes_max=64 << 20, files_per_hour=720)


@given(rate=rates, seconds=spans, files=st.integers(0, 10**6), size_bytes=st.integers(0, 64 << 20))
def test_a_hold_pays_for_the_longest_log_too(rate: Decimal, seconds: float, files: int, size_bytes: int) -> None:
    terms = Terms.of(offer(rate=str(rate)).model_copy(update={"log": LOG}), IDEMPOTENT)
    held = hold(terms, seconds)
    assert seconds_affordable(terms, held) >= seconds - 0.01
    log = min(LOG.usd_max(seconds + AFTER_SOFT_S), LOG.usd(files, size_bytes))
    assert accrued(rate, seconds + AFTER_SOFT_S) + log <= held + MICRO * 3


def test_what_a_log_may_cost_is_held_and_not_expected() -> None:
    plain, dear = (Terms.of(offer(rate="0.36").model_copy(update={"log": log}), IDEMPOTENT) for log in (None, LOG))
    assert dear.rate_usd_per_hour == plain.rate_usd_per_hour
    assert dear.fixed_usd == plain.fixed_usd
    assert hold(dear, 3600) - hold(plain, 3600) == LOG.usd_max(3600 + AFTER_SOFT_S)


@given(rate=rates, seconds=spans)
def test_more_time_never_costs_less(rate: Decimal, seconds: float) -> None:
    terms = Terms(rate, Decimal(0), 0.0, 0.0)
    assert hold(terms, seconds + 1) >= hold(terms, seconds) > 0


def test_what_costs_nothing_lasts_for_ever_unless_something_fixed_is_too_dear() -> None:
    free = Terms(Decimal(0), Decimal("0.5"), 0.0, 0.0)
    assert seconds_affordable(free, Decimal("0.5")) == math.inf
    assert seconds_affordable(free, Decimal("0.4")) == -math.inf
    assert hold(free, 1e9) == Decimal("0.5")


def test_a_cap_that_is_too_small_is_refused_and_the_named_one_works() -> None:
    terms = Terms.of(offer(), TIMINGS)
    with pytest.raises(Refusal, match="E-CAPTOOSMALL") as no:
        hold_for(terms, TIMINGS, Decimal("0.05"), 7200)
    smallest = Decimal(no.value.extra["smallest"])
    assert hold_for(terms, TIMINGS, smallest, 7200) <= smallest


@given(rate=rates, cents=st.integers(10, 1000))
def test_a_hold_never_passes_its_own_cap_by_rounding(rate: Decimal, cents: int) -> None:
    cap = Decimal(cents) / 100
    terms = Terms(rate, Decimal(0), 270.0, 0.0)
    try:
        held = hold_for(terms, TIMINGS, cap, 10_000_000)
    except Refusal:
        return
    assert held <= cap


def test_no_more_is_held_than_the_longest_run_can_cost() -> None:
    terms = Terms.of(offer(rate="0.36"), TIMINGS)
    held = hold_for(terms, TIMINGS, Decimal(10), 3600)
    assert held == hold(terms, TIMINGS.start_allowance_s + 3600)
    assert held < Decimal(1)
    assert AFTER_SOFT_S == 300
