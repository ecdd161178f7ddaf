"""What one run showed: its trace, the rows of the catalogue it reached, how its jobs ended."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.clouds.auditor import Auditor
from tests.simulation.clouds.house import CloudHouse
from tests.simulation.clouds.script import LONG_S, ROW_OF, Ordered, Script


@dataclass
class Report:
    """What one run showed."""

    seed: int
    trace: str
    """Hash of everything that happened, in order."""
    virtual_s: float = 0.0
    """Without the day of waiting for the bill."""
    rows: Counter[int] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    orphan_ages_s: list[float] = field(default_factory=list)
    """From when a machine nobody owned was visible to its end."""

    def as_json(self) -> dict[str, Any]:
        """Return what can cross a process boundary as JSON."""
        return {**vars(self), "outcomes": {str(key): count for key, count in self.outcomes.items()}}


def report_of(
    house: CloudHouse, auditor: Auditor, script: Script, orders: Iterable[Ordered], row20: int, virtual_s: float
) -> Report:
    """Return the report of a run that is over."""
    asked = "\n".join(house.asked())
    digest = hashlib.sha256(("\n".join(auditor.trace) + asked).encode()).hexdigest()[:16]
    report = Report(script.seed, digest, virtual_s)
    for fault in script.faults:
        if fault.hits(house):
            report.rows[fault.row] += 1
            report.names[fault.name] += 1
    began = {name.split("-")[2] for name, _ in house.machines.started}
    for order in orders:
        row = ROW_OF.get(order.ends)
        if row and auditor.tail_of(order.command) in began:
            report.rows[row] += 1
            report.rows[31] += order.ends == "dies"  # something killed the wrapper
    if row20:
        report.rows[20] += 1
    if any(crash.down_s >= LONG_S for crash in script.crashes[: auditor.deaths]):
        report.rows[32] += 1
    for closed in auditor.closed.values():
        report.outcomes[str(closed.outcome)] += 1
    report.orphan_ages_s = orphan_ages(house, auditor)
    return report


def orphan_ages(house: CloudHouse, auditor: Auditor) -> list[float]:
    """Return how long machines that nobody owned went on after they were visible and the daemon could see them."""
    ages = []
    for life in house.lives():
        one = auditor.known.get(life.name)
        if one is None or life.exists_from is None or life.ended_at is None or life.visible_at is None:
            continue
        if one.adopted not in (None, life.id) or (one.ended_at and life.exists_from > one.ended_at):
            ages.append(round(auditor.seeing_s(life.visible_at, life.ended_at), 3))
    return ages
