"""What every proof that a cloud's machine is gone begins with; what proves it is each provider's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, TypeVar

from messages.machines import Alive, Listing, Machine, Proof, Timings, Unknown
from providers.interface import ProviderError
from providers.seams import ProviderClock

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

    async def _unlisted(
        self, machine: Machine, since: datetime, listing: Listing, again: Callable[[], Awaitable[Listing]]
    ) -> Listing | Alive | Unknown:
        """Return a listing that proves absence since ``since``, or why there is none.

        ``listing`` began then or later. Where it needed more than one page, the one ``again`` gives has to agree: begun
        once ``listing`` was over. Raises ProviderError.
        """
        for left in (1, 0):
            if not listing.complete or listing.account != machine.account:
                return Unknown(detail="the listing is cut, or of an account that is not confirmed")
            if not listing.shown.isdisjoint(_words(machine)):
                return Alive(detail="it is listed")
            absent_since = listing.absent_since(*_words(machine))
            if absent_since is not None and (not listing.paged or absent_since >= since):
                return listing
            if left:
                listing = await again()
        return Unknown(detail="two listings of several pages in a row do not agree that it is gone")

    @abstractmethod
    async def _prove(self, machine: Machine) -> Proof:
        """Look, and look again. Raises ProviderError."""

    @abstractmethod
    async def _get(self, machine: Machine) -> T | None:
        """Return what the provider says of it, or ``None`` for "not found". Raises ProviderError."""


def evidence_of(listing: Listing, of: str) -> str:
    """Return one line on a listing that proves a machine's absence; ``of`` says what it lists."""
    before = listing.before
    if not listing.paged or before is None:
        return f"{listing.began:%H:%M:%S} a complete list of {of} begun here shows neither its id nor its name"
    both = f"{before.began:%H:%M:%S} and {listing.began:%H:%M:%S}"
    return f"{both} two complete lists of {of}, one right after the other, show neither its id nor its name"


def _words(machine: Machine) -> tuple[str, ...]:
    return (machine.id, machine.name) if machine.name else (machine.id,)
