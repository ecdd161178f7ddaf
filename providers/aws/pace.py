"""Who may call a service that throttles: terminate > list > proof > rest. Pure.

AWS fills a bucket of calls for each account and region, and says only when it is empty ("Request throttling for the
EC2 API"). So a throttled call holds back its own priority and those below it, longer each time; an answer lifts it.
"""

from __future__ import annotations

from providers.gate import Priority

FIRST_S = 1.0
LONGEST_S = 30.0


class Pace:
    """One service's throttling. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._held_until: dict[Priority, float] = {}
        self._hold_s = self._next_s = FIRST_S
        self._throttled_at: float | None = None

    def wait_s(self, priority: Priority, now: float) -> float:
        """Return 0 when a call of this priority may go out now, else the seconds until it may. Terminates go."""
        if priority is Priority.TERMINATE:
            return 0.0
        return max(0.0, self._held_until.get(priority, now) - now)

    def answered(self) -> None:
        """Say that a call was not throttled."""
        self._held_until.clear()
        self._next_s = FIRST_S
        self._throttled_at = None

    def throttled(self, priority: Priority, sent_at: float, now: float) -> float:
        """Hold back this priority and below; return for how long. Calls that were out together count once."""
        if self._throttled_at is None or sent_at > self._throttled_at:
            self._hold_s, self._throttled_at = self._next_s, now
            self._next_s = min(LONGEST_S, self._next_s * 2)
        for each in Priority:
            if each >= max(priority, Priority.LIST):
                self._held_until[each] = max(self._held_until.get(each, 0.0), now + self._hold_s)
        return self._hold_s
