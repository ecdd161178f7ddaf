"""What ``cost`` says of the provider's bill: nothing while it agrees, and plainly where it does not."""

from __future__ import annotations

import pytest

from lastcall.cli.cost import bill_lines, stored_lines


@pytest.mark.parametrize("report", [{}, {"difference_usd": None, "unbilled_jobs": 0}])
def test_a_bill_that_agrees_takes_no_line(report: dict[str, object]) -> None:
    assert bill_lines({"total_usd": "1.250000", **report}) == []


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ("0.010000", "Observed $1.24 · the provider's bill differs by +$0.010"),
        ("-0.250000", "Observed $1.50 · the provider's bill differs by -$0.250"),
        ("0.000000", "Observed $1.25 · the provider's bill differs by +$0.00"),
        ("-0.000004", "Observed $1.25 · the provider's bill differs by -<$0.001"),
    ],
)
def test_a_difference_is_shown_with_what_was_observed(difference: str, said: str) -> None:
    assert bill_lines({"total_usd": "1.250000", "difference_usd": difference}) == [said]


@pytest.mark.parametrize(("jobs", "said"), [(1, "1 job is"), (3, "3 jobs are")])
def test_jobs_that_are_not_on_the_bill_are_counted(jobs: int, said: str) -> None:
    assert bill_lines({"total_usd": "1", "unbilled_jobs": jobs}) == [
        f"{said} not on the provider's bill yet, and counted as observed"
    ]


def test_what_is_kept_where_space_costs_money_is_a_line_for_each_store() -> None:
    row = {"provider": "aws", "size_bytes": 1_200_000_000, "usd_per_month": "0.025700", "prices_as_of": "2026-11-01"}
    assert stored_lines({"stored": [row]}) == ["Stored with aws: 1.2 GB, about $0.026 a month (prices of 2026-11-01)"]
    row = {**row, "provider": "runpod", "size_bytes": 100 << 30, "usd_per_month": "7.000000", "rented": True}
    assert stored_lines({"stored": [row]}) == [
        "Volume at runpod: 100 GB, used or not, about $7.00 a month (prices of 2026-11-01)"
    ]
    assert stored_lines({"stored": []}) == stored_lines({}) == []
