"""RunPod's bill of pods and of the network volume: hourly records, written some minutes late (fact sheet 6.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from messages.money import MICRO
from providers.fields import text
from providers.interface import BilledLine, SpaceLine, Unavailable
from providers.runpod.client import Call, Client
from providers.runpod.codec import decimal, is_object, moment

RECORDS_MAX: Final = 200_000
"""In one answer."""
BYTES_MAX: Final = 64 << 20
"""Of one answer."""
READ_AT_ONCE: Final = timedelta(days=1)
"""A month of hourly records of every pod is no answer to wait for; a day of 1,000 pods has 24,000."""
PATIENCE_S: Final = 90.0
"""For one answer's turn under the quota: thirty of them are no hurry."""
_WHAT: Final = "for the bill"


async def billed(client: Client, since: datetime, until: datetime) -> list[BilledLine]:
    """Return one line per pod: its hours that overlap the window, summed. Raises Unavailable or Refused.

    A bill is read whole or not at all: day by day, cut at midnight UTC where hours end; an hour that two answers tell
    of counts for the first.
    """
    found: dict[str, BilledLine] = {}
    began = since
    while began < until:
        ended = min(until, began.replace(hour=0, minute=0, second=0, microsecond=0) + READ_AT_ONCE)
        query = {"bucketSize": "hour", "startTime": _stamp(began), "endTime": _stamp(ended)}
        call = Call("GET", "/billing/pods", query=query, patience_s=PATIENCE_S, reply_bytes_max=BYTES_MAX)
        said = await client.read(call, _WHAT)
        for line in _lines(said, began, ended, began_before=began == since):
            _add(found, line)
        began = ended
    return _rounded(found)


async def volume_billed(client: Client, since: datetime, until: datetime) -> list[SpaceLine]:
    """Return the hours of the configured volume that begin in the window. Raises Unavailable or Refused.

    One volume's month is some seven hundred records: one answer.
    """
    wanted = client.settings.volume_id
    query = {
        "bucketSize": "hour",
        "startTime": _stamp(since),
        "endTime": _stamp(until),
        "networkVolumeId": wanted,
    }
    call = Call("GET", "/billing/network-volumes", query=query, patience_s=PATIENCE_S, reply_bytes_max=BYTES_MAX)
    records = _records(await client.read(call, _WHAT))
    found = [_whole(record, "networkVolumeId") for record in records]
    lines = [
        SpaceLine(line.began, line.ended, line.amount_usd)
        for line in found
        if line.machine_id == wanted and since <= line.began < until
    ]
    return sorted(lines)


def _lines(value: object, since: datetime, until: datetime, *, began_before: bool) -> Iterator[BilledLine]:
    """Yield the records of a window, those that began before it only where asked. Raises Unavailable."""
    for record in _records(value):
        line = _whole(record, "podId")
        if line.began < until and line.ended > since and (began_before or line.began >= since):
            yield line


def _records(value: object) -> list[object]:
    records = value.get("records") if is_object(value) else None
    if not isinstance(records, list) or len(records) > RECORDS_MAX:
        raise Unavailable("RunPod's bill could not be read")
    return records


def _add(found: dict[str, BilledLine], line: BilledLine) -> None:
    before = found.get(line.machine_id, line._replace(amount_usd=Decimal(0)))
    found[line.machine_id] = BilledLine(
        line.machine_id,
        min(before.began, line.began),
        max(before.ended, line.ended),
        before.amount_usd + line.amount_usd,
    )


def _rounded(found: dict[str, BilledLine]) -> list[BilledLine]:
    return [line._replace(amount_usd=line.amount_usd.quantize(MICRO)) for line in found.values()]


def _whole(record: object, key: str) -> BilledLine:
    """Return one record, of what ``key`` names. Raises Unavailable for what is none."""
    line = _line(record, key) if is_object(record) else None
    if line is None:
        raise Unavailable("a line of RunPod's bill could not be read")
    return line


def _line(record: Mapping[str, object], key: str) -> BilledLine | None:
    what, amount = text(record.get(key)), decimal(record.get("totalAmount"))
    began, ended = moment(record.get("startTime")), moment(record.get("endTime"))
    if what is None or amount is None or began is None or ended is None:
        return None
    return BilledLine(what, began, ended, amount)


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
