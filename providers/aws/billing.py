"""What instances cost by EC2's own times: no line of the bill, which AWS writes a day later and asks money to show.

EC2 tells when an instance was launched and when it began to end, for about an hour after its end; the rates are in its
tags.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from messages.machines import MachineState
from messages.money import HOUR_SECONDS, MICRO
from providers.aws.client import Call, Client
from providers.aws.codec import NAME_TAG, Instance, next_token, read_instances
from providers.aws.prices import LEAST_S
from providers.interface import BilledLine, Unavailable

PAGES_MAX: Final = 50
_WHAT: Final = "what instances cost"


async def billed(client: Client, since: datetime, until: datetime) -> list[BilledLine]:
    """Return one line for each instance of ours whose times and rates are known and overlap the window."""
    lines = []
    asked: dict[str, object] = {"Filters": [{"Name": "tag-key", "Values": [NAME_TAG]}], "MaxResults": 1000}
    token = None
    for _ in range(PAGES_MAX):
        said = await client.read(
            Call("ec2", "DescribeInstances", asked | ({"NextToken": token} if token else {})), _WHAT
        )
        page = read_instances(said)
        if page is None or not page[1]:
            raise Unavailable(f"AWS's answer when asked {_WHAT} could not be read")
        lines += [line for one in page[0] if (line := line_of(one, client.clock.now())) is not None]
        token = next_token(said)
        if token is None:
            return [line for line in lines if line.began < until and line.ended > since]
    raise Unavailable(f"AWS's answer when asked {_WHAT} has no end")


def line_of(instance: Instance, now: datetime) -> BilledLine | None:
    """Return an instance's cost so far, or ``None`` where EC2 does not say enough."""
    began, rate = instance.launched_at, instance.rate_usd_per_hour
    over = instance.state in (MachineState.GONE, MachineState.ENDING)
    ended = instance.ended_at if over else now
    if began is None or ended is None or rate is None or ended < began:
        return None
    seconds = max(Decimal(LEAST_S), Decimal(str((ended - began).total_seconds())))
    total = (rate + (instance.disk_usd_per_hour or Decimal(0))) * seconds / HOUR_SECONDS
    return BilledLine(instance.id, began, max(ended, began + timedelta(seconds=1)), total.quantize(MICRO))
