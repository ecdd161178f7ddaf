"""What one seed draws: who orders what, when the daemon dies, which faults come, and how large pages are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from messages.ids import CommandId
from messages.jobs import Outcome
from tests.simulation.clouds.nemesis import Fault, Nemesis
from tests.support.node import ANA, BEN

LONG_S: Final = 3600.0
"""A daemon that is down for longer than this is gone (row 32)."""

NATURAL: Final = {
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "hangs": Outcome.TIMED_OUT,
    "dies": Outcome.INTERRUPTED,
    "empty": Outcome.FAILED,
    "torn": Outcome.FAILED,
    "missing": Outcome.FAILED,
}
"""How a job ends when nothing but its own work decides. ``empty``: exit 0 and no model (row 30); ``torn`` and
``missing``: an artifact that is not what the marker names (row 29); ``dies``: its first process ends (row 21)."""
ROW_OF: Final = {"hangs": 23, "empty": 30, "dies": 21, "torn": 29, "missing": 29}
"""The row of the catalogue that an end of the work is."""


@dataclass(frozen=True)
class Ordered:
    """One training somebody orders."""

    command: CommandId
    by: Any
    at_s: float
    run_s: float
    ends: str
    machine: str | None
    max_runtime_s: int
    stop_at_s: float | None


@dataclass(frozen=True)
class Crash:
    """At which append of a process run it dies, before or after it, and how long it stays down."""

    at: int
    after: bool
    down_s: float


@dataclass(frozen=True)
class Stage:
    """What a cloud's scripts are drawn from."""

    name: str
    """Part of what a seed's randomness begins with."""
    rows: Sequence[int]
    """The rows of the fault catalogue that a run can reach; each seed has the next one for its theme."""
    nemesis: Nemesis
    machines: Sequence[str | None]
    """Types that an order may ask for."""
    pages: Sequence[tuple[int, int]]
    """Machines on one page of the provider's list, and strangers among them."""


@dataclass(frozen=True)
class Script:
    """Everything one seed draws."""

    seed: int
    orders: tuple[Ordered, ...]
    faults: tuple[Fault, ...]
    crashes: tuple[Crash, ...]
    latency_s: float
    budget_usd: Decimal | None
    page_items: int
    """Machines on one page of the provider's list; small pages have ``strangers`` on them too."""
    strangers: int

    @property
    def reads_logs(self) -> bool:
        """Whether somebody looks at the console of every machine."""
        return any(fault.row == 33 for fault in self.faults)


def script_of(seed: int, stage: Stage) -> Script:
    """Draw everything from the seed."""
    rng = random.Random(f"lastcall {stage.name}{seed}")
    row = stage.rows[seed % len(stage.rows)]
    orders = tuple(_order(number, row, rng, stage.machines) for number in range(rng.choice((1, 1, 2, 3))))
    budget = Decimal(rng.choice(("20", "30"))) if rng.random() < 0.5 else None
    page_items, strangers = rng.choice(stage.pages)
    return Script(
        seed,
        orders,
        tuple(stage.nemesis.draw(rng, row)),
        _crashes(row, rng),
        rng.choice((0.0, 0.02, 0.3)),
        budget,
        page_items,
        strangers,
    )


def _order(number: int, row: int, rng: random.Random, machines: Sequence[str | None]) -> Ordered:
    ends = rng.choice(("succeeded",) * 7 + ("failed", "hangs", "dies", "empty", "torn"))
    stop_at_s = round(rng.uniform(0, 240), 1) if rng.random() < 0.3 else None
    if number == 0:
        ends = rng.choice([end for end, of in ROW_OF.items() if of == row] or [ends])
        if row in ROW_OF.values():
            stop_at_s = None
        if row == 20:
            stop_at_s = round(rng.uniform(0, 20), 1)
    return Ordered(
        CommandId(f"api:0:order{number}"),
        rng.choice((ANA, BEN)),
        rng.uniform(0, 90),
        round(rng.uniform(10, 240), 1),
        ends,
        rng.choice(machines),
        rng.choice((300, 600, 7200)) if ends != "hangs" else 300,
        stop_at_s,
    )


def _crashes(row: int, rng: random.Random) -> tuple[Crash, ...]:
    count = rng.choice((0, 0, 1, 1, 2))
    crashes = [Crash(rng.randint(1, 24), rng.random() < 0.5, rng.choice((0.0, 5.0, 60.0, 240.0))) for _ in range(count)]
    if row == 32 or rng.random() < 0.03:
        crashes = [Crash(rng.randint(6, 12), rng.random() < 0.5, rng.choice((2, 8, 72)) * LONG_S), *crashes[1:]]
    return tuple(crashes)
