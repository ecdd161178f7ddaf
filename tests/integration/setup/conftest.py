"""A computer and an emulated account for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.setup.aws_kit import AwsBench
from tests.integration.setup.kit import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def aws(tmp_path: Path) -> AwsBench:
    return AwsBench(tmp_path)
