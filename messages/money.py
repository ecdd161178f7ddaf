"""Money: exact decimals of US dollars, stored in whole micro-dollars.

A rate is dollars per hour, as every price list states it; what accrues is a function of rate and time and is
rounded once, half up, to the micro-dollar.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import Field

MICRO = Decimal("0.000001")
ZERO = Decimal("0.000000")
HOUR_SECONDS = Decimal(3600)

Usd = Annotated[Decimal, Field(ge=Decimal("-1e12"), le=Decimal("1e12"), decimal_places=6)]
"""Dollars, at most six decimals. Documents carry it as a decimal string, never as a float."""

UsdPerHour = Annotated[Decimal, Field(ge=0, le=Decimal("1e6"))]
"""A price per hour. More than six decimals are allowed: a price per second times 3600 stays exact."""


UnitPrice = Annotated[Decimal, Field(ge=0, le=Decimal("1e6"))]
"""The price of one call, file or gigabyte, in dollars; of any precision."""


def usd(value: str | int | Decimal) -> Decimal:
    """Return ``value`` dollars rounded half up to the micro-dollar."""
    return Decimal(value).quantize(MICRO, rounding=ROUND_HALF_UP)


def ceil_micro(value: Decimal) -> Decimal:
    """Round up to the micro-dollar: what is held is never less than what may be billed."""
    return value.quantize(MICRO, rounding=ROUND_CEILING)


def accrued(rate_per_hour: Decimal, seconds: float | Decimal) -> Decimal:
    """Return what ``seconds`` at ``rate_per_hour`` cost, rounded once; a negative span costs nothing."""
    span = max(Decimal(0), Decimal(str(seconds)))
    return (rate_per_hour * span / HOUR_SECONDS).quantize(MICRO, rounding=ROUND_HALF_UP)


def to_micro(value: Decimal) -> int:
    """Return whole micro-dollars, as stored."""
    return int((value / MICRO).to_integral_value(rounding=ROUND_HALF_UP))


def from_micro(value: int) -> Decimal:
    """Return dollars from stored micro-dollars."""
    return (Decimal(value) * MICRO).quantize(MICRO)


def human(value: Decimal) -> str:
    """Return ``$0.043``: three decimals under a dollar, two from there on; a small cost is never shown as zero."""
    if value == 0:
        return "$0.00"
    if 0 < value < Decimal("0.001"):
        return "<$0.001"
    places = Decimal("0.01") if abs(value) >= 1 else Decimal("0.001")
    return f"${value.quantize(places, rounding=ROUND_HALF_UP)}"
