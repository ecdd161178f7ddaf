"""Which data sets may not be removed now: held for a job about to be journaled, or used by one that is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from actors.runtime.world import Clock
from messages.errors import Refusal
from messages.ids import DatasetId, JobId

OpenJobsUsing = Callable[[DatasetId], Awaitable[Sequence[JobId]]]
"""Answers which open jobs use a data set, from the jobs' read model."""


class DatasetHolds:
    """Holds and removals exclude each other: whichever began first wins.

    A hold lasts ``hold_s`` seconds; by then the job stands in the journal and ``open_jobs_using`` knows it.
    """

    def __init__(self, clock: Clock, open_jobs_using: OpenJobsUsing, hold_s: float) -> None:
        self._clock = clock
        self._open_jobs_using = open_jobs_using
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
        jobs = set(self._held.get(dataset, {})) | set(await self._open_jobs_using(dataset))
        if jobs:
            raise Refusal("E-INUSE", f"used by {', '.join(sorted(jobs)[:3])}")

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for dataset, jobs in list(self._held.items()):
            for job, until in list(jobs.items()):
                if until <= now:
                    self.drop(dataset, job)
