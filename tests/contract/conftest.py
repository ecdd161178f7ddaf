"""Every subject of the contract suite. The same tests run over each; none is skipped for any."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from tests.support.providers.aws_subject import AwsSubject
from tests.support.providers.runpod_subject import RunPodSubject
from tests.support.providers.subjects import FakeSubject, LocalSubject, Subject

SUBJECTS: Mapping[str, Callable[[Path], Subject]] = {
    "fake": lambda _: FakeSubject(),
    "local": LocalSubject,
    "runpod": RunPodSubject,
    "aws": AwsSubject,
}


@pytest.fixture(params=SUBJECTS)
async def provider_under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    subject = SUBJECTS[request.param](tmp_path / "root")
    try:
        yield subject
    finally:
        await subject.close()
