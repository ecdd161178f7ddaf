"""The watch over the journal's disk: a journal that is unsure of its state must be opened anew (fault 46)."""

from __future__ import annotations

from collections.abc import Callable

from actors.journal.sqlite import SqliteJournal
from actors.journal.trouble import Trouble
from actors.runtime.world import Clock

LOOK_S = 2.0
"""Between two looks at the journal."""


def is_unsure(degraded: str | None) -> bool:
    """Return whether the journal takes nothing more until it is opened again; a full disk heals, this does not."""
    return degraded is not None and degraded.startswith(Trouble.UNSURE.value)


async def until_unsure(clock: Clock, degraded: Callable[[], str | None]) -> str:
    """Wait until the journal is unsure, and return its own words about it."""
    while True:
        words = degraded()
        if words is not None and is_unsure(words):
            return words
        await clock.sleep(LOOK_S)


def degraded_words(journal: SqliteJournal) -> str | None:
    """Say what is wrong with the journal: its disk, or a read model that could not follow."""
    if journal.degraded is not None:
        return journal.degraded
    for name, fault in journal.broken_read_models.items():
        return f"the read model {name} could not follow and is made anew at the next start: {fault}"
    return None
