"""What the journal says of jobs, as far as it decides what the store may lose."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from actors.journal.interface import Journal
from messages.events import MoneyReserved
from messages.ids import JobId, UserId

RECENT_JOBS_MAX: Final = 2_000
"""Jobs whose bundle is looked up in one prune; of more than that every bundle counts as used."""


class Ended(NamedTuple):
    """A job that is over."""

    user_id: UserId
    at: datetime


class KnownJobs(Protocol):
    """Jobs, as pruning asks of them."""

    async def ended(self) -> Mapping[JobId, Ended]:
        """Return every job that is over."""
        ...

    async def any_open(self) -> bool:
        """Return whether any job is open: queued, running, or waiting for its proof."""
        ...

    async def bundles_since(self, since: datetime) -> frozenset[str] | None:
        """Return the keys of the bundles of jobs that ended after ``since``; ``None`` where they are too many."""
        ...


class JournaledJobs:
    """``KnownJobs`` from the read model ``jobs``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def ended(self) -> Mapping[JobId, Ended]:
        """Return every job that is over."""
        rows = await self._journal.query("SELECT job_id, user_id, ended_at FROM jobs WHERE state = 'closed'")
        return {JobId(job): Ended(UserId(user), datetime.fromisoformat(at)) for job, user, at in rows if at}

    async def any_open(self) -> bool:
        """Return whether any job is open."""
        return bool(await self._journal.query("SELECT 1 FROM jobs WHERE state != 'closed' LIMIT 1"))

    async def bundles_since(self, since: datetime) -> frozenset[str] | None:
        """Read the jobs' streams: the read model does not hold their bundles."""
        sql = "SELECT job_id FROM jobs WHERE ended_at IS NULL OR ended_at >= ? ORDER BY position DESC LIMIT ?"
        rows = await self._journal.query(sql, (since.isoformat(), RECENT_JOBS_MAX + 1))
        if len(rows) > RECENT_JOBS_MAX:
            return None
        used: set[str] = set()
        for (job_id,) in rows:
            events = (r.event for r in await self._journal.read(f"job/{job_id}"))
            used |= {e.bundle for e in events if isinstance(e, MoneyReserved) and e.bundle}
        return frozenset(used)
