"""Machine slots: which queued job may have the next machine. Pure but for its own table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from messages.ids import JobId, UserId
from messages.machines import ProviderKind


class Claimant(NamedTuple):
    """Whose a job is, and where its machine is rented."""

    user: UserId
    provider: ProviderKind


def _never(_provider: ProviderKind, _machines: int) -> str | None:
    return None


class Slots:
    """At most ``machines_max`` jobs with machines in all and ``per_user_max`` a user; the oldest waiting job first."""

    def __init__(
        self,
        machines_max: int,
        per_user_max: int,
        held_back: Callable[[ProviderKind, int], str | None] = _never,
    ) -> None:
        """``held_back`` says why a provider can bear no machine beside the so many it has, or ``None``."""
        self._machines_max = machines_max
        self._per_user_max = per_user_max
        self._held_back = held_back
        self._waiting: dict[JobId, Claimant] = {}
        self._holding: dict[JobId, Claimant] = {}

    @property
    def waiting(self) -> tuple[JobId, ...]:
        """Jobs that wait, oldest first."""
        return tuple(self._waiting)

    def wait(self, job_id: JobId, user: UserId, provider: ProviderKind) -> None:
        """Queue a job."""
        if job_id not in self._holding:
            self._waiting.setdefault(job_id, Claimant(user, provider))

    def hold(self, job_id: JobId, user: UserId, provider: ProviderKind) -> None:
        """Take a slot for a job that has a machine already, whatever the limit says."""
        self._waiting.pop(job_id, None)
        self._holding[job_id] = Claimant(user, provider)

    def leave(self, job_id: JobId) -> None:
        """Forget a job that is over."""
        self._waiting.pop(job_id, None)
        self._holding.pop(job_id, None)

    def granted(self, job_id: JobId) -> bool:
        """Tell whether a job has a slot."""
        return job_id in self._holding

    def grant(self) -> list[JobId]:
        """Give free slots to waiting jobs and return them. One provider's trouble keeps no other's jobs waiting."""
        given: list[JobId] = []
        if not self._waiting:
            return given
        users = Counter(holder.user for holder in self._holding.values())
        machines = Counter(holder.provider for holder in self._holding.values())
        for job_id, (user, provider) in list(self._waiting.items()):
            if len(self._holding) >= self._machines_max:
                break
            if users[user] < self._per_user_max and self._held_back(provider, machines[provider]) is None:
                self.hold(job_id, user, provider)
                users[user] += 1
                machines[provider] += 1
                given.append(job_id)
        return given

    def why(self, job_id: JobId) -> str:
        """Say why a job waits, one line; empty when it does not."""
        waiting = self._waiting.get(job_id)
        if waiting is None:
            return ""
        ahead = self.waiting.index(job_id)
        if len(self._holding) >= self._machines_max:
            return f"all {self._machines_max} machine slots are in use; {ahead} ahead of it"
        there = sum(1 for holder in self._holding.values() if holder.provider == waiting.provider)
        if (reason := self._held_back(waiting.provider, there)) is not None:
            return reason
        return f"you have {self._per_user_max} machines already"
