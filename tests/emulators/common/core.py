"""Time in an emulator's core, which comes only from the caller: what happens by itself happens at its own time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

STEPS_AT_ONCE_MAX = 100_000
"""Changes at one instant; a script whose ``due`` does not move on is a fault of the test."""
Coming = tuple[float | None, str, Callable[[float], None]]
"""When something next happens by itself, ``None`` for never; its name; what lets it happen, given the time.

Of things at the same time the first by name happens first.
"""


class Core(ABC):
    """Something that changes by itself; ``now`` never goes back."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._busy = False

    @abstractmethod
    def _coming(self) -> Iterable[Coming]:
        """Return everything that can happen by itself."""

    @abstractmethod
    def _run_programs(self, now: float) -> None:
        """Let what runs in the machines run until ``now``, and look at what ended."""

    def tick(self, now: float) -> None:
        """Let everything happen that happens by itself until ``now``, each thing at its own time."""
        if self._busy:
            return
        self._busy = True
        try:
            steps = 0
            while (due := self._earliest(now)) is not None:
                steps = steps + 1 if due[0] <= self._now else 0
                if steps > STEPS_AT_ONCE_MAX:
                    raise RuntimeError(f"{due[1]} is due for ever")
                self._now = max(self._now, due[0])
                due[2](self._now)
            self._now = max(self._now, now)
            self._run_programs(self._now)
        finally:
            self._busy = False

    def next_due(self, now: float) -> float | None:
        """Return when something next changes by itself (never before ``now``), or ``None``."""
        due = self._earliest()
        return None if due is None else max(now, due[0])

    def _earliest(self, until: float = math.inf) -> tuple[float, str, Callable[[float], None]] | None:
        known = [(at, name, happen) for at, name, happen in self._coming() if at is not None and at <= until]
        return min(known, key=lambda one: one[:2], default=None) if known else None
