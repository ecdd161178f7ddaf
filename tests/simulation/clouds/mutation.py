"""A planted bug is found within few seeds, by seeds that find nothing without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

from tests.simulation.clouds.auditor import Violation
from tests.simulation.clouds.cloud import Cloud
from tests.simulation.clouds.scenario import run

Mutant = Callable[[], AbstractContextManager[Any]]
ROUNDS = 2
"""Rounds of the rows that are tried when the seeds known to find a mutant no longer do."""


def is_found(cloud: Cloud, mutant: Mutant, known: Sequence[int]) -> bool:
    """Tell whether a seed finds a mutant: the ones known to, first. Raises Violation where it is not the bug."""
    for seed in dict.fromkeys(chain(known, range(ROUNDS * len(cloud.stage.rows)))):
        try:
            run(cloud, seed, mutant)
        except Violation:
            run(cloud, seed)
            return True
    return False
