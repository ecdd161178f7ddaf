"""What RunPod rents out now, as its catalogue says: types, prices, stock by data centre. Read tolerantly; pure.

A price is for one GPU, or one vCPU, an hour; 0 and null mean "not offered" (fact sheet 1.1). Stock is advice and no
reservation.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from providers.fields import text
from providers.runpod.codec import count, decimal, is_object, money, place

TYPES_MAX: Final = 500
"""Types read of one list; RunPod has some fifty."""


class Stock(IntEnum):
    """How much of a type there is; more is better."""

    NONE = 0
    UNSAID = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4


class Gpu(NamedTuple):
    """One GPU type. ``None`` prices are not offered."""

    id: str
    name: str
    memory_gb: int
    secure_usd: Decimal | None
    community_usd: Decimal | None
    stock: Mapping[str, Stock]
    """By data centre; one that is not there has none."""


class Cpu(NamedTuple):
    """One flavour of machine without GPU."""

    id: str
    name: str
    vcpus_min: int
    vcpus_max: int
    memory_gb_per_vcpu: float
    usd_per_vcpu: Decimal
    stock: Mapping[str, Stock] | None
    """``None``: the catalogue does not say where."""


class Catalogue(NamedTuple):
    """Everything on offer."""

    gpus: tuple[Gpu, ...]
    cpus: tuple[Cpu, ...]


def read_gpus(value: object) -> tuple[Gpu, ...] | None:
    """Return the GPU types of a catalogue answer, those that make sense, or ``None`` for what is none."""
    listed = _listed(value, "gpus")
    return None if listed is None else tuple(gpu for one in listed if (gpu := _gpu(one)) is not None)


def read_cpus(value: object) -> tuple[Cpu, ...] | None:
    """Return the CPU flavours of a catalogue answer, those that make sense, or ``None`` for what is none."""
    listed = _listed(value, "cpus")
    return None if listed is None else tuple(cpu for one in listed if (cpu := _cpu(one)) is not None)


def _listed(value: object, key: str) -> list[Mapping[str, object]] | None:
    items = value.get(key) if is_object(value) else None
    return [one for one in items[:TYPES_MAX] if is_object(one)] if isinstance(items, list) else None


def _gpu(one: Mapping[str, object]) -> Gpu | None:
    identity, memory, prices = text(one.get("id")), count(one.get("memory")), one.get("price")
    if identity is None or memory is None or not is_object(prices):
        return None
    return Gpu(
        identity,
        text(one.get("name")) or identity,
        memory,
        money(prices.get("secure")),
        money(prices.get("community")),
        _stock(one.get("dataCenters")) or {},
    )


def _cpu(one: Mapping[str, object]) -> Cpu | None:
    identity, vcpus, prices = text(one.get("id")), one.get("vcpu"), one.get("price")
    if identity is None or not is_object(vcpus) or not is_object(prices):
        return None
    least, most = count(vcpus.get("min")), count(vcpus.get("max"))
    memory, price = decimal(one.get("ramGbPerVcpu")), money(prices.get("securePerVcpu"))
    if least is None or most is None or memory is None or memory <= 0 or price is None:
        return None
    return Cpu(
        identity, text(one.get("name")) or identity, least, most, float(memory), price, _stock(one.get("dataCenters"))
    )


def _stock(value: object) -> dict[str, Stock] | None:
    if not isinstance(value, list):
        return None
    found: dict[str, Stock] = {}
    for one in value:
        where = place(one.get("id")) if is_object(one) else None
        if where is not None:
            word = str(one.get("availability")).upper()
            found[where] = Stock[word] if word in Stock.__members__ else Stock.UNSAID
    return found
