"""A planted bug is found within few seeds, by seeds that find nothing without it."""

from __future__ import annotations

import pytest

from tests.simulation.aws.cloud import AWS
from tests.simulation.aws.mutants import MUTANTS
from tests.simulation.clouds.mutation import is_found


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    assert is_found(AWS, *MUTANTS[name])
