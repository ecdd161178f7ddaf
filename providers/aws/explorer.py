"""What AWS billed, as Cost Explorer shows it: by day, machine and service, a day late, each page for a cent.

Nothing here is asked by itself. Machines are told apart by the tag ``lastcall:name``, which must be active as a cost
allocation tag in the account ("Activating user-defined cost allocation tags"): until a day after that, and for what
carries no tags (objects, calls, logs, addresses), there is no name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from typing import Any, Final

from providers.aws.client import Call, Client
from providers.aws.codec import NAME_TAG, decimal
from providers.interface import BillLine, Unavailable

PAGES_MAX: Final = 10
"""Of one answer, each a request of its own; a page has thousands of groups."""
METRIC: Final = "UnblendedCost"
"""What was charged for a day, before discounts are spread over an organisation ("Understanding your costs")."""
_WHAT: Final = "what was billed"


async def read_bill(client: Client, since: date, until: date, pay: Callable[[int], Awaitable[None]]) -> list[BillLine]:
    """Return the bill of the days from ``since`` to the one before ``until``; ``pay`` is awaited before each request.

    Raises Unavailable or Refused, and whatever ``pay`` raises: then nothing more is asked.
    """
    asked: dict[str, object] = {
        "TimePeriod": {"Start": since.isoformat(), "End": until.isoformat()},
        "Granularity": "DAILY",
        "Metrics": [METRIC],
        "GroupBy": [{"Type": "TAG", "Key": NAME_TAG}, {"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    lines: list[BillLine] = []
    token: object = None
    for page in range(PAGES_MAX):
        await pay(page + 1)
        said = await client.read(
            Call("ce", "GetCostAndUsage", asked | ({"NextPageToken": token} if token else {})), _WHAT
        )
        lines += _read_page(said)
        token = said.get("NextPageToken")
        if not token:
            return lines
    raise Unavailable(f"AWS's bill has more than {PAGES_MAX} pages: ask for fewer days")


def _read_page(said: dict[str, Any]) -> Iterator[BillLine]:
    results = said.get("ResultsByTime")
    if not isinstance(results, list):
        raise Unavailable("AWS's bill could not be read")
    for result in results:
        period = result.get("TimePeriod") if isinstance(result, dict) else None
        day = _day(period.get("Start") if isinstance(period, dict) else None)
        for group in result.get("Groups") or ():
            yield _read_group(group, day, result.get("Estimated") is True)


def _read_group(group: Any, day: date, estimated: bool) -> BillLine:
    """Read a bill whole or not at all: a line that makes no sense makes the sums wrong."""
    keys = group.get("Keys") if isinstance(group, dict) else None
    metrics = group.get("Metrics") if isinstance(group, dict) else None
    cost = metrics.get(METRIC) if isinstance(metrics, dict) else None
    amount = decimal(cost.get("Amount")) if isinstance(cost, dict) and cost.get("Unit") == "USD" else None
    if amount is None or not isinstance(keys, list) or len(keys) != 2 or not all(isinstance(k, str) for k in keys):
        raise Unavailable("a line of AWS's bill could not be read")
    name = keys[0].removeprefix(f"{NAME_TAG}$")
    return BillLine(day, name, keys[1][:200], amount, estimated)


def _day(value: object) -> date:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise Unavailable("a line of AWS's bill could not be read") from None
