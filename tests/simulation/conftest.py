"""What the coverage gates count of the simulation: the stories over the fake cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the stories over emulated clouds uncounted: counting makes them take three times as long.

    What they reach of our code is reached by the stories over the fake cloud and by the tests of the providers.
    """
    for item in items:
        if HERE in item.path.parents and item.path.parent != HERE:
            item.add_marker(pytest.mark.no_cover)
