"""A planted bug is found within few seeds, by seeds that find nothing without it."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.simulation.runpod.auditor import Violation
from tests.simulation.runpod.mutants import MUTANTS
from tests.simulation.runpod.scenario import run

SEARCHED = 62
"""Seeds that are tried when those known to find a mutant no longer do: two rounds of the rows."""


def test_there_are_twelve() -> None:
    assert len(MUTANTS) == 12


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    mutant, known = MUTANTS[name]
    for seed in dict.fromkeys(chain(known, range(SEARCHED))):
        try:
            run(seed, mutant)
        except Violation:
            run(seed)  # and it is the bug that is found
            return
    pytest.fail(f"{name}: no seed found it")
