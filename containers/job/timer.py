"""The timer: the machine's own end, armed before anything else is tried.

A thread of its own, so that no call that never returns (a dead network mount) can outlive the deadline. It looks
at the clocks, never at whether anybody answers.
"""

from __future__ import annotations

import math
import threading
from typing import Callable

from containers.job.clock import Clock

LOOK_INTERVAL_S = 1.0
"""The wall clock can be set: look at it at least this often."""

AFTER_DEADLINE_S = 30.0
"""Past the soft deadline the main loop has this long for marker and end (design: the daemon ends it then, too)."""


class Timer:
    """Calls ``fire`` once, when the first of its two limits has passed."""

    def __init__(self, clock: Clock, soft_deadline: float, hard_deadline: float, fire: Callable[[], None]) -> None:
        self._clock = clock
        self._hard = hard_deadline
        self._wall = min(soft_deadline + AFTER_DEADLINE_S, hard_deadline)
        self._boot = math.inf
        self._fire = fire
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)

    def start(self) -> None:
        """Arm it."""
        self._thread.start()

    def move_deadline(self, soft_deadline: float) -> None:
        """The soft deadline is another one now; the hard one never is."""
        self._wall = min(soft_deadline + AFTER_DEADLINE_S, self._hard)

    def limit_span(self, seconds: float) -> None:
        """Fire at the latest so many seconds from now, whatever the wall clock says."""
        self._boot = self._clock.boot() + seconds

    def shorten_span(self, seconds: float) -> None:
        """As ``limit_span``, but only ever to an earlier time."""
        self._boot = min(self._boot, self._clock.boot() + seconds)

    def left_s(self) -> float:
        """Return seconds until it fires."""
        return min(self._wall - self._clock.wall(), self._boot - self._clock.boot())

    def stop(self) -> None:
        """Disarm it: the machine has ended."""
        self._stopped.set()

    def _run(self) -> None:
        while True:
            left = self.left_s()
            if left <= 0:
                self._fire()
                return
            if self._stopped.wait(min(left, LOOK_INTERVAL_S)):
                return
