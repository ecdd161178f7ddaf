"""Long work a few items at a time: one loop serves every actor, and none may hold it for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from actors.runtime.world import Clock

T = TypeVar("T")


async def in_slices(clock: Clock, items: Sequence[T], size: int) -> AsyncIterator[Sequence[T]]:
    """Yield ``size`` items at a time; between them everybody else has a turn, in which anything may change."""
    for start in range(0, len(items), size):
        if start:
            await clock.sleep(0.0)
        yield items[start : start + size]
