"""Is our clock right? Asked before a deadline ends a machine that an earlier process rented.

A process that starts on a computer whose clock is a day ahead sees every deadline passed. So deadlines wait until the
provider's time has agreed with ours once; from then on our clock is steady and needs nobody. A provider that tells no
time cannot be asked, and its machines are on this computer.
"""

from __future__ import annotations

from typing import Final

from actors.runtime.clock import SteadyClock
from actors.runtime.world import Clock
from providers.interface import CloudTrainingProvider, TellsTime

CLOCK_OFF_S_MAX: Final = 60.0
"""Two clocks that differ by no more agree (design.md 10)."""


class Certainty:
    """Whether deadlines of one account's machines may be judged by our clock."""

    def __init__(self, training: CloudTrainingProvider, clock: Clock) -> None:
        self._training = training
        self._clock = clock
        self._confirmed = False

    def off_s(self) -> float | None:
        """Return by how many seconds our clock is off, where that is too much; ``None`` also where it is unknown."""
        off_s = self._told()
        return off_s if off_s is not None and abs(off_s) > CLOCK_OFF_S_MAX else None

    def sure(self) -> bool:
        """Tell whether our clock is right: the provider agrees, or agreed and nobody has set the clock since."""
        if not isinstance(self._training, TellsTime):
            return True
        off_s = self._told()
        if off_s is not None and abs(off_s) <= CLOCK_OFF_S_MAX:
            self._confirmed = True
            return True
        jumped = isinstance(self._clock, SteadyClock) and self._clock.jump_s is not None
        return self._confirmed and not jumped

    def _told(self) -> float | None:
        """Return by how much the provider's clock is ahead, once ours has followed a correction it bears out."""
        if not isinstance(self._training, TellsTime):
            return None
        off_s = self._training.clock_off_s()
        if off_s is not None and isinstance(self._clock, SteadyClock) and self._clock.heard(off_s):
            return self._training.clock_off_s()
        return off_s
