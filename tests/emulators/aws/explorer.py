"""Cost Explorer: what was billed, by day and group, a day late, each request for a cent. GetCostAndUsage alone.

Requests and answers are held to the service model that botocore ships. Amounts come from the emulated AWS's own book.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.emulators.aws.billing import Book, Kind, Line
from tests.emulators.aws.cost_tags import CostTags
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.settings import Settings

ACTION = "GetCostAndUsage"
METRICS = ("AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "UnblendedCost")
"""Costs; they are all the same here."""
GROUPS_MAX = 2
MONTHS_BACK = 14
"""Cost Explorer remembers so many months."""
SERVICES = {
    Kind.ON_DEMAND: "Amazon Elastic Compute Cloud - Compute",
    Kind.SPOT: "Amazon Elastic Compute Cloud - Compute",
    Kind.VOLUME: "EC2 - Other",
    Kind.ADDRESS: "Amazon Virtual Private Cloud",
    Kind.QUESTION: "AWS Cost Explorer",
    Kind.FUNCTION: "AWS Lambda",
}


class _Asked(NamedTuple):
    first: date
    end: date
    metrics: tuple[str, ...]
    groups: tuple[tuple[str, str], ...]


@cache
def _operation() -> Any:
    return ServiceModel(Loader().load_service_model("ce", "service-2"), "ce").operation_model(ACTION)


def cost_and_usage(
    document: Any, book: Book, account: str, settings: Settings, tags: CostTags, now: float
) -> dict[str, Any]:
    """Answer GetCostAndUsage, and bill it. Raises Problem; a request that is refused costs nothing."""
    _held_to(_operation().input_shape, document, "ValidationException")
    asked = _read(document, now)
    start = _place(document)
    days = list(_days(asked, [one for one in book.lines if one.account == account], settings, tags, now))
    book.question(account, now)
    shown, rest = _page(days, start, settings.bill_rows)
    answer: dict[str, Any] = {"ResultsByTime": shown, "DimensionValueAttributes": []}
    if asked.groups:
        answer["GroupDefinitions"] = document["GroupBy"]
    if rest is not None:
        answer["NextPageToken"] = _token(document, rest)
    _held_to(_operation().output_shape, answer, "InternalFailure")
    return answer


def _held_to(shape: Any, document: Any, code: str) -> None:
    if not isinstance(document, dict):
        raise Problem("SerializationException", "the body is no object")
    unknown = [name for name in document if name not in shape.members]
    if unknown:
        raise Problem("SerializationException", f"unknown member {unknown[0]}")
    report = ParamValidator().validate(document, shape)
    if report.has_errors():
        raise Problem(code, report.generate_report())


def _read(document: dict[str, Any], now: float) -> _Asked:
    if document["Granularity"] != "DAILY":
        raise Problem("ValidationException", "only DAILY is emulated")
    if "Filter" in document or "BillingViewArn" in document:
        raise Problem("ValidationException", "filters and billing views are not emulated")
    metrics = tuple(document["Metrics"])
    strange = [one for one in metrics if one not in METRICS]
    if strange or not metrics:
        raise Problem("ValidationException", f"Invalid metric {strange[:1]}")
    first, end = _date(document["TimePeriod"]["Start"]), _date(document["TimePeriod"]["End"])
    today = datetime.fromtimestamp(now, UTC).date()
    if first >= end:
        raise Problem("ValidationException", "Start date (and hour) should be before end date (and hour)")
    if first > today or end > _next_month(today):
        raise Problem("ValidationException", "end date past the beginning of next month")
    if first < _months_before(today):
        raise Problem("DataUnavailableException", "The requested data is unavailable.")
    groups = tuple((one.get("Type", ""), one.get("Key", "")) for one in document.get("GroupBy", ()))
    if len(groups) > GROUPS_MAX or len(set(groups)) != len(groups):
        raise Problem("ValidationException", f"Only {GROUPS_MAX} different groups are allowed")
    for kind, key in groups:
        if kind not in ("TAG", "DIMENSION") or not key or (kind == "DIMENSION" and key != "SERVICE"):
            raise Problem("ValidationException", f"grouping by {kind} {key} is not emulated")
    return _Asked(first, end, metrics, groups)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Problem("ValidationException", f"{text} is no day") from None


def _next_month(today: date) -> date:
    return (today.replace(day=1) + timedelta(days=31)).replace(day=1)


def _months_before(today: date) -> date:
    months = today.year * 12 + today.month - 1 - MONTHS_BACK
    return date(months // 12, months % 12 + 1, 1)


def _days(asked: _Asked, lines: list[Line], settings: Settings, tags: CostTags, now: float) -> Iterator[dict[str, Any]]:
    day = asked.first
    while day < asked.end:
        following = day + timedelta(days=1)
        began, ended = _at(day), min(_at(following), now - settings.bill_lag_s)
        sums: dict[tuple[str, ...], Decimal] = {}
        for line in lines:
            for since, until in _spans(asked, line, tags, began, ended):
                if amount := line.between(since, until):
                    keys = tuple(_key(line, kind, key, tags, since) for kind, key in asked.groups)
                    sums[keys] = sums.get(keys, Decimal(0)) + amount
        found: dict[str, Any] = {
            "TimePeriod": {"Start": day.isoformat(), "End": following.isoformat()},
            "Total": {},
            "Groups": [],
            "Estimated": now < _at(_next_month(day)) + settings.bill_final_s,
        }
        if asked.groups:
            found["Groups"] = [
                {"Keys": list(keys), "Metrics": _metrics(asked, amount)} for keys, amount in sorted(sums.items())
            ]
        else:
            found["Total"] = _metrics(asked, sum(sums.values(), Decimal(0)))
        yield found
        day = following


def _at(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _spans(asked: _Asked, line: Line, tags: CostTags, began: float, ended: float) -> list[tuple[float, float]]:
    """Cut a day where one of the tags that are asked for became active: before that a line has no name."""
    found = [tags.active_since(line.account, key) for kind, key in asked.groups if kind == "TAG"]
    cuts = [began, *sorted(at for at in found if at is not None and began < at < ended), ended]
    return list(pairwise(cuts))


def _key(line: Line, kind: str, key: str, tags: CostTags, at: float) -> str:
    if kind == "DIMENSION":
        return SERVICES[line.kind]
    since = tags.active_since(line.account, key)
    return f"{key}${line.tags.get(key, '') if since is not None and since <= at else ''}"


def _metrics(asked: _Asked, amount: Decimal) -> dict[str, Any]:
    return {metric: {"Amount": f"{amount:.10f}", "Unit": "USD"} for metric in asked.metrics}


def _page(days: list[dict[str, Any]], start: int, size: int) -> tuple[list[dict[str, Any]], int | None]:
    """Return the groups from ``start`` on, at most ``size``, in their days, and where the next page begins."""
    shown, seen = [], 0
    for day in days:
        groups = day["Groups"]
        inside = groups[max(0, start - seen) : max(0, start + size - seen)]
        if inside or (not groups and start <= seen < start + size):
            shown.append({**day, "Groups": inside})
        seen += len(groups)
    return shown, (start + size if start + size < seen else None)


def _question(document: dict[str, Any]) -> str:
    bare = {name: value for name, value in document.items() if name != "NextPageToken"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()[:16]


def _token(document: dict[str, Any], place: int) -> str:
    return base64.b64encode(f"{_question(document)}:{place}".encode()).decode()


def _place(document: dict[str, Any]) -> int:
    token = document.get("NextPageToken")
    if token is None:
        return 0
    try:
        question, _, place = base64.b64decode(token, validate=True).decode().partition(":")
        number = int(place)
    except (binascii.Error, ValueError):
        raise Problem("InvalidNextTokenException", "The pagination token is invalid.") from None
    if question != _question(document):
        raise Problem("RequestChangedException", "Your request parameters changed between pages.")
    return number
