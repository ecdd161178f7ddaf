"""What every proof that a cloud's machine is gone begins with; what proves it is each provider's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Generic, TypeVar

from messages.machines import Machine, Proof, Timings, Unknown
from providers.interface import ProviderClock, ProviderError

T = TypeVar("T")


class Prover(ABC, Generic[T]):
    """Proves machines gone. ``T`` is what its provider says of a machine that it still knows."""

    def __init__(self, clock: ProviderClock, timings: Timings) -> None:
        self._clock = clock
        self._timings = timings

    async def prove(self, machine: Machine) -> Proof:
        """Look as often as a proof needs. Never raises."""
        try:
            return await self._prove(machine)
        except ProviderError as error:
            return Unknown(detail=f"no answer: {error}")

    async def _look(self, machine: Machine) -> tuple[datetime, T | None]:
        """Return what the provider says of it, once "not found" counts, and when it was asked.

        A machine whose create is young may not be shown yet, so its absence is looked at again until it is old enough.
        """
        first, seen = self._clock.now(), await self._get(machine)
        while seen is None and self._young_s(machine) > 0:
            await self._clock.sleep(min(self._timings.absence_gap_s, self._young_s(machine)))
            first, seen = self._clock.now(), await self._get(machine)
        return first, seen

    def _young_s(self, machine: Machine) -> float:
        """Return for how long absence does not count yet."""
        return self._timings.min_age_s - (self._clock.now() - machine.first_seen).total_seconds()

    @abstractmethod
    async def _prove(self, machine: Machine) -> Proof:
        """Look, and look again. Raises ProviderError."""

    @abstractmethod
    async def _get(self, machine: Machine) -> T | None:
        """Return what the provider says of it, or ``None`` for "not found". Raises ProviderError."""
