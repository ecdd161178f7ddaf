"""Calls per job-hour on AWS, over the emulated EC2, STS and S3.

``python -m bench.aws.bench [--sizes 1,100,1000] [--json FILE]``. Calls are counted in virtual time and belong to no
machine. Baseline of the CPU figures is the same node with one instance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from bench.clouds import hour
from providers.aws.listing import Lister
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, Account, Key, Settings
from tests.emulators.aws.wire import Request
from tests.simulation.aws.house import simulate

NAMED: Final = "m5.large"
MANY: Final = 10**6
"""vCPUs of each family: what is counted is what is wanted."""
LISTS: Final = "ec2.DescribeInstances (list)"
FIXED: Final = ("sts.GetCallerIdentity", "ec2.DescribeVolumes", "ec2.DescribeSpotInstanceRequests")
"""Whose account it is, and what outlived its instance: once a minute each, whatever the number of jobs."""


def emulated() -> Settings:
    """Return an AWS with room for all instances."""
    families = Account({}).on_demand_vcpus
    room = dict.fromkeys(families, MANY)
    main = Account({MAIN_KEY: Key(MAIN_SECRET)}, on_demand_vcpus=room, spot_vcpus=room)
    return Settings(accounts={ACCOUNT: main})


def named(request: Request) -> str:
    """Return what a request is called."""
    service = request.headers.get("host", "").removesuffix(".amazonaws.com").split(".")[-2:][0]
    if service == "s3":
        return f"s3.{request.method}"
    said = parse_qs(request.body.decode())
    action = said["Action"][0] if "Action" in said else request.headers.get("x-amz-target", "?").rpartition(".")[2]
    name = f"{service}.{action}"
    if "NextToken" in said:
        return f"{name} {hour.NEXT_PAGE}"
    return LISTS if name == "ec2.DescribeInstances" and "MaxResults" in said else name


def measure(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Return one hour for each number of instances, and for ten how orders change it."""
    orders: list[tuple[int, int, dict[str, Any]]] = [(size, max(1, size // 10), {}) for size in sizes]
    orders += [(10, 10, {"machine": NAMED}), (10, 10, {"together": 2}), (10, 100, {})]
    hours = []
    for instances, closing, more in orders:
        asked = hour.Asked(named, LISTS, FIXED)
        hours.append(hour.measure(simulate, asked, Lister, instances, closing, emulated=emulated(), **more))
        hour.show(hours[-1])
    return hours


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,100,1000", help="numbers of instances that run for the hour")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result = {"calls": measure([int(size) for size in chosen.sizes.split(",") if size])}
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
