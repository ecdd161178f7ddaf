"""When a machine that a listing lacks counts as gone from the provider: never by one listing alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from actors.fleet.messages import Watched
from actors.runtime.world import Clock
from actors.supervisor.inputs import Vanished
from messages.ids import JobId
from messages.machines import Listing, MachineState
from providers.interface import CloudTrainingProvider, NotFound, ProviderError

EMPTY_GAPS = 2
"""Absence gaps between two empty listings before their emptiness starts a closer look."""
LOOKS = 2
"""By id, an absence gap apart, all of them in vain, before a machine counts as vanished."""
VANISHED = (
    "The provider no longer knows the machine: somebody ended it in the console, or the provider did (an empty "
    "balance, a host that failed); look there, then run it again."
)


class Absences:
    """Judges what the listings of one account lack."""

    def __init__(self, training: CloudTrainingProvider) -> None:
        self._training = training
        self._empty_since: datetime | None = None
        """When the first of the latest complete listings without any machine began."""
        self._missing: set[JobId] = set()
        """Jobs whose machine is looked for, as long as no listing shows it again."""

    def count(self, listing: Listing) -> bool:
        """Tell whether a complete listing may start a closer look: an empty one only when another came well before.

        An account that lists nothing at all looks the same as one whose listing is broken (fault 7).
        """
        if listing.machines:
            self._empty_since = None
            return True
        if self._empty_since is None:
            self._empty_since = listing.began
        span_s = (listing.began - self._empty_since).total_seconds()
        return span_s >= EMPTY_GAPS * self._training.timings.absence_gap_s

    def listed(self, jobs: Iterable[JobId]) -> None:
        """Hear which jobs' machines a listing shows."""
        if self._missing:
            self._missing.difference_update(jobs)

    async def confirmed(self, watched: Watched, clock: Clock) -> Vanished | None:
        """Look for a missing machine by its id, twice, and for whose account answers; ``None``: nothing follows.

        A listing that shows it meanwhile outweighs what is said of the id: both lag, each in its own way (fault 18).
        """
        self._missing.add(watched.job_id)
        try:
            gone = await self._not_found_twice(watched, clock) and await self._answers(watched.account)
            if not gone or watched.job_id not in self._missing:
                return None
        finally:
            self._missing.discard(watched.job_id)
        return Vanished(attempt=watched.attempt, machine_id=str(watched.machine_id), detail=VANISHED)

    async def _not_found_twice(self, watched: Watched, clock: Clock) -> bool:
        for look in range(LOOKS):
            if look:
                await clock.sleep(self._training.timings.absence_gap_s)
            if not await self._not_found(str(watched.machine_id)):
                return False
        return True

    async def _answers(self, account: str | None) -> bool:
        """Tell whether it is this account that answers now."""
        try:
            return await self._training.fingerprint() == account
        except (ProviderError, OSError, TimeoutError):
            return False

    async def _not_found(self, machine_id: str) -> bool:
        try:
            machine = await self._training.describe(machine_id)
        except NotFound:
            return True
        except (ProviderError, OSError, TimeoutError):
            return False
        return machine.state is MachineState.GONE
