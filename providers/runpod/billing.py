"""RunPod's bill of pods: hourly records, written some minutes late (fact sheet 6.1)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from messages.money import MICRO
from providers.interface import BilledLine, Unavailable
from providers.runpod.client import Call, Client
from providers.runpod.codec import decimal, is_object, moment, text

RECORDS_MAX: Final = 200_000
_WHAT: Final = "for the bill"


async def billed(client: Client, since: datetime, until: datetime) -> list[BilledLine]:
    """Return one line per pod: its hours that overlap the window, summed. Raises Unavailable or Refused."""
    query = {"bucketSize": "hour", "startTime": _stamp(since), "endTime": _stamp(until)}
    return read_bill(await client.read(Call("GET", "/billing/pods", query=query), _WHAT), since, until)


def read_bill(value: object, since: datetime, until: datetime) -> list[BilledLine]:
    """Return the lines of a billing answer. Raises Unavailable for what is none: a bill is read whole or not at all."""
    records = value.get("records") if is_object(value) else None
    if not isinstance(records, list) or len(records) > RECORDS_MAX:
        raise Unavailable("RunPod's bill could not be read")
    lines: dict[str, BilledLine] = {}
    for record in records:
        line = _line(record)
        if line is None:
            raise Unavailable("a line of RunPod's bill could not be read")
        if line.began >= until or line.ended <= since:
            continue
        before = lines.get(line.machine_id, line._replace(amount_usd=Decimal(0)))
        lines[line.machine_id] = BilledLine(
            line.machine_id,
            min(before.began, line.began),
            max(before.ended, line.ended),
            before.amount_usd + line.amount_usd,
        )
    return [line._replace(amount_usd=line.amount_usd.quantize(MICRO)) for line in lines.values()]


def _line(record: object) -> BilledLine | None:
    if not is_object(record):
        return None
    pod, amount = text(record.get("podId")), decimal(record.get("totalAmount"))
    began, ended = moment(record.get("startTime")), moment(record.get("endTime"))
    if pod is None or amount is None or began is None or ended is None:
        return None
    return BilledLine(pod, began, ended, amount)


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
