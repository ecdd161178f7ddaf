"""Machine slots: which queued job may have the next machine. Pure but for its own table."""

from __future__ import annotations

from collections.abc import Callable

from messages.ids import JobId, UserId


class Slots:
    """At most ``machines_max`` jobs with machines in all and ``per_user_max`` a user; the oldest waiting job first."""

    def __init__(
        self, machines_max: int, per_user_max: int, held_back: Callable[[], str | None] = lambda: None
    ) -> None:
        """``held_back`` says why the provider can bear no further machine now, or ``None``."""
        self._machines_max = machines_max
        self._per_user_max = per_user_max
        self._held_back = held_back
        self._waiting: dict[JobId, UserId] = {}
        self._holding: dict[JobId, UserId] = {}

    @property
    def waiting(self) -> tuple[JobId, ...]:
        """Jobs that wait, oldest first."""
        return tuple(self._waiting)

    def wait(self, job_id: JobId, user: UserId) -> None:
        """Queue a job."""
        if job_id not in self._holding:
            self._waiting.setdefault(job_id, user)

    def hold(self, job_id: JobId, user: UserId) -> None:
        """Take a slot for a job that has a machine already, whatever the limit says."""
        self._waiting.pop(job_id, None)
        self._holding[job_id] = user

    def leave(self, job_id: JobId) -> None:
        """Forget a job that is over."""
        self._waiting.pop(job_id, None)
        self._holding.pop(job_id, None)

    def granted(self, job_id: JobId) -> bool:
        """Tell whether a job has a slot."""
        return job_id in self._holding

    def grant(self) -> list[JobId]:
        """Give free slots to waiting jobs and return them."""
        given: list[JobId] = []
        if self._held_back() is not None:
            return given
        for job_id, user in list(self._waiting.items()):
            if len(self._holding) >= self._machines_max:
                break
            if sum(1 for holder in self._holding.values() if holder == user) < self._per_user_max:
                self.hold(job_id, user)
                given.append(job_id)
        return given

    def why(self, job_id: JobId) -> str:
        """Say why a job waits, one line; empty when it does not."""
        user = self._waiting.get(job_id)
        if user is None:
            return ""
        ahead = self.waiting.index(job_id)
        if len(self._holding) >= self._machines_max:
            return f"all {self._machines_max} machine slots are in use; {ahead} ahead of it"
        if (reason := self._held_back()) is not None:
            return reason
        return f"you have {self._per_user_max} machines already"
