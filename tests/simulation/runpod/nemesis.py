"""The faults of rows A and B of the catalogue that RunPod has."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from messages.machines import MachineName
from tests.simulation.clouds.nemesis import (
    Document,
    Fault,
    Kind,
    Make,
    Nemesis,
    between,
    one,
    pick,
    storage_outage,
    transient_refusals,
    yes,
)
from tests.simulation.runpod.house import RunPodHouse
from tests.support.node import KEY
from tests.support.runpod_sim import ACCOUNT

FLAPS: Final = ("RUNNING", "EXITED", "EXITED", "EXITED", "EXITED", "MIGRATING", "STARTING", "RUNNING", "", "X")
"""One word for each pod read: some pods read as stopped in three listings in a row, which their heartbeats outweigh."""


def _unseen(rng: random.Random) -> Document:
    lag = round(rng.uniform(5, 110), 1)
    return {"list.lag": lag, "get.404_for": lag}


def _slow_create(rng: random.Random) -> Document:
    return {"latency": {"value": round(rng.uniform(5, 40), 1), "on": ["pods.create"]}}


def _after(low: float, high: float) -> Make:
    return one("create.materialise_after", between(low, high), (1, 1))


KINDS: Final[dict[str, Kind]] = {
    "create answer lost": Kind(
        1, one("create.accept_then", pick("500", "502", "timeout", "reset", "garbage"), (1, 2)), when="early"
    ),
    "create answer lost, create failed": Kind(1, one("create.fail", pick(500, 502, 503), (1, 2)), when="early"),
    "late placement": Kind(2, _after(5, 170), when="early"),
    "placement after the quiet time": Kind(2, _after(185, 300), money=True, when="early"),
    "read lag": Kind(3, _unseen, when="early"),
    "delete says 404 and it lives": Kind(4, one("delete.404_then_visible", yes, (1, 3)), blinding=True, when="running"),
    "delete acknowledged and ignored": Kind(5, one("delete.ack_ignored", yes, (1, 6)), blinding=True, when="running"),
    "deletes fail": Kind(5, one("delete.fail_for", pick(500, 502, 503)), blinding=True, when="running"),
    "cursor repeats": Kind(6, one("list.repeat_cursor", yes, (1, 8)), blinding=True),
    "page dropped": Kind(6, one("list.drop_page", lambda _: 1, (1, 3)), blinding=True),
    "deletion between two pages": Kind(6, one("list.mid_delete", lambda _: 1, (1, 8))),
    "list breaks off": Kind(6, one("list.mid_500", yes, (1, 8)), blinding=True),
    "empty list": Kind(7, one("list.empty_once", yes, (1, 3)), when="running"),
    "empty list late": Kind(7, one("list.empty_once", yes, (1, 3)), when="late"),
    "another account's key": Kind(8, one("auth.switch_account", lambda _: "user_other"), blinding=True),
    "another account's key at work": Kind(
        8, one("auth.switch_account", lambda _: "user_other"), blinding=True, when="running"
    ),
    "key without rights": Kind(8, one("auth.narrow", yes), blinding=True),
    "key revoked": Kind(9, one("auth.revoke", yes), blinding=True),
    "key revoked at work": Kind(9, one("auth.revoke", yes), blinding=True, when="running"),
    "stale status": Kind(10, one("status.stale", between(5, 60))),
    "flapping status": Kind(10, one("status.flap", lambda _: FLAPS)),
    "unknown status": Kind(10, one("status.word", pick("MIGRATING", "", "Läuft"))),
    "no runtime": Kind(10, one("runtime.null", yes)),
    "stale runtime": Kind(10, one("runtime.stale", between(5, 90))),
    "cost as text": Kind(10, one("cost.string", yes)),
    "new fields": Kind(10, one("fields.new", yes)),
    "no capacity": Kind(
        11, one("capacity.none", pick(True, ["cpu3*"], ["cpu*"]), (1, 4)), harmless=False, when="early"
    ),
    "bad request": Kind(11, one("create.bad400", yes, (1, 4)), harmless=False, when="early"),
    "balance 0": Kind(12, one("balance.zero", yes), harmless=False, when="running"),
    "minute quota gone": Kind(13, one("ratelimit.minute", yes), blinding=True),
    "day quota gone": Kind(13, one("ratelimit.day", yes), blinding=True),
    "outage": Kind(14, one("outage", pick("503", "refuse", "hang")), blinding=True),
    "provider's clock": Kind(15, one("clock.skew", pick(-3600.0, 3600.0)), when="early"),
    "foreign pods": Kind(16, one("foreign_pods", pick(1, 3))),
    "same name twice": Kind(17, one("name.dup", pick(1, 2), (1, 1)), money=True, when="early"),
    "environment hidden": Kind(17, one("list.strip_env", yes)),
    "container killed": Kind(22, one("pod.oom", yes), harmless=False, when="running"),
    "spot taken": Kind(24, one("spot.kill", yes), harmless=False, when="running"),
    "never placed": Kind(25, one("pod.stuck_provisioning", yes, (1, 1)), harmless=False, when="early"),
    "image not pulled": Kind(
        25, one("pod.pull_fail", pick("starting", "exited"), (1, 1)), harmless=False, when="early"
    ),
    "bad host": Kind(26, one("pod.zombie_host", yes, (1, 1)), harmless=False, when="early"),
    "container error": Kind(26, one("pod.error", yes, (1, 1)), harmless=False, when="early"),
    "wrong machine": Kind(
        27, one("create.substitute", pick("gpu", "zero_gpus", "data_center"), (1, 2)), harmless=False, when="early"
    ),
    "dearer than listed": Kind(
        27, one("price.jump", between(1.1, 3.0), (1, 2)), harmless=False, money=True, when="early"
    ),
    "price rises": Kind(27, one("price.rise", between(1.1, 2.0)), harmless=False, money=True, when="running"),
    "pod back from the dead": Kind(28, one("pod.resurrect", between(5, 60), (1, 1)), blinding=True, when="running"),
    "pod's key refused": Kind(31, one("pod.key_403", yes), when="running"),
    "log flood": Kind(33, one("logs.flood", pick(20, 400)), when="running"),
    "log with a gap": Kind(33, one("logs.gap", yes), when="running"),
    "log refused": Kind(33, one("logs.400", yes), when="running"),
    "proxy's page": Kind(14, one("edge.html200", yes), blinding=True),
    "cut answers": Kind(14, one("edge.cut_json", yes), blinding=True),
    "broken answers": Kind(14, one("edge.cut", yes), blinding=True),
    "slow create": Kind(14, _slow_create, when="early"),
    "slow answers": Kind(14, one("latency", between(0.5, 8)), blinding=True),
}


def _volume_full(name: str, _: random.Random, at_s: float, lasts_s: float) -> Fault:
    def arm(house: RunPodHouse) -> None:
        house.machines.storage_full = True
        house.s3.faults.merge({"full": True}, house.now())

    def disarm(house: RunPodHouse) -> None:
        house.machines.storage_full = False
        house.s3.faults.merge({"full": None}, house.now())

    def hits(house: RunPodHouse) -> int:
        return house.machines.refused_writes + int(house.s3.faults.full.hits)

    return Fault(22, name, arm, disarm, hits, "any", at_s, lasts_s, harmless=False, blinding=False)


def _alike(name: str, rng: random.Random, at_s: float, _: float) -> Fault:
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
        name,
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


def _pay(house: RunPodHouse) -> None:
    """Put money into the account again, as people do once they notice."""
    house.platform.set_balance(ACCOUNT, Decimal(100), house.now())


NEMESIS: Final = Nemesis(
    KINDS,
    {
        "storage outage": (14, storage_outage),
        "transient refusals": (14, transient_refusals),
        "names like ours": (17, _alike),
        "volume full": (22, _volume_full),
    },
    stops=("slow create", "late placement"),
    refusing=(8, 9),
    pay=_pay,
)
