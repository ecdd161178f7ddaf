"""The wrapper, built once, and a machine for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containers.job.build import build
from tests.integration.wrapper.machine import WrapperRun


@pytest.fixture(scope="session")
def wrapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bundle") / "wrapper.pyz"
    build(target)
    return target


@pytest.fixture
def machine(wrapper: Path, tmp_path: Path) -> Iterator[WrapperRun]:
    run = WrapperRun(wrapper, tmp_path)
    yield run
    run.close()
