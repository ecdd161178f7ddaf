"""Whose is what the journal and the provider show? Nobody sees another user's jobs, machines or operations."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Collection

from actors.journal.interface import Journal, Recorded
from messages import events as ev
from messages.ids import JobId, UserId

OWNERS_KNOWN_MAX = 1_000
"""Jobs whose owner is remembered; the one not asked for longest goes first."""
ANOTHER = "(another user's)"
"""What stands for a name that is not for the reader."""

_NAMED = re.compile(
    r"job_(?P<job>[a-z2-7]{10})|lc1-[a-z2-7]{10}-(?P<machine>[a-z2-7]{10})-a[0-9]{3}(?:-x[0-9]{10}-[a-z2-7]{4})?"
)
"""A job's id, or a machine's name, which holds one (``messages.machines.MachineName``)."""


class Owners:
    """Who owns a job, and what that lets one person see. An owner never changes, so answers are remembered."""

    def __init__(self, journal: Journal, known_max: int = OWNERS_KNOWN_MAX) -> None:
        self._journal = journal
        self._known_max = known_max
        self._known: OrderedDict[JobId, UserId] = OrderedDict()

    def __len__(self) -> int:
        """Return how many owners are remembered."""
        return len(self._known)

    async def of(self, jobs: Collection[JobId]) -> dict[JobId, UserId]:
        """Return the owner of each of ``jobs`` that this journal knows."""
        found = {job_id: self._known[job_id] for job_id in jobs if job_id in self._known}
        if missing := [job_id for job_id in jobs if job_id not in found]:
            sql = "SELECT job_id, user_id FROM jobs WHERE job_id IN (SELECT value FROM json_each(?))"
            rows = await self._journal.query(sql, (json.dumps(missing),))
            found |= {JobId(job_id): UserId(user) for job_id, user in rows}
        for job_id, user in found.items():
            self._known[job_id] = user
            self._known.move_to_end(job_id)
        while len(self._known) > self._known_max:
            self._known.popitem(last=False)
        return found

    async def masked(self, user: UserId, text: str) -> str:
        """Return ``text`` with the jobs and machines of other users taken out."""
        owners = await self.of({_job_of(found) for found in _NAMED.finditer(text)})
        others = {job_id for job_id, owner in owners.items() if owner != user}
        return _NAMED.sub(lambda found: ANOTHER if _job_of(found) in others else found[0], text)

    async def concerns(self, user: UserId, recorded: Recorded) -> bool:
        """Tell whether an event is for ``user``: their jobs, money, data and operations, and what is of the node."""
        kind, _, key = recorded.stream.partition("/")
        if kind == "job":
            return await self._owns(user, JobId(key))
        if kind in ("node", "fleet"):
            text = recorded.event.model_dump_json()
            return await self.masked(user, text) == text
        match recorded.event:
            case ev.AccrualStarted() | ev.Released():
                return await self._owns(user, JobId(recorded.event.reservation.partition("/")[0]))
            case ev.Audited():
                return recorded.event.who.split()[-1:] == [user]
            case ev.CommandAccepted():
                return recorded.event.body.get("user_id") == user
            case event:
                return _user_of(event) == user

    async def _owns(self, user: UserId, job_id: JobId) -> bool:
        return (await self.of([job_id])).get(job_id) == user


def _job_of(found: re.Match[str]) -> JobId:
    return JobId(f"job_{found['job'] or found['machine']}")


def _user_of(event: ev.Event) -> UserId | None:
    """Return the user an event of the ledger or of storage carries."""
    match event:
        case ev.DatasetAdded():
            return event.dataset.user_id
        case ev.ModelStored():
            return event.model.user_id
        case ev.DatasetRemoved() | ev.ModelRemoved():
            return event.by
        case ev.Reserved() | ev.Settled() | ev.Spent() | ev.Corrected() | ev.Billed() | ev.PredictionMade():
            return event.user_id
        case _:
            return None
