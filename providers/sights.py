"""What was seen of machines: since when each is known, and which of ours ended by themselves.

Ages go by our own clock, since a cloud's may be off (fault 15). What is told here is information, never a proof.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from messages.machines import Machine
from providers.seams import ProviderClock

KNOWN_MAX: Final = 20_000
"""Machines remembered; the longest unseen go first."""
EXITS_MAX: Final = 4_096
"""Ends remembered until somebody asks."""
OURS: Final = "lc1-"
"""How the names of machines begin that Lastcall launched."""


@dataclass(slots=True)
class _Known:
    first_seen: datetime
    ours: bool = False
    uptime_s: float | None = None
    ended: bool = False
    listing: int = 0
    """Number of the last listing that showed it."""


class Sights:
    """Remembers machines. One listing after the other is compared with what was seen before."""

    def __init__(self, clock: ProviderClock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._listings = 0
        self.exits: deque[str] = deque(maxlen=EXITS_MAX)
        """Ids of our machines that ended, in the order it was seen."""

    def first_seen(self, machine_id: str) -> datetime:
        """Return when a machine was first seen, which is now for an unknown one."""
        known = self._known.get(machine_id)
        return known.first_seen if known is not None else self._keep(machine_id, ours=False).first_seen

    def launched(self, machine_id: str) -> datetime:
        """Remember a machine of ours from its create answer on."""
        self._known.pop(machine_id, None)
        return self._keep(machine_id, ours=True).first_seen

    def listed(self, machines: Iterable[Machine]) -> None:
        """Compare a complete listing with what was known, and note which of ours ended.

        A container that began anew has ended before: its uptime fell (fact sheet 2.1).
        """
        self._listings += 1
        for machine in machines:
            known = self._known.get(machine.id) or self._keep(machine.id, ours=False)
            known.ours, uptime_s = machine.name.startswith(OURS), machine.uptime_s
            if known.ours and _fell(known.uptime_s, uptime_s):
                self.exits.append(machine.id)
            known.uptime_s = uptime_s if uptime_s is not None else known.uptime_s
            known.ended, known.listing = False, self._listings
        for machine_id, known in self._known.items():
            if known.listing != self._listings and known.ours and not known.ended:
                self.exits.append(machine_id)
                known.ended = True

    def _keep(self, machine_id: str, *, ours: bool) -> _Known:
        known = self._known[machine_id] = _Known(self._clock.now(), ours, listing=self._listings)
        if len(self._known) > KNOWN_MAX:
            self._forget()
        return known

    def _forget(self) -> None:
        """Forget a tenth: what was not shown for longest, and of that what is known for longest."""
        oldest = sorted(self._known, key=lambda machine_id: self._known[machine_id].listing)
        for machine_id in oldest[: max(1, KNOWN_MAX // 10)]:
            del self._known[machine_id]


def _fell(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and now < before
