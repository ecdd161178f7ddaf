"""An instance whose journal is gone is taken over, or ended: the emulated AWS, its bucket, and a new process."""

from __future__ import annotations

import pytest

from tests.simulation.aws.house import AwsHouse
from tests.simulation.clouds.lost_journal import simulate_ending_by_name, simulate_taking_over


@pytest.mark.parametrize("spot", [True, False], ids=["spot", "on-demand"])
def test_an_instance_whose_journal_is_gone_is_taken_over_and_ends_with_model_proof_and_cost(spot: bool) -> None:
    """Faults 48 and 53."""
    simulate_taking_over(AwsHouse, 1, spot=spot)


def test_an_instance_that_nobody_wants_is_ended_by_its_name() -> None:
    simulate_ending_by_name(AwsHouse)
