"""One emulated AWS a test; its instances are real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from providers.http import AiohttpTransport
from tests.emulators.aws.launch import Emulator
from tests.integration.aws.kit import FAST, House


@pytest.fixture
def emulator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Emulator]:
    """A test may ask for other settings by ``indirect`` parameters."""
    with Emulator(tmp_path / "aws", settings={**FAST, **getattr(request, "param", {})}) as running:
        yield running


@pytest.fixture
async def house(emulator: Emulator, tmp_path: Path) -> AsyncIterator[House]:
    async with AiohttpTransport("Lastcall tests") as transport:
        made = House(emulator, transport, tmp_path / "near")
        await made.open()
        try:
            yield made
        finally:
            await made.close()
