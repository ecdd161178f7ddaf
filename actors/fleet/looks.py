"""When to look into which job folder: at most so many a second, jobs near their end first. Pure but for its table."""

from __future__ import annotations

from actors.fleet.messages import Watched
from messages.ids import JobId
from messages.jobs import JobState

LOOKS_PER_SECOND_MAX = 50
"""Folder reads a second over all jobs; more jobs make the interval longer, never the load higher."""

_LOOKED_AT = frozenset({JobState.LAUNCHING, JobState.STARTING, JobState.RUNNING})


class Looks:
    """When each watched job's folder is due."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due: dict[JobId, float] = {}

    def interval_s(self) -> float:
        """Seconds between two looks at one job: the provider's marker interval, longer when there are many jobs."""
        return max(self._interval_s, len(self._due) / LOOKS_PER_SECOND_MAX)

    def keep(self, watched: Watched, now_s: float) -> None:
        """Take a job up, or drop it when its folder has nothing more to say."""
        if watched.phase in _LOOKED_AT:
            self._due.setdefault(watched.job_id, now_s)
        else:
            self.drop(watched.job_id)

    def drop(self, job_id: JobId) -> None:
        """Forget a job."""
        self._due.pop(job_id, None)

    def take(self, watched: dict[JobId, Watched], now_s: float, round_s: float) -> list[JobId]:
        """Return the jobs to look at now, nearest deadline first, and set their next time."""
        due = [job_id for job_id, at in self._due.items() if at <= now_s and job_id in watched]
        due.sort(key=lambda job_id: watched[job_id].soft_deadline)
        taken = due[: max(1, int(LOOKS_PER_SECOND_MAX * round_s))]
        for job_id in taken:
            self._due[job_id] = now_s + self.interval_s()
        return taken
