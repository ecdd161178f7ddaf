from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.journal.sqlite import SqliteJournal
from tests.support.journal_kit import HandClock, counting_entropy


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def opened(tmp_path: Path, clock: HandClock) -> Any:
    """Open journals in ``tmp_path``; whatever the test left open is closed."""
    journals: list[SqliteJournal] = []
    entropy = counting_entropy()

    async def open_one(path: Path | None = None, **options: Any) -> SqliteJournal:
        settings: dict[str, Any] = {
            "threaded": False,
            "reserve_bytes": 4096,
            "clock": clock,
            "entropy": entropy,
        } | options
        journal = await SqliteJournal.open(path or tmp_path / "journal.db", **settings)
        journals.append(journal)
        return journal

    yield open_one
    for journal in journals:
        await journal.close()


@pytest.fixture
async def journal(clock: HandClock) -> Any:
    made = SqliteJournal.memory(clock=clock, entropy=counting_entropy())
    yield made
    await made.close()
