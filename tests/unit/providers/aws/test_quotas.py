"""Which quotas matter to whom."""

from __future__ import annotations

from providers.aws.quotas import QUOTAS


def test_quotas_that_a_training_without_gpu_needs_are_of_what_is_rented() -> None:
    assert {one.words for one in QUOTAS if one.needed(spot=True)} == {"on demand", "spot"}
    assert {one.words for one in QUOTAS if one.needed(spot=False)} == {"on demand"}
