"""A provider on an emulated RunPod for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.runpod.kit import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    try:
        yield made
    finally:
        await made.close()
