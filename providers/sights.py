"""What was seen of machines: since when each is known, and which of ours ended by themselves.

Ages go by our own clock, since a cloud's may be off (fault 15). What is told here is information, never a proof.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from messages.machines import Machine
from providers.interface import ProviderClock

KNOWN_MAX: Final = 20_000
"""Machines remembered; the longest unseen go first."""
EXITS_MAX: Final = 4_096
"""Ends remembered until somebody asks."""
OURS: Final = "lc1-"
"""How the names of machines begin that Lastcall launched."""


class _Known(NamedTuple):
    first_seen: datetime
    ours: bool
    uptime_s: float | None
    ended: bool


class Sights:
    """Remembers machines. One listing after the other is compared with what was seen before."""

    def __init__(self, clock: ProviderClock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self.exits: deque[str] = deque(maxlen=EXITS_MAX)
        """Ids of our machines that ended, in the order it was seen."""

    def first_seen(self, machine_id: str) -> datetime:
        """Return when a machine was first seen, which is now for an unknown one."""
        known = self._known.get(machine_id)
        if known is None:
            known = self._keep(machine_id, _Known(self._clock.now(), ours=False, uptime_s=None, ended=False))
        return known.first_seen

    def launched(self, machine_id: str) -> datetime:
        """Remember a machine of ours from its create answer on."""
        return self._keep(machine_id, _Known(self._clock.now(), ours=True, uptime_s=None, ended=False)).first_seen

    def listed(self, machines: Iterable[Machine]) -> None:
        """Compare a complete listing with what was known, and note which of ours ended.

        A container that began anew has ended before: its uptime fell (fact sheet 2.1).
        """
        present: dict[str, None] = {}
        for machine in machines:
            present[machine.id] = None
            before = self._known.get(machine.id)
            fell = before is not None and _fell(before.uptime_s, machine.uptime_s)
            if fell and machine.name.startswith(OURS):
                self.exits.append(machine.id)
            first_seen = before.first_seen if before else self._clock.now()
            kept = machine.uptime_s if machine.uptime_s is not None else before.uptime_s if before else None
            self._keep(machine.id, _Known(first_seen, machine.name.startswith(OURS), kept, ended=False))
        for machine_id, known in self._known.items():
            if machine_id not in present and known.ours and not known.ended:
                self.exits.append(machine_id)
                self._known[machine_id] = known._replace(ended=True)

    def _keep(self, machine_id: str, known: _Known) -> _Known:
        self._known.pop(machine_id, None)  # moves it to the end
        self._known[machine_id] = known
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        return known


def _fell(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and now < before
