"""The seams: everything an actor may know of the outside comes in through one ``World``.

Production, tests and the simulator each build their own; ``boot(world)`` in ``lastcall`` is the only place where
one is turned into a running node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time. Spans come from ``monotonic``, which counts suspend; stored instants from ``now``."""

    def now(self) -> datetime:
        """Return the wall clock, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; wakes never early as ``monotonic`` counts it."""
        ...


class Entropy(Protocol):
    """Randomness for ids, nonces and jitter."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` random bytes."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between the two."""
        ...


class ProcessResult(Protocol):
    """What a finished helper process left."""

    @property
    def exit_code(self) -> int:
        """Exit status; negative for a signal, as Python counts it."""
        ...

    @property
    def stdout(self) -> bytes:
        """Standard output, cut at the limit asked for."""
        ...

    @property
    def stderr(self) -> bytes:
        """Standard error, cut at the limit asked for."""
        ...


class Spawner(Protocol):
    """Starts short helper processes (inspection, prediction), sandboxed and bounded. Never machines."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        memory_limit_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        output_limit_bytes: int = 1 << 20,
    ) -> ProcessResult:
        """Run to the end or kill the whole group at ``timeout_s`` (raises ``TimeoutError``).

        The process dies with the daemon, gets no new privileges and none of the daemon's environment but PATH.
        """
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Clock, randomness and process start, as one value."""

    clock: Clock
    entropy: Entropy
    spawner: Spawner
    run: str
    """Random id of this process run: only the run that committed an intent may send its create."""
