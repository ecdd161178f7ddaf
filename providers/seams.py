"""What comes into a provider from outside. ``World`` supplies all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from providers.transport import Transport


class ProviderClock(Protocol):
    """Time as a provider needs it; comes in from outside."""

    def now(self) -> datetime:
        """Return the wall clock, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only go forward and count suspend."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Entropy(Protocol):
    """Randomness."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        ...


class ProgramResult(Protocol):
    """What a finished program left."""

    @property
    def exit_code(self) -> int:
        """Exit status."""
        ...

    @property
    def stdout(self) -> bytes:
        """Standard output."""
        ...


class ProgramRunner(Protocol):
    """Runs one program to its end, bounded in time and memory."""

    async def run(
        self, argv: Sequence[str], *, timeout_s: float, memory_limit_bytes: int | None = None
    ) -> ProgramResult:
        """Raises TimeoutError when the time is over; nothing of the program is left then."""
        ...


class Outside(NamedTuple):
    """Everything that comes into a provider from outside, as one value."""

    clock: ProviderClock
    entropy: Entropy
    runner: ProgramRunner
    transport: Transport
