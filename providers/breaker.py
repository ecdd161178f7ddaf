"""A circuit breaker: after a row of failures nothing is tried for a while, then one call at a time. Pure.

It keeps a dead surface from holding every caller for its whole deadline; who need not ask it says ``providers.gate``.
"""

from __future__ import annotations

FAILURES_MAX = 5
"""Failures in a row that open it."""
OPEN_FIRST_S = 5.0
OPEN_MAX_S = 60.0
"""How long it stays open at first and at most; each failed probe doubles the time."""


class Breaker:
    """Counts failures of one surface. ``now`` is monotonic seconds."""

    def __init__(self, failures_max: int = FAILURES_MAX, first_s: float = OPEN_FIRST_S, max_s: float = OPEN_MAX_S):
        self._failures_max = failures_max
        self._first_s = first_s
        self._max_s = max_s
        self._failures = 0
        self._open_s = first_s
        self._opened_at: float | None = None
        self._probe_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are held back, but for probes."""
        return self._opened_at is not None

    def wait_s(self, now: float) -> float:
        """Return 0 when a call may go out now, else in how many seconds to ask again."""
        if self._opened_at is None:
            return 0.0
        free_at = self._opened_at + self._open_s
        if self._probe_at is not None:  # a probe whose caller vanished does not hold the door for ever
            free_at = max(free_at, self._probe_at + self._open_s)
        return max(0.0, free_at - now)

    def sending(self, now: float) -> None:
        """Say that a call goes out; while open it is the probe, and no other may follow it."""
        if self._opened_at is not None:
            self._probe_at = now

    def succeeded(self) -> None:
        """Say that an answer came, whatever it was."""
        self._failures = 0
        self._open_s = self._first_s
        self._opened_at = self._probe_at = None

    def failed(self, now: float) -> None:
        """Say that no answer came."""
        self._failures += 1
        if self._opened_at is not None and self._probe_at is None:
            return  # it went out before the breaker opened, and says nothing of now
        if self._opened_at is not None:
            self._open_s = min(self._max_s, self._open_s * 2)
            self._opened_at, self._probe_at = now, None
        elif self._failures >= self._failures_max:
            self._opened_at = now
