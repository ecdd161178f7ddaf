from __future__ import annotations

import pytest

from tests.unit.storage.kit import House, build


@pytest.fixture
def house() -> House:
    return build()
