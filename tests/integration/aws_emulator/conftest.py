"""One emulator a test, or one a module where tests only read; ended with everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.aws.launch import Emulator
from tests.integration.aws_emulator.kit import FAST, Instances


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Instances]:
    with Emulator(tmp_path / "cloud", settings=FAST, moto=False) as emulator:
        kit = Instances(emulator)
        yield kit
        kit.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instances]:
    """With moto behind it, and its rights enforced."""
    settings = {**FAST, "enforce_iam": True}
    with Emulator(tmp_path_factory.mktemp("whole"), settings=settings) as emulator:
        kit = Instances(emulator)
        yield kit
        kit.close()
