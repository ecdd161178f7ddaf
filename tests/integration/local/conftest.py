"""A local provider with a stub for a wrapper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.providers.subjects import LocalSubject


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalSubject]:
    subject = LocalSubject(tmp_path / "root")
    try:
        yield subject
    finally:
        await subject.close()
