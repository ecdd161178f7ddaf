"""Is our clock right? Asked before a deadline ends a machine that an earlier process rented.

A process that starts on a computer whose clock is a day ahead sees every deadline passed. So deadlines wait until the
provider's time has agreed with ours once; from then on our clock is steady and needs nobody. Its storage is a second
witness, for the provider's own clock may be the wrong one (fault 15). A provider that tells no time cannot be asked,
and its machines are on this computer.
"""

from __future__ import annotations

from typing import Final

from actors.runtime.clock import SteadyClock
from actors.runtime.world import Clock
from providers.interface import CloudStorageProvider, CloudTrainingProvider, TellsTime

CLOCK_OFF_S_MAX: Final = 60.0
"""Two clocks that differ by no more agree (design.md 10)."""


class Certainty:
    """Whether deadlines of one account's machines may be judged by our clock."""

    def __init__(
        self, training: CloudTrainingProvider, clock: Clock, storage: CloudStorageProvider | None = None
    ) -> None:
        """``storage`` is asked too where it tells its time."""
        # Looked up once: what a class offers does not change, and this is asked of every job every few seconds.
        self._provider = training if isinstance(training, TellsTime) else None
        services: tuple[object, ...] = (training, storage)
        self._witnesses = [one for one in services if isinstance(one, TellsTime)]
        self._clock = clock
        self._confirmed = False

    def off_s(self) -> float | None:
        """Return by how many seconds the provider's clock is ahead, where that is too much; ``None`` if unknown."""
        off_s = self._told(self._provider) if self._provider is not None else None
        return None if off_s is None or _agree(off_s) else off_s

    def sure(self) -> bool:
        """Tell whether our clock is right: a witness agrees, or agreed and nobody has set the clock since."""
        if self._provider is None:
            return True
        told = [off_s for one in self._witnesses if (off_s := self._told(one)) is not None]
        if any(map(_agree, told)):
            self._confirmed = True
            return True
        jumped = isinstance(self._clock, SteadyClock) and self._clock.jump_s is not None
        return self._confirmed and not jumped

    def _told(self, witness: TellsTime) -> float | None:
        """Return by how much a witness's clock is ahead, once ours has followed a correction it bears out."""
        off_s = witness.clock_off_s()
        if off_s is not None and isinstance(self._clock, SteadyClock) and self._clock.heard(off_s):
            return witness.clock_off_s()
        return off_s


def _agree(off_s: float) -> bool:
    return abs(off_s) <= CLOCK_OFF_S_MAX
