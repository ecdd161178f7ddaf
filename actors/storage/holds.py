"""Which data sets may not be removed now: held for a job about to be journaled, or used by one that is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from actors.runtime.world import Clock
from messages.errors import Refusal
from messages.ids import DatasetId, JobId

JobsUsing = Callable[[DatasetId], Awaitable[Mapping[JobId, bool]]]
"""Answers which journaled jobs use a data set and whether each is open, from the jobs' read model."""


class DatasetHolds:
    """Holds and removals exclude each other: whichever began first wins.

    A hold lasts until its job stands in the journal (``jobs_using`` knows it then), and ``hold_s`` seconds at most.
    """

    def __init__(self, clock: Clock, jobs_using: JobsUsing, hold_s: float) -> None:
        self._clock = clock
        self._jobs_using = jobs_using
        self._hold_s = hold_s
        self._held: dict[DatasetId, dict[JobId, float]] = {}
        self._removing: set[DatasetId] = set()

    def take(self, dataset: DatasetId, job: JobId) -> bool:
        """Hold ``dataset`` for ``job``; ``False`` while it is being removed."""
        self._forget_old()
        if dataset in self._removing:
            return False
        self._held.setdefault(dataset, {})[job] = self._clock.monotonic() + self._hold_s
        return True

    def drop(self, dataset: DatasetId, job: JobId) -> None:
        """Give a hold back."""
        jobs = self._held.get(dataset, {})
        jobs.pop(job, None)
        if not jobs:
            self._held.pop(dataset, None)

    @contextmanager
    def removing(self, dataset: DatasetId) -> Iterator[None]:
        """Let nobody take a hold while the removal of ``dataset`` is decided and done."""
        self._removing.add(dataset)
        try:
            yield
        finally:
            self._removing.discard(dataset)

    async def refuse_in_use(self, dataset: DatasetId) -> None:
        """Raise Refusal ``E-INUSE`` naming the jobs that need ``dataset``; call inside ``removing``."""
        self._forget_old()
        journaled = await self._jobs_using(dataset)
        jobs = {job for job in self._held.get(dataset, {}) if job not in journaled}
        jobs |= {job for job, is_open in journaled.items() if is_open}
        if jobs:
            raise Refusal("E-INUSE", f"used by {', '.join(sorted(jobs)[:3])}")

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for dataset, jobs in list(self._held.items()):
            for job, until in list(jobs.items()):
                if until <= now:
                    self.drop(dataset, job)
