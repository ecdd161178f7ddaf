"""The faults of rows A and B of the catalogue, as a seed may draw them.

Each draw says what it arms, when, for how long, and what may follow of it: a harmless one may delay a healthy job and
must not change how it ends; a blinding one keeps the daemon from ending machines while it lasts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.emulators.runpod.faults import Faults, Switch
from tests.emulators.runpod.settings import OTHER_KEY
from tests.simulation.runpod.house import RunPodHouse
from tests.support.runpod_sim import ACCOUNT

LASTS_MAX_S: Final = 300.0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong in a run."""

    row: int
    """Of the fault catalogue."""
    name: str
    hit: str
    """The emulator's counter that shows it was reached; empty: it shows in the run itself."""
    arm: Callable[[RunPodHouse], None]
    at_s: float
    lasts_s: float
    harmless: bool
    blinding: bool
    money: bool = False
    """A price rises from outside, or a machine shows after its time: more may be spent than was held."""


Make = Callable[[random.Random], tuple[str, dict[str, Switch[Any]]]]


@dataclass(frozen=True)
class Kind:
    """How to draw one kind of fault."""

    row: int
    make: Make
    harmless: bool = True
    blinding: bool = False
    money: bool = False
    early: bool = False
    """It concerns creates: armed before the first job comes."""


def _one(field: str, hit: str, value: Callable[[random.Random], Any], calls: tuple[int, int] | None = None) -> Make:
    def make(rng: random.Random) -> tuple[str, dict[str, Switch[Any]]]:
        count = rng.randint(*calls) if calls else None
        return hit, {field: Switch(value(rng), calls=count)}

    return make


def _yes(_: random.Random) -> bool:
    return True


def _pick(*choices: Any) -> Callable[[random.Random], Any]:
    return lambda rng: rng.choice(choices)


