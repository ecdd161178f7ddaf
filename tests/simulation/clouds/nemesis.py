"""Faults as a seed may draw them: what one arms, when, for how long, and what may follow of it.

A harmless one may delay a healthy job and must not change how it ends; a blinding one keeps the daemon from ending
machines while it lasts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.simulation.clouds.house import CloudHouse

LASTS_MAX_S: Final = 300.0
Document = dict[str, Any]
When = Literal["any", "early", "running", "late"]
"""Armed at some time, before the first order comes, once a machine of ours runs, or when it has run for a while."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in a run."""

    row: int
    """Of the fault catalogue."""
    name: str
    arm: Callable[[Any], None]
    """Takes the house."""
    disarm: Callable[[Any], None]
    hits: Callable[[Any], int]
    """How often it bit, by the emulator's counters."""
    when: When
    at_s: float
    """After that moment."""
    lasts_s: float
    harmless: bool
    blinding: bool
    money: bool = False
    """A price rises from outside, or a machine shows after its time: more may be spent than was held."""


Make = Callable[[random.Random], Document]


@dataclass(frozen=True)
class Kind:
    """How to draw one kind of fault of the control plane."""

    row: int
    make: Make
    harmless: bool = True
    blinding: bool = False
    money: bool = False
    when: When = "any"


Other = Callable[[str, random.Random, float, float], Fault]
"""Makes a fault that is no switch of the control plane: name, randomness, when it comes, how long it stays."""


def one(name: str, value: Callable[[random.Random], Any], calls: tuple[int, int] | None = None) -> Make:
    """Return what draws one switch: its value, and for how many calls it is on, where not for all."""

    def make(rng: random.Random) -> Document:
        return {name: {"value": value(rng), "calls": rng.randint(*calls) if calls else None}}

    return make


def yes(_: random.Random) -> bool:
    """Return the value of a switch that is only on."""
    return True


def pick(*choices: Any) -> Callable[[random.Random], Any]:
    """Return what draws one of these."""
    return lambda rng: rng.choice(choices)


def between(low: float, high: float) -> Callable[[random.Random], float]:
    """Return what draws a number of this range."""
    return lambda rng: round(rng.uniform(low, high), 1)


@dataclass(frozen=True)
class Nemesis:
    """Everything that can go wrong in one cloud."""

    kinds: Mapping[str, Kind]
    """Everything of the control plane that can be drawn by name."""
    others: Mapping[str, tuple[int, Other]]
    """The rest, each with its row. Rows 20, 21, 23, 29, 30 and 32 come from the orders, the work and the crashes."""
    stops: tuple[str, ...]
    """What makes a create take long, so that a stop (row 20) can come meanwhile."""
    refusing: tuple[int, ...]
    """Rows whose faults make every create a refusal: a job may end so."""
    pay: Callable[[Any], None] = field(default=lambda _: None)
    """Put money into the account again, as people do once they notice."""

    def names_of(self, row: int) -> list[str]:
        """Return what can be drawn for a row of the catalogue."""
        return [name for name, kind in self.kinds.items() if kind.row == row] + [
            name for name, (of, _) in self.others.items() if of == row
        ]

    def draw(self, rng: random.Random, row: int) -> list[Fault]:
        """Return the faults of one run: one of ``row`` where the row has any, and a random few beside it."""
        found = list(self.stops) if row == 20 else self.names_of(row)
        names = [rng.choice(found)] if found else []
        names += rng.sample([*self.kinds, *self.others], rng.choice((0, 0, 1, 1, 2, 3)))
        return [self._made(name, rng) for name in dict.fromkeys(names)]

    def _made(self, name: str, rng: random.Random) -> Fault:
        if name in self.kinds:
            return _switched(name, self.kinds[name], rng)
        lasts_s, at_s = rng.uniform(10, LASTS_MAX_S), rng.uniform(0, 120)
        return self.others[name][1](name, rng, at_s, lasts_s)


def _switched(name: str, kind: Kind, rng: random.Random) -> Fault:
    document = kind.make(rng)
    hit = next(iter(document))
    at_s = {"early": 0.0, "any": rng.uniform(0, 120), "running": rng.uniform(0, 15), "late": rng.uniform(100, 200)}[
        kind.when
    ]

    def arm(house: CloudHouse) -> None:
        house.faults.arm_json(document, house.now())
        house.tick()

    def disarm(house: CloudHouse) -> None:
        house.faults.arm_json(dict.fromkeys(document), house.now())

    return Fault(
        kind.row,
        name,
        arm,
        disarm,
        lambda house: int(house.faults.hits[hit]),
        kind.when,
        at_s,
        rng.uniform(10 if kind.when == "any" else 120, LASTS_MAX_S),
        kind.harmless,
        kind.blinding,
        kind.money,
    )


# Storage that every cloud of ours speaks S3 to.


def storage_outage(name: str, rng: random.Random, at_s: float, lasts_s: float) -> Fault:
    """The store cannot be reached from here."""
    document = {"always": True, "value": rng.choice(("reset", "hang", "503"))}
    return _storage(name, "outage", document, at_s, lasts_s, blinding=True)


def transient_refusals(name: str, rng: random.Random, at_s: float, lasts_s: float) -> Fault:
    """The store refuses some calls in passing."""
    document = {"next": rng.randint(1, 12), "value": rng.choice(("403", "502", "503"))}
    return _storage(name, "transient", document, at_s, lasts_s, blinding=False)


def _storage(
    name: str, switch: str, document: Mapping[str, Any], at_s: float, lasts_s: float, *, blinding: bool
) -> Fault:
    return Fault(
        14,
        name,
        lambda house: house.s3.faults.merge({switch: document}, house.now()),
        lambda house: house.s3.faults.merge({switch: None}, house.now()),
        lambda house: int(getattr(house.s3.faults, switch).hits),
        "any",
        at_s,
        lasts_s,
        harmless=True,
        blinding=blinding,
    )
