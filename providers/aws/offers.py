"""The ranked offers of a plan: types and zones, spot before on-demand, each its own attempt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from messages.machines import Offer
from providers.aws.beside import beside_usd_per_hour, fixed_usd, log_price, words
from providers.aws.market import Price, SpotPrice
from providers.aws.prices import LEAST_S
from providers.aws.settings import AwsSettings
from providers.aws.types import InstanceType

OFFERS_MAX: Final = 8
"""Offers of one plan: each is one possible create."""
ZONES_MAX: Final = 2
"""Spot offers of one type: further zones rarely have what two have not."""
SPOT: Final = "spot"
ON_DEMAND: Final = "on-demand"


class Known(NamedTuple):
    """What is known of prices and types when offers are ranked."""

    types: Mapping[str, InstanceType]
    spot: Sequence[SpotPrice]
    """Cheapest first within a type."""
    on_demand: Mapping[str, Price]
    place: str | None
    """The zone, where a subnet is configured."""
    disk_gb: int
    """Size of the disk that an instance gets."""


def rank(candidates: Sequence[str], known: Known, settings: AwsSettings, why: str) -> list[Offer]:
    """Return the offers: for each type, best first, its cheapest spot zones and then the same on-demand.

    A spot price at or above the on-demand one is no offer: the same can be had without losing it.
    """
    found: list[Offer] = []
    for number, name in enumerate(candidates):
        kind = known.types.get(name)
        if kind is None:
            continue
        reason = why if number == 0 else f"as good as {candidates[0]}"
        usual = known.on_demand.get(name)
        if settings.spot:
            found += [
                _spot_offer(kind, price, known, settings, reason)
                for price in [p for p in known.spot if p.machine_type == name and _worth(p, usual, settings)][
                    :ZONES_MAX
                ]
            ]
        if usual is not None:
            found.append(_on_demand_offer(kind, usual, known, settings, reason))
    return found[:OFFERS_MAX]


def max_spot_price(offer: Offer, settings: AwsSettings) -> Decimal:
    """Return the price above which AWS takes a spot instance back."""
    highest = offer.rate_usd_per_hour * settings.spot_max_price_factor
    if settings.spot_max_usd_per_hour is not None:
        highest = min(highest, settings.spot_max_usd_per_hour)
    return max(highest, offer.rate_usd_per_hour).quantize(Decimal("1e-6"))


def _worth(price: SpotPrice, usual: Price | None, settings: AwsSettings) -> bool:
    limit = settings.spot_max_usd_per_hour
    if limit is not None and price.usd_per_hour > limit:
        return False
    return usual is None or price.usd_per_hour < usual.usd_per_hour


def _spot_offer(kind: InstanceType, price: SpotPrice, known: Known, settings: AwsSettings, why: str) -> Offer:
    said = f"{why}; spot in {price.place}: AWS may take it back"
    return _offer(kind, price.place, price.usd_per_hour, known, settings, said, spot=True)


def _on_demand_offer(kind: InstanceType, price: Price, known: Known, settings: AwsSettings, why: str) -> Offer:
    said = f"{why}; on-demand" + (f" ({price.source})" if price.source else "")
    place = known.place or settings.region
    return _offer(kind, place, price.usd_per_hour, known, settings, said, spot=False)


def _offer(
    kind: InstanceType, place: str, rate: Decimal, known: Known, settings: AwsSettings, why: str, *, spot: bool
) -> Offer:
    return Offer(
        id=f"{kind.name}@{place}/{SPOT if spot else ON_DEMAND}",
        provider="aws",
        machine_type=kind.name,
        place=place,
        rate_usd_per_hour=rate,
        disk_usd_per_hour=beside_usd_per_hour(settings, known.disk_gb),
        fixed_usd=fixed_usd(settings),
        least_s=LEAST_S,
        log=log_price(settings),
        beside=words(settings, known.disk_gb),
        cpus=kind.vcpus,
        memory_gb=kind.memory_gb,
        gpu=kind.gpu,
        gpu_count=kind.gpu_count,
        spot=spot,
        reason=f"{why}; {kind.vcpus} vCPUs, {kind.memory_gb:g} GB of memory" + (f", {kind.gpu}" if kind.gpu else ""),
    )
