"""Every subject of the contract suite. The same tests run over each; none is skipped for any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.providers.subjects import FakeSubject, LocalSubject, Subject


@pytest.fixture(params=["fake", "local"])
async def provider_under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    subject: Subject = FakeSubject() if request.param == "fake" else LocalSubject(tmp_path / "root")
    try:
        yield subject
    finally:
        await subject.close()
