"""One emulator a test, ended with everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.runpod.launch import Emulator
from tests.integration.runpod_emulator.pods_kit import FAST, Pods


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    with Emulator(tmp_path / "platform", settings=FAST) as emulator:
        yield Pods(emulator)
