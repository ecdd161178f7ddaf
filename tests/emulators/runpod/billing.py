"""The calls under /v2/billing: the ledger in buckets, some minutes late (fact sheet 6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.ledger import Kind, Ledger, Line
from tests.emulators.runpod.podlog import instant
from tests.emulators.runpod.problems import Problem, document, invalid
from tests.emulators.runpod.wire import Request, Response

BUCKETS = ("hour", "day", "week", "month", "year")
DEFAULT_SPAN = timedelta(days=30)
RUN_S = 300
"""Bills are written in runs of five minutes."""
PODS = {"gpuAmount": (Kind.GPU,), "cpuAmount": (Kind.CPU,), "diskAmount": (Kind.CONTAINER_DISK, Kind.VOLUME_DISK)}
VOLUMES: dict[str, tuple[Kind, ...]] = {"standardAmount": (Kind.NETWORK_VOLUME,), "highPerformanceAmount": ()}
SERVERLESS: dict[str, tuple[Kind, ...]] = {
    "gpuAmount": (Kind.SERVERLESS,),
    "cpuAmount": (),
    "diskAmount": (),
    "feeAmount": (),
}
WHOLE = {
    "serverlessGpuAmount": (Kind.SERVERLESS,),
    "podGpuAmount": (Kind.GPU,),
    "podCpuAmount": (Kind.CPU,),
    "podDiskAmount": (Kind.CONTAINER_DISK, Kind.VOLUME_DISK),
    "storageStandardAmount": (Kind.NETWORK_VOLUME,),
}
ALWAYS_ZERO = (
    "serverlessCpuAmount",
    "serverlessDiskAmount",
    "serverlessFeeAmount",
    "storageHighPerformanceAmount",
    "endpointAmount",
    "clusterGpuAmount",
    "clusterDiskAmount",
    "clusterNetworkingAmount",
)
Span = tuple[float, float]


class BillingApi:
    """Answers the calls about bills."""

    def __init__(self, ledger: Ledger, faults: FaultBox, lag_s: float) -> None:
        self._ledger = ledger
        self._faults = faults
        self._lag_s = lag_s

    def pods(self, request: Request, caller: Caller, now: float) -> Response:
        """Answer GET /v2/billing/pods."""
        return self._by_resource(request, caller, now, "podId", "uniquePodCount", PODS, "billing.pods")

    def volumes(self, request: Request, caller: Caller, now: float) -> Response:
        """Answer GET /v2/billing/network-volumes."""
        names = ("networkVolumeId", "uniqueNetworkVolumeCount")
        return self._by_resource(request, caller, now, *names, VOLUMES, "billing.network-volumes")

    def serverless(self, request: Request, caller: Caller, now: float) -> Response:
        """Answer GET /v2/billing/serverless: workers that endpoints always keep."""
        names = ("serverlessId", "uniqueServerlessCount")
        return self._by_resource(request, caller, now, *names, SERVERLESS, "billing.serverless")

    def whole(self, request: Request, caller: Caller, now: float) -> Response:
        """Answer GET /v2/billing."""
        query, buckets, until, factor = self._read(request, now, "billing.all")
        lines = self._lines(caller, WHOLE, None)
        zero = dict.fromkeys(ALWAYS_ZERO, 0.0)
        records = []
        for bucket in buckets:
            amounts = _amounts(lines, bucket, until, WHOLE, factor)
            if amounts["totalAmount"]:
                records.append({**_bounds(bucket), **amounts, **zero})
        totals = {**_totals(records, WHOLE), **zero}
        metadata = {"query": query, "recordCount": len(records), "totals": totals}
        return document(200, {"records": records, "metadata": metadata})

    def nothing(self, request: Request, caller: Caller, now: float) -> Response:
        """Answer the bills of what this account does not have: endpoints, clusters."""
        query, _, _, _ = self._read(request, now, "billing.other")
        metadata = {"query": query, "recordCount": 0, "totals": {"totalAmount": 0.0}}
        return document(200, {"records": [], "metadata": metadata})

    def _by_resource(
        self,
        request: Request,
        caller: Caller,
        now: float,
        id_name: str,
        unique_name: str,
        kinds: Mapping[str, tuple[Kind, ...]],
        call: str,
    ) -> Response:
        query, buckets, until, factor = self._read(request, now, call)
        wanted = parse_qs(request.query).get(id_name, [None])[0]
        by_id: dict[str, list[Line]] = {}
        for line in self._lines(caller, kinds, wanted):
            by_id.setdefault(line.resource, []).append(line)
        records = [
            {**_bounds(bucket), id_name: resource, **amounts}
            for bucket in buckets
            for resource, lines in by_id.items()
            if (amounts := _amounts(lines, bucket, until, kinds, factor))["totalAmount"]
        ]
        metadata = {
            "query": {**query, id_name: wanted},
            "recordCount": len(records),
            unique_name: len({str(record[id_name]) for record in records}),
            "totals": _totals(records, kinds),
        }
        return document(200, {"records": records, "metadata": metadata})

    def _lines(self, caller: Caller, kinds: Mapping[str, tuple[Kind, ...]], resource: str | None) -> list[Line]:
        every = [kind for group in kinds.values() for kind in group]
        return [
            line
            for line in self._ledger.lines
            if line.account == caller.account and line.kind in every and resource in (None, line.resource)
        ]

    def _read(self, request: Request, now: float, call: str) -> tuple[dict[str, Any], list[Span], float, Decimal]:
        query = {name: values[0] for name, values in parse_qs(request.query).items()}
        size = query.get("bucketSize", "day")
        if size not in BUCKETS:
            raise invalid([f"bucketSize: value must be one of {', '.join(map(repr, BUCKETS))}"])
        start, end = _window(query, size, now)
        lag = self._faults.hit("billing.lag", call, now)
        settled = now - (self._lag_s if lag is None else lag)
        until = settled // RUN_S * RUN_S if lag is None and self._lag_s else settled
        factor = Decimal(str(self._faults.hit("billing.fix", call, now) or 1))
        shown = {"startTime": instant(start.timestamp()), "endTime": instant(end.timestamp()), "bucketSize": size}
        buckets = []
        while start < end:
            buckets.append((start.timestamp(), _next(start, size).timestamp()))
            start = _next(start, size)
        return shown, buckets, until, factor


def _window(query: Mapping[str, str], size: str, now: float) -> tuple[datetime, datetime]:
    """Return the window, snapped to buckets; its end is not part of it. Raises Problem."""
    today = datetime.fromtimestamp(now, UTC)
    if "lastN" in query:
        if "startTime" in query or "endTime" in query:
            raise Problem(400, "lastN and startTime/endTime are mutually exclusive")
        if not query["lastN"].isdecimal() or int(query["lastN"]) < 1:
            raise invalid(["lastN: minimum: want 1"])
        end = _next(_floor(today, size), size)
        start = end
        for _ in range(min(int(query["lastN"]), 10_000)):
            start = _floor(start - timedelta(seconds=1), size)
        return start, end
    end_at = _time(query["endTime"]) if "endTime" in query else today
    start_at = _time(query["startTime"]) if "startTime" in query else end_at - DEFAULT_SPAN
    end = _floor(end_at, size)
    return _floor(start_at, size), end if end == end_at else _next(end, size)


def _time(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise invalid([f"'{text}' is not a date-time"]) from None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _floor(when: datetime, size: str) -> datetime:
    hour = when.replace(minute=0, second=0, microsecond=0)
    if size == "hour":
        return hour
    day = hour.replace(hour=0)
    if size == "week":
        return day - timedelta(days=day.weekday())
    if size == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if size == "year" else day


def _next(start: datetime, size: str) -> datetime:
    days = {"hour": 1 / 24, "day": 1, "week": 7, "month": 32, "year": 367}[size]
    return _floor(start + timedelta(days=days, seconds=1), size)


def _amounts(
    lines: Iterable[Line], bucket: Span, until: float, kinds: Mapping[str, tuple[Kind, ...]], factor: Decimal
) -> dict[str, float]:
    held = list(lines)
    amounts = {
        name: factor
        * sum((one.amount(min(bucket[1], until), bucket[0]) for one in held if one.kind in group), Decimal(0))
        for name, group in kinds.items()
    }
    return {"totalAmount": float(sum(amounts.values(), Decimal(0)))} | {k: float(v) for k, v in amounts.items()}


def _totals(records: Iterable[Mapping[str, Any]], kinds: Mapping[str, tuple[Kind, ...]]) -> dict[str, float]:
    held = list(records)
    return {name: sum((record[name] for record in held), 0.0) for name in ("totalAmount", *kinds)}


def _bounds(bucket: Span) -> dict[str, str]:
    return {"startTime": instant(bucket[0]), "endTime": instant(bucket[1])}
