"""A pod whose journal is gone is taken over, or ended: the emulated RunPod, its volume, and a new process."""

from __future__ import annotations

import pytest

from tests.simulation.clouds.lost_journal import simulate_ending_by_name, simulate_taking_over
from tests.simulation.runpod.house import RunPodHouse


@pytest.mark.parametrize("seed", range(3))
def test_a_pod_whose_journal_is_gone_is_taken_over_and_ends_with_model_proof_and_cost(seed: int) -> None:
    """Faults 48 and 53."""
    simulate_taking_over(RunPodHouse, seed)


def test_a_pod_that_nobody_wants_is_ended_by_its_name() -> None:
    simulate_ending_by_name(RunPodHouse)
