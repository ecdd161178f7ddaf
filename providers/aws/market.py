"""What instances cost now: spot prices by zone from EC2, on-demand prices from the price list, or a dated table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from messages.money import MICRO
from providers.aws.client import Call, Client
from providers.aws.codec import decimal, moment, next_token
from providers.aws.prices import AS_OF, usual_rate
from providers.fields import text
from providers.interface import ProviderError, Refused, Unavailable

SPOT_FRESH_S: Final = 300.0
"""How old a spot price of an offer may be: a plan, the time somebody thinks about it, and the order share one answer.
Safe, because a create names the highest price it pays, and one that finds no room makes the answer old at once."""
SPOT_KEPT_MAX: Final = 50
LIST_FRESH_S: Final = 86_400.0
"""On-demand prices change some times a year."""
PAGES_MAX: Final = 10
RATE_MAX: Final = Decimal(1_000)
_SPOT: Final = "for spot prices"
_LIST: Final = "for the price list"


class Price(NamedTuple):
    """An on-demand price and where it is from."""

    usd_per_hour: Decimal
    source: str
    """In words, for whoever reads the plan; empty for the live price list."""


class SpotPrice(NamedTuple):
    """A spot price in one zone."""

    machine_type: str
    place: str
    usd_per_hour: Decimal


class Market:
    """Asks for prices; the price list's are remembered for a day."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listed: dict[str, tuple[float, Decimal]] = {}
        self._spot: dict[tuple[str | None, tuple[str, ...]], tuple[float, list[SpotPrice]]] = {}

    async def spot(self, types: Sequence[str], place: str | None) -> list[SpotPrice]:
        """Return prices of the last ``SPOT_FRESH_S``, cheapest first within a type. Raises Unavailable or Refused."""
        now, wanted = self._client.clock.monotonic(), (place, tuple(types))
        known = self._spot.get(wanted)
        if known is not None and now - known[0] < SPOT_FRESH_S:
            return known[1]
        found = await self._ask_spot(types, place)
        self._spot.pop(wanted, None)
        self._spot[wanted] = (now, found)
        while len(self._spot) > SPOT_KEPT_MAX:
            del self._spot[next(iter(self._spot))]
        return found

    def doubt_spot(self) -> None:
        """Say that the spot prices known are wrong somewhere: the next ones are asked for anew."""
        self._spot.clear()

    async def _ask_spot(self, types: Sequence[str], place: str | None) -> list[SpotPrice]:
        asked: dict[str, object] = {
            "InstanceTypes": list(types),
            "ProductDescriptions": ["Linux/UNIX"],
            "StartTime": self._client.clock.now(),
        }
        if place is not None:
            asked["AvailabilityZone"] = place
        newest: dict[tuple[str, str], tuple[datetime, Decimal]] = {}
        token = None
        for _ in range(PAGES_MAX):
            page = {**asked, "NextToken": token} if token else asked
            said = await self._client.read(Call("ec2", "DescribeSpotPriceHistory", page), _SPOT)
            for kind, zone, at, price in _read_spot(said.get("SpotPriceHistory")):
                known = newest.get((kind, zone))
                if known is None or at > known[0]:
                    newest[kind, zone] = (at, price)
            token = next_token(said)
            if token is None:
                break
        found = [SpotPrice(kind, zone, price) for (kind, zone), (_, price) in newest.items()]
        found.sort(key=lambda one: (one.machine_type, one.usd_per_hour, one.place))
        return found

    async def on_demand(self, machine_type: str) -> Price | None:
        """Return a type's price in the region, or ``None`` where nobody knows it.

        Whoever may not ask for the list, or gets no answer, has the offline table, and the plan says so.
        """
        now = self._client.clock.monotonic()
        known = self._listed.get(machine_type)
        if known is not None and now - known[0] < LIST_FRESH_S:
            return Price(known[1], "")
        try:
            live = await self._ask_list(machine_type)
        except Refused:
            return self._offline(machine_type, "prices may not be asked for")
        except ProviderError:
            return self._offline(machine_type, "the price list did not answer")
        if live is None:
            return self._offline(machine_type, "the price list does not have it")
        self._listed[machine_type] = (now, live)
        return Price(live, "")

    def _offline(self, machine_type: str, why: str) -> Price | None:
        price = usual_rate(self._client.settings.region, machine_type)
        return None if price is None else Price(price, f"estimate, price of {AS_OF:%Y-%m-%d}: {why}")

    async def _ask_list(self, machine_type: str) -> Decimal | None:
        wanted = {
            "regionCode": self._client.settings.region,
            "instanceType": machine_type,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        asked = {"ServiceCode": "AmazonEC2", "Filters": filters, "FormatVersion": "aws_v1"}
        said = await self._client.read(Call("pricing", "GetProducts", asked), _LIST)
        products = said.get("PriceList")
        if not isinstance(products, list):
            raise Unavailable(f"AWS's answer when asked {_LIST} could not be read")
        prices = [price for product in products if (price := read_product(product)) is not None]
        return max(prices, default=None)  # one, as a rule: what is held must cover what may be billed


def read_product(product: object) -> Decimal | None:
    """Return the on-demand price an hour of one entry of the price list, or ``None`` for what has none."""
    try:
        value = json.loads(product) if isinstance(product, str) else product
    except (ValueError, RecursionError):
        return None
    terms = value.get("terms") if isinstance(value, dict) else None
    on_demand = terms.get("OnDemand") if isinstance(terms, dict) else None
    for term in _values(on_demand):
        for dimension in _values(term.get("priceDimensions") if isinstance(term, dict) else None):
            if isinstance(dimension, dict) and dimension.get("unit") == "Hrs":
                unit = dimension.get("pricePerUnit")
                price = _money(unit.get("USD")) if isinstance(unit, dict) else None
                if price is not None:
                    return price
    return None


def _read_spot(items: object) -> list[tuple[str, str, datetime, Decimal]]:
    if not isinstance(items, list):
        raise Unavailable(f"AWS's answer when asked {_SPOT} could not be read")
    found = []
    for item in items:
        if not isinstance(item, dict):
            continue
        kind, zone = text(item.get("InstanceType")), text(item.get("AvailabilityZone"))
        at, price = moment(item.get("Timestamp")), _money(item.get("SpotPrice"))
        if kind and zone and at and price:
            found.append((kind, zone, at, price))
    return found


def _money(value: object) -> Decimal | None:
    number = decimal(value)
    if number is None or not 0 < number <= RATE_MAX:
        return None
    rounded = number.quantize(MICRO)
    return rounded if rounded > 0 else None


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, Mapping) else []
