"""What an order is expected to take: from past runs where there are enough, and never over its own limits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dispatcher.planning import PAST_RUNS_MIN, PastRuns, estimate
from actors.ledger.holds import Terms
from messages.jobs import Limits
from messages.money import accrued

TERMS = Terms(Decimal("0.36"), Decimal(0), 0.0, 10.0)
LIMITS = Limits(max_runtime_s=7200, max_cost_usd=Decimal(10))
NONE = PastRuns(0, 0.0, 0.0)


def test_without_past_runs_the_size_of_the_file_sets_the_range() -> None:
    tiny, large = (estimate(mb, TERMS, LIMITS, NONE) for mb in (0.0, 100.0))
    assert (tiny.runtime_s_low, tiny.runtime_s_high) == (12.0, 40.0)
    assert (large.runtime_s_low, large.runtime_s_high) == (22.0, 640.0)


def test_too_few_past_runs_are_not_believed_and_enough_are() -> None:
    few = estimate(1.0, TERMS, LIMITS, PastRuns(PAST_RUNS_MIN - 1, 1000.0, 1.0))
    assert few == estimate(1.0, TERMS, LIMITS, NONE)
    enough = estimate(1.0, TERMS, LIMITS, PastRuns(PAST_RUNS_MIN, 1000.0, 1.0))
    assert (enough.runtime_s_low, enough.runtime_s_high) == (710.0, 1610.0)


def test_a_larger_file_takes_longer_than_past_runs_but_less_than_in_proportion() -> None:
    past = PastRuns(PAST_RUNS_MIN, 100.0, 9.0)
    same, tenfold = (estimate(mb, TERMS, LIMITS, past).runtime_s_high - 10 for mb in (9.0, 99.0))
    assert same == pytest.approx(160)
    assert 5 * same < tenfold < 10 * same
    smaller = estimate(0.0, TERMS, LIMITS, past).runtime_s_high - 10
    assert smaller > same / 10


def test_the_cost_is_the_price_of_the_time_and_what_is_fixed() -> None:
    terms = TERMS._replace(fixed_usd=Decimal("0.5"))
    found = estimate(0.0, terms, LIMITS, NONE)
    assert found.cost_usd_low == accrued(TERMS.rate_usd_per_hour, 12) + Decimal("0.5")
    assert found.cost_usd_high == accrued(TERMS.rate_usd_per_hour, 40) + Decimal("0.5")


def test_what_is_over_sooner_than_the_least_that_is_billed_is_estimated_at_that() -> None:
    found = estimate(0.0, TERMS._replace(least_s=30.0), LIMITS, NONE)
    assert (found.runtime_s_low, found.cost_usd_low) == (12.0, accrued(TERMS.rate_usd_per_hour, 30))
    assert found.cost_usd_high == accrued(TERMS.rate_usd_per_hour, 40)


def test_an_estimate_never_passes_the_limits_of_the_order() -> None:
    tight = Limits(max_runtime_s=60, max_cost_usd=Decimal("0.001"))
    found = estimate(1e6, TERMS, tight, NONE)
    assert (found.runtime_s_low, found.runtime_s_high) == (60, 60)
    assert (found.cost_usd_low, found.cost_usd_high) == (Decimal("0.001"), Decimal("0.001"))


@given(
    size_mb=st.floats(0, 1e5),
    rate=st.decimals(0, 100, places=4),
    fixed=st.decimals(0, 5, places=4),
    start_s=st.floats(0, 1200),
    runtime_s=st.integers(1, 30 * 86_400),
    cap=st.decimals("0.0001", 100, places=4),
    past=st.builds(PastRuns, st.integers(0, 20), st.floats(0, 1e5), st.floats(0, 1e5)),
)
def test_every_estimate_is_a_range_within_the_limits(
    size_mb: float, rate: Decimal, fixed: Decimal, start_s: float, runtime_s: int, cap: Decimal, past: PastRuns
) -> None:
    limits = Limits(max_runtime_s=runtime_s, max_cost_usd=cap)
    found = estimate(size_mb, Terms(rate, fixed, 0.0, start_s), limits, past)
    assert 0 <= found.runtime_s_low <= found.runtime_s_high <= runtime_s
    assert 0 <= found.cost_usd_low <= found.cost_usd_high <= cap
