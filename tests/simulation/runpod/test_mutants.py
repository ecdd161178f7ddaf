"""A planted bug is found within few seeds, by seeds that find nothing without it."""

from __future__ import annotations

import pytest

from tests.simulation.clouds.mutation import is_found
from tests.simulation.runpod.cloud import RUNPOD
from tests.simulation.runpod.mutants import MUTANTS


def test_there_are_twelve() -> None:
    assert len(MUTANTS) == 12


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    assert is_found(RUNPOD, *MUTANTS[name])
