"""When a failed actor is started again, how long that waits, and when it is parked instead.

One for one: the failure of an actor concerns that actor and its children only. The decision is pure; the
waiting is done by the actor's cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """A written restart limit: at most ``restarts_max`` failures within ``within_s`` seconds are survived.

    The wait before restart n is ``backoff_first_s * 2**(n-1)`` up to ``backoff_max_s``, shortened by up to
    ``jitter`` (a share, 0 to 1) so that actors which failed together do not come back together. A policy whose waits
    add up to more than the window could never park a crash loop and is refused.
    """

    restarts_max: int = 5
    within_s: float = 60.0
    backoff_first_s: float = 0.1
    backoff_max_s: float = 10.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if self.restarts_max < 0 or not 0.0 <= self.jitter <= 1.0:
            raise ValueError("restarts_max must not be negative and jitter lies between 0 and 1")
        waits = sum(self.longest_wait_s(n) for n in range(1, self.restarts_max + 1))
        if waits >= self.within_s:
            raise ValueError(f"waits of {waits:g} s in all never let enough failures fall within {self.within_s:g} s")

    def longest_wait_s(self, failure: int) -> float:
        """Return the wait in seconds after failure number ``failure`` (from 1) before jitter."""
        # The exponent is capped because a float overflows at 2**1024.
        return float(min(self.backoff_max_s, self.backoff_first_s * 2.0 ** min(failure - 1, 60)))

    def recent(self, failures: Sequence[float], now: float) -> list[float]:
        """Return the failure times that still count at ``now``: at most ``restarts_max + 1`` of them, oldest first."""
        return [at for at in failures if now - at < self.within_s][-(self.restarts_max + 1) :]

    def wait_s(self, failures_recent: int, share: float) -> float | None:
        """Return the seconds to wait before the next start, or None when the actor is to be parked.

        ``share`` is a random number from 0 to 1: how much of the jitter is taken off.
        """
        if failures_recent > self.restarts_max:
            return None
        return self.longest_wait_s(failures_recent) * (1.0 - self.jitter * share)


NEVER = RestartPolicy(restarts_max=0)
"""Park at the first failure."""
