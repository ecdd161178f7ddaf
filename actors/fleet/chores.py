"""What FleetWatch has under way beside its messages: every chore once at a time, and never more than fit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

TASKS_MAX = 4_096
"""Looks, closer looks and reaps under way at once; what does not fit comes with the next round or listing."""
TASKS_OWN = 8
"""Tasks that run as long as the actor does."""


class Chores:
    """Chores by their keys."""

    def __init__(self, start: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        """``start`` begins a task of the actor."""
        self._start = start
        self._busy: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._busy

    def count(self, prefix: str) -> int:
        """Return how many chores are under way whose keys begin so."""
        return sum(1 for key in self._busy if key.startswith(prefix))

    def once(self, key: str, work: Coroutine[Any, Any, None]) -> bool:
        """Start ``work`` unless it runs already; return False when too much is under way."""
        if key in self._busy:
            work.close()
            return True
        if len(self._busy) >= TASKS_MAX - TASKS_OWN:
            work.close()
            return False
        self._busy.add(key)
        self._start(self._release(key, work), key)
        return True

    async def _release(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._busy.discard(key)
