"""A platform, an index, and a pod for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containers.bundle import Bundle, assemble
from tests.integration.bundle.api import Index, Platform
from tests.integration.bundle.pod import PodRun


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    yield made
    made.close()


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    yield made
    made.close()


@pytest.fixture
def bundle(index: Index) -> Bundle:
    return assemble(index.requirements)


@pytest.fixture
def pod(tmp_path: Path, platform: Platform, index: Index, bundle: Bundle) -> Iterator[PodRun]:
    run = PodRun(tmp_path, platform, index, bundle)
    yield run
    run.close()
