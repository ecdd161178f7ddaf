"""The faults of rows A and B of the catalogue, as a seed may draw them.

Each draw says what it arms, when, for how long, and what may follow of it: a harmless one may delay a healthy job and
must not change how it ends; a blinding one keeps the daemon from ending machines while it lasts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from messages.machines import MachineName
from tests.simulation.runpod.house import RunPodHouse
from tests.support.node import KEY
from tests.support.runpod_sim import ACCOUNT

LASTS_MAX_S: Final = 300.0
FLAPS: Final = ("RUNNING", "EXITED", "EXITED", "EXITED", "EXITED", "MIGRATING", "STARTING", "RUNNING", "", "X")
"""One word for each pod read: some pods read as stopped in three listings in a row, which their heartbeats outweigh."""
Document = dict[str, Any]
When = Literal["any", "early", "running", "late"]
"""Armed at some time, before the first order comes, once a pod of ours runs, or when it has run for a while."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in a run."""

    row: int
    """Of the fault catalogue."""
    name: str
    arm: Callable[[RunPodHouse], None]
    disarm: Callable[[RunPodHouse], None]
    hits: Callable[[RunPodHouse], int]
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
    """How to draw one kind of fault."""

    row: int
    make: Make
    harmless: bool = True
    blinding: bool = False
    money: bool = False
    when: When = "any"


def _one(name: str, value: Callable[[random.Random], Any], calls: tuple[int, int] | None = None) -> Make:
    def make(rng: random.Random) -> Document:
        return {name: {"value": value(rng), "calls": rng.randint(*calls) if calls else None}}

    return make


def _yes(_: random.Random) -> bool:
    return True


def _pick(*choices: Any) -> Callable[[random.Random], Any]:
    return lambda rng: rng.choice(choices)


