"""What everything really costs: one line per interval at one rate, exact. The platform's own account book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

HOUR_S = 3600
MONTH_H = 730
"""Hours in the month that storage prices speak of."""
CONTAINER_DISK = Decimal("0.10")
VOLUME_DISK = Decimal("0.10")
VOLUME_DISK_STOPPED = Decimal("0.20")
"""USD per GB and month; a stopped pod's container disk is free (fact sheet 6.3)."""
NETWORK_VOLUME = Decimal("0.07")
NETWORK_VOLUME_ABOVE = Decimal("0.05")
NETWORK_VOLUME_STEP_GB = 1000
_MICRO = Decimal(1_000_000)


class Kind(StrEnum):
    """What a line is for."""

    GPU = "gpu"
    CPU = "cpu"
    CONTAINER_DISK = "container_disk"
    VOLUME_DISK = "volume_disk"
    NETWORK_VOLUME = "network_volume"
    SERVERLESS = "serverless"
    """Workers that an endpoint always keeps."""


@dataclass
class Line:
    """One thing at one rate, from a time to a time."""

    account: str
    resource: str
    """Id of the pod or of the volume."""
    kind: Kind
    rate: Decimal
    """USD per hour."""
    began: float
    ended: float | None = None
    """``None`` while it runs."""

    def amount(self, until: float, since: float | None = None) -> Decimal:
        """Return the USD of the part between ``since`` (else the beginning) and ``until``, exact to the microsecond."""
        start = self.began if since is None else max(self.began, since)
        end = until if self.ended is None else min(self.ended, until)
        return self.rate * span(start, end) / HOUR_S if end > start else Decimal(0)


def span(start: float, end: float) -> Decimal:
    """Return the seconds between two instants, in whole microseconds."""
    return Decimal(round((end - start) * 1_000_000)) / _MICRO


def per_hour(per_month: Decimal, size_gb: int) -> Decimal:
    """Return USD per hour for storage."""
    return per_month * size_gb / MONTH_H


def network_volume_rate(size_gb: int) -> Decimal:
    """Return USD per hour for a network volume of the standard tier."""
    above = max(0, size_gb - NETWORK_VOLUME_STEP_GB)
    return per_hour(NETWORK_VOLUME, size_gb - above) + per_hour(NETWORK_VOLUME_ABOVE, above)


class Ledger:
    """All lines of one platform, and the balances they eat."""

    def __init__(self, balances: dict[str, Decimal], now: float) -> None:
        self._lines: list[Line] = []
        self._open: dict[str, list[Line]] = {}
        self._balance = dict(balances)
        self._burn = dict.fromkeys(balances, Decimal(0))
        self._settled = dict.fromkeys(balances, now)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line, in the order they began."""
        return tuple(self._lines)

    def of(self, resource: str) -> Iterator[Line]:
        """Yield the lines of one pod or volume."""
        return (line for line in self._lines if line.resource == resource)

    def charge(self, account: str, resource: str, rates: dict[Kind, Decimal], now: float) -> None:
        """From ``now`` on a resource costs exactly these rates; what it cost before ends."""
        self._settle(account, now)
        running = self._open.pop(resource, [])
        kept = [line for line in running if rates.get(line.kind) == line.rate]
        for line in running:
            if line not in kept:
                line.ended = now
                self._burn[account] -= line.rate
        held = [line.kind for line in kept]
        for kind, rate in rates.items():
            if rate and kind not in held:
                line = Line(account, resource, kind, rate, now)
                self._lines.append(line)
                kept.append(line)
                self._burn[account] += rate
        if kept:
            self._open[resource] = kept

    def rate(self, resource: str) -> Decimal:
        """Return what a resource costs per hour, disks included."""
        return sum((line.rate for line in self._open.get(resource, [])), Decimal(0))

    def burn(self, account: str) -> Decimal:
        """Return what an account spends per hour."""
        return self._burn[account]

    def balance(self, account: str, now: float) -> Decimal:
        """Return what an account has left; it can be below zero (fact sheet 6.2)."""
        return self._balance[account] - self._burn[account] * span(self._settled[account], now) / HOUR_S

    def set_balance(self, account: str, balance: Decimal, now: float) -> None:
        """Put an account at this balance."""
        self._settle(account, now)
        self._balance[account] = balance

    def runs_out(self, account: str) -> float | None:
        """Return when the balance reaches zero as things stand, or ``None``."""
        burn, balance = self._burn[account], self._balance[account]
        if burn <= 0:
            return None
        return self._settled[account] + max(0.0, float(balance / burn) * HOUR_S)

    def _settle(self, account: str, now: float) -> None:
        self._balance[account] = self.balance(account, now)
        self._settled[account] = now
