"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import House, a_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A running daemon; it and its machines are gone afterwards."""
    with a_house(tmp_path) as made:
        yield made
