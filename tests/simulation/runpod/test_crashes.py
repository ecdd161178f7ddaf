"""A crash at any commit of a job on RunPod changes nothing of its end (rule 10, fault 43)."""

from __future__ import annotations

import pytest

from tests.simulation.clouds.crashes import crash_everywhere
from tests.simulation.runpod.house import RunPodHouse


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer-lost"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_append_changes_nothing_of_the_end(after: bool, lost: bool) -> None:
    crash_everywhere(RunPodHouse, after=after, lost=lost)
