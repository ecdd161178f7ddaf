"""The faults of rows A and B of the catalogue that AWS has."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from messages.machines import MachineName
from tests.emulators.aws.faults import FAILURES
from tests.emulators.aws.settings import OTHER_ACCOUNT
from tests.simulation.aws.house import AwsHouse
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
from tests.support.node import KEY

LOST: Final = ("500", "503", "timeout", "reset", "garbage")
ENDINGS: Final = ("ec2.TerminateInstances", "ec2.DeleteVolume", "ec2.CancelSpotInstanceRequests")


def _unseen(rng: random.Random) -> Document:
    lag = round(rng.uniform(5, 55), 1)
    return {"describe.lag": lag, "tags.lag": lag}


def _lost_and_unseen(rng: random.Random) -> Document:
    calls = rng.randint(1, 3)
    return {
        "create.lost": {"value": rng.choice(LOST), "calls": calls},
        "describe.lag": {"value": round(rng.uniform(5, 55), 1), "calls": calls},
    }


def _on(name: str, make: Make, *calls: str) -> Make:
    def narrowed(rng: random.Random) -> Document:
        return {name: {**make(rng)[name], "on": list(calls)}}

    return narrowed


KINDS: Final[dict[str, Kind]] = {
    "create answer lost": Kind(1, one("create.lost", pick(*LOST), (1, 3)), when="early"),
    "create failed": Kind(1, one("create.fail", pick(500, 503), (1, 3)), when="early"),
    "late placement": Kind(2, one("create.late", between(5, 55), (1, 1)), when="early"),
    "creates fail": Kind(1, one("create.fail", pick(500, 503)), harmless=False, when="early"),
    # Known by its token and not by its id for longer than is believed: then it is ended, and another one is made.
    "placement after a minute": Kind(2, one("create.late", between(60, 110), (1, 1)), harmless=False, when="early"),
    "read lag": Kind(3, _unseen, when="early"),
    "ends ignored": Kind(5, one("terminate.ignored", yes, (1, 6)), blinding=True, when="running"),
    "ends fail": Kind(5, one("terminate.fail", pick(500, 503)), blinding=True, when="running"),
    "page dropped": Kind(6, one("list.drop_page", lambda _: 1, (1, 3)), blinding=True),
    "list breaks off": Kind(6, one("list.mid_500", yes, (1, 8)), blinding=True),
    "empty list": Kind(7, one("list.empty_once", yes, (1, 3)), when="running"),
    "empty list late": Kind(7, one("list.empty_once", yes, (1, 3)), when="late"),
    "another account's key": Kind(8, one("auth.switch_account", lambda _: OTHER_ACCOUNT), blinding=True),
    "another account's key at work": Kind(
        8, one("auth.switch_account", lambda _: OTHER_ACCOUNT), blinding=True, when="running"
    ),
    "rights taken": Kind(
        8, one("auth.denied", pick(["ec2:RunInstances"], ["ec2:Describe*"], ["ec2:*"], ["*"])), blinding=True
    ),
    "key revoked": Kind(9, one("auth.failure", yes), blinding=True),
    "key revoked at work": Kind(9, one("auth.failure", yes), blinding=True, when="running"),
    "key expired": Kind(9, one("auth.expired", yes), blinding=True),
    "key expired at work": Kind(9, one("auth.expired", yes), blinding=True, when="running"),
    "stale state": Kind(10, one("status.stale", between(5, 60))),
    "new fields": Kind(10, one("fields.new", yes)),
    "no capacity": Kind(
        11, one("capacity.none", pick(True, ["t3.*"], ["*@us-east-1a"]), (1, 4)), harmless=False, when="early"
    ),
    "no spot capacity": Kind(11, one("capacity.spot", yes), harmless=False, when="early"),
    "no spot capacity in a zone": Kind(
        11, one("capacity.spot", pick(["*@us-east-1a"], ["*@us-east-1b"], ["t3.*"])), harmless=False, when="early"
    ),
    "spot quota full": Kind(11, one("quota.spot", yes), harmless=False, when="early"),
    "quotas full": Kind(11, one("quota.on_demand", yes, (1, 3)), harmless=False, when="early"),
    "throttled": Kind(13, one("throttle", yes), blinding=True),
    "creates throttled": Kind(13, _on("throttle", one("throttle", yes, (1, 6)), "ec2.RunInstances"), when="early"),
    "lists throttled": Kind(13, _on("throttle", one("throttle", yes), "ec2.Describe*"), blinding=True),
    "ends throttled": Kind(13, _on("throttle", one("throttle", yes), *ENDINGS), blinding=True, when="running"),
    "outage": Kind(14, one("outage", pick("503", "refuse", "hang")), blinding=True),
    "proxy's page": Kind(14, one("body.html", yes), blinding=True),
    "cut answers": Kind(14, one("body.cut", yes), blinding=True),
    "redirected": Kind(14, one("redirect", lambda _: "https://elsewhere.invalid/"), blinding=True),
    "slow create": Kind(14, _on("latency", one("latency", between(5, 40)), "ec2.RunInstances"), when="early"),
    "slow answers": Kind(14, one("latency", between(0.5, 8)), blinding=True),
    "clock a little off": Kind(15, one("clock.skew", pick(-250.0, 250.0)), when="early"),
    "clock an hour off": Kind(15, one("clock.skew", pick(-3600.0, 3600.0)), blinding=True),
    "foreign instances": Kind(16, one("foreign_instances", pick(1, 3))),
    "create lost and not shown": Kind(18, _lost_and_unseen, when="early"),
    "found and not found": Kind(18, one("list.not_found", yes, (1, 6)), when="running"),
    "request fills again": Kind(
        19, one("spot.race", between(1, 60), (1, 1)), harmless=False, money=True, when="running"
    ),
    "request left open": Kind(19, one("spot.left_open", yes, (1, 2)), when="running"),
    "stuck in shutting-down": Kind(19, one("end.stuck", pick(30, 90, 200), (1, 2)), when="running"),
    "disk left": Kind(19, one("volume.left", yes, (1, 2)), when="running"),
    "booted again": Kind(21, one("instance.reboot", yes), harmless=False, when="running"),
    "spot taken with notice": Kind(24, one("spot.kill", lambda _: "notice"), harmless=False, when="running"),
    "spot taken at once": Kind(24, one("spot.kill", lambda _: "sudden"), harmless=False, when="running"),
    "rebalance recommended": Kind(24, one("spot.rebalance", yes), when="running"),
    "never runs": Kind(25, one("instance.stuck_pending", yes, (1, 1)), harmless=False, when="early"),
    "fails at launch": Kind(26, one("instance.fails", pick(*FAILURES), (1, 2)), harmless=False, when="early"),
    "never boots": Kind(26, one("instance.no_boot", yes, (1, 1)), harmless=False, when="early"),
    "host breaks": Kind(26, one("instance.dies", yes), harmless=False, when="running"),
    "spot price rises": Kind(27, one("price.spot", between(1.1, 3.0)), harmless=False, money=True, when="early"),
}


def _alike(name: str, rng: random.Random, at_s: float, _: float) -> Fault:
    """Foreign instances whose tag is ours: whole, cut short, with another check, or of another installation."""
    turn = rng.randrange(3)

    def arm(house: AwsHouse) -> None:
        names = [life.name for life in house.core.history() if not life.foreign]
        past = datetime.fromtimestamp(house.now(), UTC) - timedelta(hours=1)
        names.append(MachineName("instal", "gene", "aaaaaaaaaa", 1, past).text(KEY))
        other = MachineName("others", "gene", "aaaaaaaaaa", 1, past).text(KEY)
        spoiled = [_spoiled(name, (turn + n) % 3) for n, name in enumerate(names[-3:])]
        house.faults.arm_json({"foreign_instances": (names[-1], *names[:1], *spoiled, other)}, house.now())
        house.tick()

    return Fault(
        17,
        name,
        arm,
        lambda _: None,
        lambda house: sum(life.foreign and life.name.startswith("lc1-") for life in house.core.history()),
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


NEMESIS: Final = Nemesis(
    KINDS,
    {
        "storage outage": (14, storage_outage),
        "transient refusals": (14, transient_refusals),
        "names like ours": (17, _alike),
    },
    stops=("slow create", "late placement"),
    refusing=(8, 9, 15),
)
