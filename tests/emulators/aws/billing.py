"""What everything really costs: one line per interval at one rate, exact. AWS's own account book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

HOUR_S = 3600
MONTH_H = 730
"""Hours in the month that storage prices speak of."""
MINIMUM_S = 60
"""Every start of a Linux instance costs a minute at least; then by the second."""
GP3_GB_MONTH = Decimal("0.08")
ADDRESS_HOUR = Decimal("0.005")
_MICRO = Decimal(1_000_000)


class Kind(StrEnum):
    """What a line is for."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    VOLUME = "volume"
    ADDRESS = "address"
    """A public IPv4 address."""
    QUESTION = "question"
    """A request to Cost Explorer."""
    FUNCTION = "function"
    """A call of a function, with the time it took."""


QUESTION_USD = Decimal("0.01")


@dataclass
class Line:
    """One thing at one rate, from a time to a time."""

    account: str
    resource: str
    """Id of the instance or of the volume."""
    kind: Kind
    rate: Decimal
    """USD per hour."""
    began: float
    ended: float | None = None
    """``None`` while it runs."""
    minimum_s: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    """As the resource had them when it began to bill."""
    fixed: Decimal = Decimal(0)
    """USD that are owed from the first moment, whatever the time."""

    def amount(self, until: float) -> Decimal:
        """Return the USD up to ``until``, exact to the microsecond; the minimum is owed from the first moment."""
        end = until if self.ended is None else min(self.ended, until)
        if end < self.began:
            return Decimal(0)
        seconds = Decimal(round((end - self.began) * 1_000_000)) / _MICRO
        return self.fixed + self.rate * max(seconds, Decimal(self.minimum_s)) / HOUR_S

    def between(self, since: float, until: float) -> Decimal:
        """Return the USD that a span adds; what is owed from the first moment belongs to the span it lies in."""
        before = self.amount(since) if self.began < since else Decimal(0)
        return max(Decimal(0), self.amount(until) - before) if until > since else Decimal(0)


class Book:
    """All lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._open: dict[tuple[str, Kind], Line] = {}

    def begin(
        self,
        account: str,
        resource: str,
        kind: Kind,
        rate: Decimal,
        now: float,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Start a line."""
        minimum = MINIMUM_S if kind in (Kind.ON_DEMAND, Kind.SPOT) else 0
        line = Line(account, resource, kind, rate, now, minimum_s=minimum, tags=dict(tags or {}))
        self.lines.append(line)
        self._open[(resource, kind)] = line

    def question(self, account: str, now: float) -> None:
        """Note a request to Cost Explorer."""
        self.lines.append(Line(account, "cost-explorer", Kind.QUESTION, Decimal(0), now, ended=now, fixed=QUESTION_USD))

    def call(self, account: str, function: str, usd: Decimal, now: float) -> None:
        """Note a call of a function."""
        self.lines.append(Line(account, function, Kind.FUNCTION, Decimal(0), now, ended=now, fixed=usd))

    def end(self, resource: str, now: float) -> None:
        """End all lines of a resource. Idempotent."""
        for kind in Kind:
            line = self._open.pop((resource, kind), None)
            if line is not None:
                line.ended = now

    def rate(self, resource: str) -> Decimal:
        """Return what a resource costs now, USD per hour."""
        return sum((self._open[(resource, kind)].rate for kind in Kind if (resource, kind) in self._open), Decimal(0))


def volume_rate(size_gb: int) -> Decimal:
    """Return USD per hour for a gp3 volume at base speed."""
    return GP3_GB_MONTH * size_gb / MONTH_H
