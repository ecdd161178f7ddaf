"""Everything here runs in virtual time, over the emulated endpoint."""

from __future__ import annotations

import pytest

from tests.support.s3 import EmulatedVolume
from tests.support.virtual import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]


@pytest.fixture
def volume() -> EmulatedVolume:
    return EmulatedVolume()