def _between(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda rng: round(rng.uniform(low, high), 1)


def _unseen(rng: random.Random) -> Document:
    lag = round(rng.uniform(5, 110), 1)
    return {"list.lag": lag, "get.404_for": lag}


def _slow_create(rng: random.Random) -> Document:
    return {"latency": {"value": round(rng.uniform(5, 40), 1), "on": ["pods.create"]}}


def _after(low: float, high: float) -> Make:
    return _one("create.materialise_after", _between(low, high), (1, 1))


KINDS: Final[dict[str, Kind]] = {
    "create answer lost": Kind(
        1, _one("create.accept_then", _pick("500", "502", "timeout", "reset", "garbage"), (1, 2)), when="early"
    ),
    "create answer lost, create failed": Kind(1, _one("create.fail", _pick(500, 502, 503), (1, 2)), when="early"),
    "late placement": Kind(2, _after(5, 170), when="early"),
    "placement after the quiet time": Kind(2, _after(185, 300), money=True, when="early"),
    "read lag": Kind(3, _unseen, when="early"),
    "delete says 404 and it lives": Kind(
        4, _one("delete.404_then_visible", _yes, (1, 3)), blinding=True, when="running"
    ),
    "delete acknowledged and ignored": Kind(5, _one("delete.ack_ignored", _yes, (1, 6)), blinding=True, when="running"),
    "deletes fail": Kind(5, _one("delete.fail_for", _pick(500, 502, 503)), blinding=True, when="running"),
    "cursor repeats": Kind(6, _one("list.repeat_cursor", _yes, (1, 8)), blinding=True),
    "page dropped": Kind(6, _one("list.drop_page", lambda _: 1, (1, 3)), blinding=True),
    "deletion between two pages": Kind(6, _one("list.mid_delete", lambda _: 1, (1, 8))),
    "list breaks off": Kind(6, _one("list.mid_500", _yes, (1, 8)), blinding=True),
    "empty list": Kind(7, _one("list.empty_once", _yes, (1, 3)), when="running"),
    "empty list late": Kind(7, _one("list.empty_once", _yes, (1, 3)), when="late"),
    "another account's key": Kind(8, _one("auth.switch_account", lambda _: "user_other"), blinding=True),
    "another account's key at work": Kind(
        8, _one("auth.switch_account", lambda _: "user_other"), blinding=True, when="running"
    ),
    "key without rights": Kind(8, _one("auth.narrow", _yes), blinding=True),
    "key revoked": Kind(9, _one("auth.revoke", _yes), blinding=True),
    "key revoked at work": Kind(9, _one("auth.revoke", _yes), blinding=True, when="running"),
    "stale status": Kind(10, _one("status.stale", _between(5, 60))),
    "flapping status": Kind(10, _one("status.flap", lambda _: FLAPS)),
    "unknown status": Kind(10, _one("status.word", _pick("MIGRATING", "", "Läuft"))),
    "no runtime": Kind(10, _one("runtime.null", _yes)),
    "stale runtime": Kind(10, _one("runtime.stale", _between(5, 90))),
    "cost as text": Kind(10, _one("cost.string", _yes)),
    "new fields": Kind(10, _one("fields.new", _yes)),
    "no capacity": Kind(11, _one("capacity.none", _yes, (1, 4)), harmless=False, when="early"),
    "bad request": Kind(11, _one("create.bad400", _yes, (1, 4)), harmless=False, when="early"),
    "balance 0": Kind(12, _one("balance.zero", _yes), harmless=False, when="running"),
    "minute quota gone": Kind(13, _one("ratelimit.minute", _yes), blinding=True),
    "day quota gone": Kind(13, _one("ratelimit.day", _yes), blinding=True),
    "outage": Kind(14, _one("outage", _pick("503", "refuse", "hang")), blinding=True),
    "provider's clock": Kind(15, _one("clock.skew", _pick(-3600.0, 3600.0)), when="early"),
    "foreign pods": Kind(16, _one("foreign_pods", _pick(1, 3))),
    "same name twice": Kind(17, _one("name.dup", _pick(1, 2), (1, 1)), money=True, when="early"),
    "environment hidden": Kind(17, _one("list.strip_env", _yes)),
    "container killed": Kind(22, _one("pod.oom", _yes), harmless=False, when="running"),
    "spot taken": Kind(24, _one("spot.kill", _yes), harmless=False, when="running"),
    "never placed": Kind(25, _one("pod.stuck_provisioning", _yes, (1, 1)), harmless=False, when="early"),
    "image not pulled": Kind(
        25, _one("pod.pull_fail", _pick("starting", "exited"), (1, 1)), harmless=False, when="early"
    ),
    "bad host": Kind(26, _one("pod.zombie_host", _yes, (1, 1)), harmless=False, when="early"),
    "container error": Kind(26, _one("pod.error", _yes, (1, 1)), harmless=False, when="early"),
    "wrong machine": Kind(
        27, _one("create.substitute", _pick("gpu", "zero_gpus", "data_center"), (1, 2)), harmless=False, when="early"
    ),
    "dearer than listed": Kind(
        27, _one("price.jump", _between(1.1, 3.0), (1, 2)), harmless=False, money=True, when="early"
    ),
    "price rises": Kind(27, _one("price.rise", _between(1.1, 2.0)), harmless=False, money=True, when="running"),
    "pod back from the dead": Kind(28, _one("pod.resurrect", _between(5, 60), (1, 1)), blinding=True, when="running"),
    "pod's key refused": Kind(31, _one("pod.key_403", _yes), when="running"),
    "log flood": Kind(33, _one("logs.flood", _pick(20, 400)), when="running"),
    "log with a gap": Kind(33, _one("logs.gap", _yes), when="running"),
    "log refused": Kind(33, _one("logs.400", _yes), when="running"),
    "proxy's page": Kind(14, _one("edge.html200", _yes), blinding=True),
    "cut answers": Kind(14, _one("edge.cut_json", _yes), blinding=True),
    "broken answers": Kind(14, _one("edge.cut", _yes), blinding=True),
    "slow create": Kind(14, _slow_create, when="early"),
    "slow answers": Kind(14, _one("latency", _between(0.5, 8)), blinding=True),
}
"""Everything of the control plane that can be drawn by name."""

OTHERS: Final[dict[str, int]] = {
    "storage outage": 14,
    "transient refusals": 14,
    "names like ours": 17,
    "volume full": 22,
}
"""The rest, by row. Rows 20, 21, 23, 29, 30 and 32 come from the orders, the work and the crashes."""


def names_of(row: int) -> list[str]:
    """Return what can be drawn for a row of the catalogue."""
    return [name for name, kind in KINDS.items() if kind.row == row] + [n for n, r in OTHERS.items() if r == row]


def draw(rng: random.Random, row: int) -> list[Fault]:
    """Return the faults of one run: one of ``row`` where the row has any, and a random few beside it."""
    found = ["slow create", "late placement"] if row == 20 else names_of(row)  # a stop while the create is out
    names = [rng.choice(found)] if found else []
    names += rng.sample([*KINDS, *OTHERS], rng.choice((0, 0, 1, 1, 2, 3)))
    return [_kind(name, KINDS[name], rng) if name in KINDS else _other(name, rng) for name in dict.fromkeys(names)]


def _kind(name: str, kind: Kind, rng: random.Random) -> Fault:
    document = kind.make(rng)
    hit = next(iter(document))
    at_s = {"early": 0.0, "any": rng.uniform(0, 120), "running": rng.uniform(0, 15), "late": rng.uniform(100, 200)}[
        kind.when
    ]

    def arm(house: RunPodHouse) -> None:
        house.platform.faults.arm_json(document, house.now())
        house.platform.tick(house.now())

    def disarm(house: RunPodHouse) -> None:
        house.platform.faults.arm_json(dict.fromkeys(document), house.now())

    return Fault(
        kind.row,
        name,
        arm,
        disarm,
        lambda house: house.platform.faults.hits[hit],
        kind.when,
        at_s,
        rng.uniform(10 if kind.when == "any" else 120, LASTS_MAX_S),
        kind.harmless,
        kind.blinding,
        kind.money,
    )


def _other(name: str, rng: random.Random) -> Fault:
    lasts_s, at_s = rng.uniform(10, LASTS_MAX_S), rng.uniform(0, 120)
    if name == "names like ours":
        return _alike(rng, at_s)
    if name == "volume full":
        return _volume_full(at_s, lasts_s)
    if name == "storage outage":
        return _storage(name, "outage", {"always": True, "value": rng.choice(("reset", "hang", "503"))}, at_s, lasts_s)
    document = {"next": rng.randint(1, 12), "value": rng.choice(("403", "502", "503"))}
    return _storage(name, "transient", document, at_s, lasts_s)


def _storage(name: str, switch: str, document: Mapping[str, Any], at_s: float, lasts_s: float) -> Fault:
    return Fault(
        OTHERS[name],
        name,
        lambda house: house.s3.faults.merge({switch: document}, house.now()),
        lambda house: house.s3.faults.merge({switch: None}, house.now()),
        lambda house: int(getattr(house.s3.faults, switch).hits),
        "any",
        at_s,
        lasts_s,
        harmless=True,
        blinding=switch == "outage",
    )


def _volume_full(at_s: float, lasts_s: float) -> Fault:
    def arm(house: RunPodHouse) -> None:
        house.pods.volume_full = True
        house.s3.faults.merge({"full": True}, house.now())

    def disarm(house: RunPodHouse) -> None:
        house.pods.volume_full = False
        house.s3.faults.merge({"full": None}, house.now())

    def hits(house: RunPodHouse) -> int:
        return house.pods.refused_writes + int(house.s3.faults.full.hits)

    return Fault(22, "volume full", arm, disarm, hits, "any", at_s, lasts_s, harmless=False, blinding=False)


def _alike(rng: random.Random, at_s: float) -> Fault:
    """Foreign pods whose names are ours cut short, with another check, or of another installation."""
    turn = rng.randrange(3)

    def arm(house: RunPodHouse) -> None:
        names = [life.name for life in house.platform.history() if not life.foreign]
        past = datetime.fromtimestamp(house.now(), UTC) - timedelta(hours=1)
        names.append(MachineName("instal", "gene", "aaaaaaaaaa", 1, past).text(KEY))
        other = MachineName("others", "gene", "aaaaaaaaaa", 1, past).text(KEY)
        spoiled = [_spoiled(name, (turn + n) % 3) for n, name in enumerate(names[-3:])]
        house.platform.faults.arm_json({"foreign_pods": (*spoiled, other)}, house.now())
        house.platform.tick(house.now())

    return Fault(
        17,
        "names like ours",
        arm,
        lambda _: None,
        lambda house: sum(life.foreign and life.name.startswith("lc1-") for life in house.platform.history()),
        "any",
        at_s,
        10.0,
        harmless=True,
        blinding=False,
    )


def _spoiled(name: str, way: int) -> str:
    stem, check = name[:-5], name[-4:]
    if way == 0:
        return stem
    if way == 1:
        return name[:-1]
    return f"{stem}-{check[1:]}{check[0] if len(set(check)) > 1 else 'z'}"


def pay(house: RunPodHouse) -> None:
    """Put money into the account again, as people do once they notice."""
    house.platform.set_balance(ACCOUNT, Decimal(100), house.now())


__all__ = ["KINDS", "OTHERS", "Fault", "draw", "names_of", "pay"]