def _between(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda rng: round(rng.uniform(low, high), 1)


def _unseen(rng: random.Random) -> tuple[str, dict[str, Switch[Any]]]:
    lag = round(rng.uniform(5, 110), 1)
    return "list.lag", {"list_lag": Switch(lag), "get_404_for": Switch(lag)}


def _late(rng: random.Random) -> tuple[str, dict[str, Switch[Any]]]:
    return "create.materialise_after", {"create_materialise_after": Switch(round(rng.uniform(5, 170), 1), calls=1)}


def _very_late(rng: random.Random) -> tuple[str, dict[str, Switch[Any]]]:
    return "create.materialise_after", {"create_materialise_after": Switch(round(rng.uniform(185, 300), 1), calls=1)}


KINDS: Final[dict[str, Kind]] = {
    "create answer lost": Kind(
        1,
        _one("create_accept_then", "create.accept_then", _pick("500", "502", "timeout", "reset", "garbage"), (1, 2)),
        early=True,
    ),
    "create answer lost, create failed": Kind(
        1, _one("create_fail", "create.fail", _pick(500, 502, 503), (1, 2)), early=True
    ),
    "late placement": Kind(2, _late, early=True),
    "placement after the quiet time": Kind(2, _very_late, money=True, early=True),
    "read lag": Kind(3, _unseen, early=True),
    "delete says 404 and it lives": Kind(
        4, _one("delete_404_then_visible", "delete.404_then_visible", _yes, (1, 3)), blinding=True
    ),
    "delete acknowledged and ignored": Kind(
        5, _one("delete_ack_ignored", "delete.ack_ignored", _yes, (1, 6)), blinding=True
    ),
    "deletes fail": Kind(5, _one("delete_fail", "delete.fail_for", _pick(500, 502, 503)), blinding=True),
    "cursor repeats": Kind(6, _one("list_repeat_cursor", "list.repeat_cursor", _yes, (1, 8)), blinding=True),
    "page dropped": Kind(6, _one("list_drop_page", "list.drop_page", lambda _: 1, (1, 3)), blinding=True),
    "list breaks off": Kind(6, _one("list_mid_500", "list.mid_500", _yes, (1, 8)), blinding=True),
    "empty list": Kind(7, _one("list_empty_once", "list.empty_once", _yes, (1, 3))),
    "another account's key": Kind(
        8, _one("auth_switch_account", "auth.switch_account", lambda _: "user_other"), blinding=True
    ),
    "key without rights": Kind(8, _one("auth_narrow", "auth.narrow", _yes), blinding=True),
    "key revoked": Kind(9, _one("auth_revoke", "auth.revoke", _yes), blinding=True),
    "stale status": Kind(10, _one("status_stale", "status.stale", _between(5, 60))),
    "flapping status": Kind(10, _one("status_flap", "status.flap", lambda _: ("RUNNING", "EXITED", "MIGRATING"))),
    "unknown status": Kind(10, _one("status_word", "status.word", _pick("MIGRATING", "", "Läuft"))),
    "no runtime": Kind(10, _one("runtime_null", "runtime.null", _yes)),
    "stale runtime": Kind(10, _one("runtime_stale", "runtime.stale", _between(5, 90))),
    "cost as text": Kind(10, _one("cost_string", "cost.string", _yes)),
    "new fields": Kind(10, _one("fields_new", "fields.new", _yes)),
    "no capacity": Kind(11, _one("capacity_none", "capacity.none", _yes, (1, 4)), harmless=False, early=True),
    "bad request": Kind(11, _one("create_bad400", "create.bad400", _yes, (1, 4)), harmless=False, early=True),
    "balance 0": Kind(12, _one("balance_zero", "balance.zero", _yes), harmless=False),
    "minute quota gone": Kind(13, _one("ratelimit_minute", "ratelimit.minute", _yes), blinding=True),
    "day quota gone": Kind(13, _one("ratelimit_day", "ratelimit.day", _yes), blinding=True),
    "outage": Kind(14, _one("outage", "outage", _pick("503", "refuse", "hang")), blinding=True),
    "provider's clock": Kind(15, _one("clock_skew", "clock.skew", _pick(-3600.0, 3600.0))),
    "foreign pods": Kind(16, _one("foreign_pods", "foreign_pods", _pick(1, 3))),
    "same name twice": Kind(17, _one("name_dup", "name.dup", _pick(1, 2), (1, 1)), money=True, early=True),
    "environment hidden": Kind(17, _one("list_strip_env", "list.strip_env", _yes)),
    "container killed": Kind(22, _one("pod_oom", "pod.oom", _yes), harmless=False),
    "spot taken": Kind(24, _one("spot_kill", "spot.kill", _yes), harmless=False),
    "never placed": Kind(
        25, _one("pod_stuck_provisioning", "pod.stuck_provisioning", _yes, (1, 1)), harmless=False, early=True
    ),
    "image not pulled": Kind(
        25, _one("pod_pull_fail", "pod.pull_fail", _pick("starting", "exited"), (1, 1)), harmless=False, early=True
    ),
    "bad host": Kind(26, _one("pod_zombie_host", "pod.zombie_host", _yes, (1, 1)), harmless=False, early=True),
    "container error": Kind(26, _one("pod_error", "pod.error", _yes, (1, 1)), harmless=False, early=True),
    "wrong machine": Kind(
        27,
        _one("create_substitute", "create.substitute", _pick("gpu", "zero_gpus", "data_center"), (1, 2)),
        harmless=False,
        early=True,
    ),
    "pod back from the dead": Kind(28, _one("pod_resurrect", "pod.resurrect", _between(5, 60), (1, 1)), blinding=True),
    "pod's key refused": Kind(31, _one("pod_key_403", "pod.key_403", _yes)),
    "proxy's page": Kind(14, _one("edge_html200", "edge.html200", _yes), blinding=True),
    "cut answers": Kind(14, _one("edge_cut_json", "edge.cut_json", _yes), blinding=True),
    "broken answers": Kind(14, _one("edge_cut", "edge.cut", _yes), blinding=True),
    "slow answers": Kind(14, _one("latency", "latency", _between(0.5, 8)), blinding=True),
    "dearer than listed": Kind(
        27, _one("price_jump", "price.jump", _between(1.1, 3.0), (1, 2)), harmless=False, money=True, early=True
    ),
    "price rises": Kind(27, _one("price_rise", "price.rise", _between(1.1, 2.0)), harmless=False, money=True),
}
"""Everything that can be drawn by name. Rows 20, 23, 29, 30 and 32 come from the orders, the work and the crashes."""

STORAGE: Final = ("storage outage", "volume full", "transient refusals")


def draw(rng: random.Random) -> list[Fault]:
    """Return the faults of one run: a random few, each at a random time."""
    count = rng.choice((0, 1, 1, 2, 2, 3, 4))
    names = rng.sample([*KINDS, *STORAGE], count)
    return [_storage(name, rng) if name in STORAGE else _kind(name, KINDS[name], rng) for name in names]


def _kind(name: str, kind: Kind, rng: random.Random) -> Fault:
    hit, switches = kind.make(rng)
    at_s = 0.0 if kind.early else rng.uniform(0, 120)

    def arm(house: RunPodHouse) -> None:
        house.platform.arm(Faults(**switches), house.now())

    lasts_s = rng.uniform(10, LASTS_MAX_S)
    return Fault(kind.row, name, hit, arm, at_s, lasts_s, kind.harmless, kind.blinding, kind.money)


def _storage(name: str, rng: random.Random) -> Fault:
    lasts_s = rng.uniform(10, LASTS_MAX_S)
    at_s = rng.uniform(0, 120)

    def outage(house: RunPodHouse) -> None:
        word = rng.choice(("reset", "hang", "503"))
        house.s3.faults.merge({"outage": {"always": True, "value": word}}, house.now())

    def full(house: RunPodHouse) -> None:
        house.pods.volume_full = True
        house.s3.faults.merge({"full": True}, house.now())

    def transient(house: RunPodHouse) -> None:
        word = rng.choice(("403", "502", "503"))
        house.s3.faults.merge({"transient": {"next": rng.randint(1, 12), "value": word}}, house.now())

    if name == "storage outage":
        return Fault(14, name, "", outage, at_s, lasts_s, harmless=True, blinding=True)
    if name == "volume full":
        return Fault(22, name, "", full, at_s, lasts_s, harmless=False, blinding=False)
    return Fault(14, name, "", transient, at_s, lasts_s, harmless=True, blinding=False)


def pay(house: RunPodHouse) -> None:
    """Put money into the account again, as people do once they notice."""
    house.platform.set_balance(ACCOUNT, Decimal(100), house.now())


__all__ = ["KINDS", "OTHER_KEY", "Fault", "draw", "pay"]
