"""Machine slots: which queued job may have the next machine. Pure but for its own table."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from messages.ids import JobId, UserId
from messages.machines import ProviderKind

ON_THEIR_WAY_S = 10.0
"""From a grant until the create it leads to has been sent, mostly, and counts where the provider counts its calls."""


class Claimant(NamedTuple):
    """Whose a job is, and where its machine is rented."""

    user: UserId
    provider: ProviderKind


def _never(_provider: ProviderKind, _machines: int) -> str | None:
    return None


def _unbounded(_provider: ProviderKind) -> int | None:
    return None


class Slots:
    """At most ``machines_max`` jobs with machines in all and ``per_user_max`` a user; the oldest waiting job first.

    No provider gets more jobs at once than it takes creates now: what cannot be sent would only be intended, held back
    and intended again.
    """

    def __init__(
        self,
        machines_max: int,
        per_user_max: int,
        held_back: Callable[[ProviderKind, int], str | None] = _never,
        creates_now: Callable[[ProviderKind], int | None] = _unbounded,
    ) -> None:
        """``held_back`` says why a provider can bear no machine beside the so many it has, or ``None``.

        ``creates_now`` says how many creates a provider could take now, or ``None`` where nobody knows of a bound.
        """
        self._machines_max = machines_max
        self._per_user_max = per_user_max
        self._held_back = held_back
        self._creates_now = creates_now
        self._waiting: dict[JobId, Claimant] = {}
        self._queues: dict[Claimant, dict[JobId, int]] = {}
        """The waiting jobs of each claimant, oldest first, with their place in the order of all."""
        self._queued = 0
        self._holding: dict[JobId, Claimant] = {}
        self._of_user: Counter[UserId] = Counter()
        self._of_provider: Counter[ProviderKind] = Counter()
        self._granted_at: dict[ProviderKind, deque[float]] = {}
        """When the latest grants were given: their creates may not have been sent yet."""

    @property
    def waiting(self) -> tuple[JobId, ...]:
        """Jobs that wait, oldest first."""
        return tuple(self._waiting)

    def wait(self, job_id: JobId, user: UserId, provider: ProviderKind) -> None:
        """Queue a job."""
        if job_id not in self._holding and job_id not in self._waiting:
            self._queued += 1
            claimant = self._waiting[job_id] = Claimant(user, provider)
            self._queues.setdefault(claimant, {})[job_id] = self._queued

    def hold(self, job_id: JobId, user: UserId, provider: ProviderKind) -> None:
        """Take a slot for a job that has a machine already, whatever the limit says."""
        self.leave(job_id)
        self._holding[job_id] = Claimant(user, provider)
        self._of_user[user] += 1
        self._of_provider[provider] += 1

    def leave(self, job_id: JobId) -> None:
        """Forget a job that is over."""
        waited = self._waiting.pop(job_id, None)
        if waited is not None:
            queue = self._queues[waited]
            del queue[job_id]
            if not queue:
                del self._queues[waited]
        held = self._holding.pop(job_id, None)
        if held is not None:
            self._of_user[held.user] -= 1
            self._of_provider[held.provider] -= 1

    def granted(self, job_id: JobId) -> bool:
        """Tell whether a job has a slot."""
        return job_id in self._holding

    def grant(self, now_s: float) -> list[JobId]:
        """Give free slots to waiting jobs and return them; ``now_s`` is monotonic.

        One provider's trouble keeps no other's jobs waiting.
        """
        given: list[JobId] = []
        room = {provider: self._room(provider, now_s) for provider in self._providers()}
        oldest = [(next(iter(queue.values())), claimant) for claimant, queue in self._queues.items()]
        heapify(oldest)
        while oldest and len(self._holding) < self._machines_max:
            _, claimant = heappop(oldest)
            user, provider = claimant
            if self._of_user[user] >= self._per_user_max or room[provider] <= 0:
                continue
            if self._held_back(provider, self._of_provider[provider]) is not None:
                continue
            job_id = next(iter(self._queues[claimant]))
            self.hold(job_id, user, provider)
            self._granted_at.setdefault(provider, deque()).append(now_s)
            room[provider] -= 1
            given.append(job_id)
            if queue := self._queues.get(claimant):
                heappush(oldest, (next(iter(queue.values())), claimant))
        return given

    def why(self, now_s: float) -> dict[JobId, str]:
        """Say of each waiting job why it waits, one line, oldest first; ``now_s`` is monotonic."""
        full = len(self._holding) >= self._machines_max
        slots = f"all {self._machines_max} machine slots are in use"
        troubles = {provider: self._trouble(provider, now_s) for provider in self._providers()}
        return {
            job_id: f"{slots}; {ahead} ahead of it" if full else troubles[one.provider] or self._own(one.user)
            for ahead, (job_id, one) in enumerate(self._waiting.items())
        }

    def _own(self, user: UserId) -> str:
        if self._of_user[user] >= self._per_user_max:
            return f"you have {self._per_user_max} machines already"
        return "it is about to begin"

    def _providers(self) -> Iterator[ProviderKind]:
        """Yield whose machines jobs wait for, each once."""
        return iter(dict.fromkeys(claimant.provider for claimant in self._queues))

    def _room(self, provider: ProviderKind, now_s: float) -> int:
        """Return how many more creates the provider takes now, those that are on their way taken off."""
        takes = self._creates_now(provider)
        if takes is None:
            return self._machines_max
        recent = self._granted_at.get(provider, deque())
        while recent and recent[0] <= now_s - ON_THEIR_WAY_S:
            recent.popleft()
        return takes - len(recent)

    def _trouble(self, provider: ProviderKind, now_s: float) -> str | None:
        """Say why a provider gets no job now."""
        reason = self._held_back(provider, self._of_provider[provider])
        if reason is None and self._room(provider, now_s) <= 0:
            return f"{provider} takes no further machine at this moment"
        return reason
