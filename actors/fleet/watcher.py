"""What of a job is to be looked for, and how a supervisor says so."""

from __future__ import annotations

from actors.fleet.messages import Unwatch, Watch, Watched
from actors.runtime.actor import Ref
from actors.supervisor.state import Job


def watched_of(job: Job) -> Watched | None:
    """Return what to look for, or ``None`` while no machine of the job can exist."""
    attempt = job.current
    if attempt is None or attempt.request is None or job.closed:
        return None
    return Watched(
        job_id=job.id,
        user_id=job.user_id,
        attempt=attempt.number,
        name=attempt.request.name,
        folder=attempt.request.folder,
        account=job.binding.account,
        phase=job.phase,
        machine_id=attempt.machine.id if attempt.machine else None,
        known_ids=tuple(sorted({*attempt.surplus_seen, *([attempt.machine.id] if attempt.machine else [])})),
        unanswered=attempt.unanswered,
        ambiguous=attempt.ambiguous is not None and attempt.machine is None and not attempt.never_seen,
        rate_usd_per_hour=attempt.rate_usd_per_hour if attempt.machine else None,
        made_at=attempt.created_at,
        soft_deadline=attempt.request.soft_deadline,
    )


class FleetWatcher:
    """Tells FleetWatch what changed; keeps quiet when nothing did."""

    def __init__(self, fleet: Ref[Watch | Unwatch]) -> None:
        self._fleet = fleet
        self._last: Watched | None = None

    def watch(self, job: Job) -> None:
        """Say what of ``job`` is to be looked for now."""
        watched = watched_of(job)
        if watched == self._last:
            return
        self._last = watched
        self._fleet.tell(Watch(watched=watched) if watched else Unwatch(job_id=job.id))
