"""Which machine for which job (requirements R6.1), and the ranked offers. Pure."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final, NamedTuple

from messages.machines import Offer
from providers.gpu_models import GPU_MODELS
from providers.interface import Need
from providers.runpod.catalogue import Catalogue, Cpu, Gpu, Stock
from providers.runpod.codec import cpu_type, split_cpu_type
from providers.runpod.settings import RunPodSettings

LARGE_GPU: Final = "NVIDIA A100 80GB PCIe"
MIDDLE_GPU: Final = "NVIDIA A40"
LARGE_MB: Final = 5_000.0
MIDDLE_MB: Final = 1_000.0
OFFERS_MAX: Final = 8
"""Offers of one plan: each is one possible create."""
CPU_OFFERS_ENOUGH: Final = 5
"""Flavours in stock that make a look at GPUs needless: each is a machine of its own to fall back on, and four may be
rented out between the look and the create."""
VCPUS_MIN: Final = 4
"""Below it a fit on all cores gains nothing over this computer."""
VCPUS_MAX: Final = 32
CPU_MEMORY_GB: Final = 4.0
"""For Python, its libraries and the smallest table."""
MEMORY_PER_DATA: Final = 6.0
"""Memory a fit needs as a multiple of the file: parsed, encoded, split, copied once."""
DEAR: Final = 3
"""An alternative may cost this many times the chosen type."""


class _Ranked(NamedTuple):
    offer: Offer
    stock: Stock


def select_gpu(size_mb: float, model_type: str, default_gpu: str) -> str:
    """Return the GPU type R6.1 names; ``default_gpu`` stands in its smallest row."""
    if model_type in GPU_MODELS or size_mb > LARGE_MB:
        return LARGE_GPU
    return MIDDLE_GPU if size_mb > MIDDLE_MB else default_gpu


def wants_cpus(need: Need) -> bool:
    """Tell whether machines without GPU come into question."""
    return need.model_type not in GPU_MODELS if need.machine is None else split_cpu_type(need.machine) is not None


def wants_gpus(need: Need) -> bool:
    """Tell whether machines with a GPU come into question."""
    return need.machine is None or split_cpu_type(need.machine) is None


def are_enough(need: Need, cpus: tuple[Cpu, ...], place: str, settings: RunPodSettings) -> bool:
    """Tell whether there are enough machines without GPU in stock, so that no dearer one need be looked for."""
    if need.machine is not None or not wants_cpus(need):
        return False
    in_stock = [one for one in _cpu_offers(need, cpus, place, settings) if one.stock is not Stock.NONE]
    return len(in_stock) >= CPU_OFFERS_ENOUGH


def rank(need: Need, catalogue: Catalogue, place: str, settings: RunPodSettings) -> list[Offer]:
    """Return offers in the volume's data centre, best first; the user's own choice is the only one there is."""
    chosen = select_gpu(need.size_mb, need.model_type, settings.default_gpu_type)
    if need.machine is not None:
        return _asked_for(need.machine, catalogue, place, settings)
    gpus = _gpu_offers(chosen, catalogue.gpus, place, settings)
    fast = _cpu_offers(need, catalogue.cpus, place, settings) if wants_cpus(need) else []
    ranked = [*fast, *gpus]
    ranked.sort(key=lambda one: one.stock is Stock.NONE)  # stable: what is out of stock goes last
    return [one.offer for one in ranked[:OFFERS_MAX]]


def vcpus_for(size_mb: float, cpu: Cpu) -> int | None:
    """Return the smallest power of two of vCPUs whose memory holds the data, or ``None`` where none does."""
    memory_gb = CPU_MEMORY_GB + MEMORY_PER_DATA * size_mb / 1000
    vcpus = max(VCPUS_MIN, 2 ** math.ceil(math.log2(max(cpu.vcpus_min, 2))))
    while vcpus * cpu.memory_gb_per_vcpu < memory_gb:
        vcpus *= 2
        if vcpus > VCPUS_MAX:
            return None
    return vcpus if vcpus <= min(cpu.vcpus_max, VCPUS_MAX) else None


def _asked_for(machine: str, catalogue: Catalogue, place: str, settings: RunPodSettings) -> list[Offer]:
    cpu = split_cpu_type(machine)
    if cpu is not None:
        flavour, vcpus = cpu
        fits = (c for c in catalogue.cpus if c.id == flavour and c.vcpus_min <= vcpus <= c.vcpus_max)
        return [_cpu_offer(c, vcpus, place, settings, "your own choice").offer for c in fits if _power(vcpus)]
    for gpu in catalogue.gpus:
        price = _price(gpu, settings)
        if gpu.id == machine and price is not None:
            return [_gpu_offer(gpu, price, place, settings, "your own choice").offer]
    return []


def _gpu_offers(chosen: str, gpus: tuple[Gpu, ...], place: str, settings: RunPodSettings) -> list[_Ranked]:
    """The chosen type first, then those with as much memory, by price and then by stock."""
    priced = [(gpu, price) for gpu in gpus if (price := _price(gpu, settings)) is not None]
    wanted = next(((gpu, price) for gpu, price in priced if gpu.id == chosen), None)
    if wanted is None:
        return []
    first, first_price = wanted
    found = [_gpu_offer(first, first_price, place, settings, "the usual choice for this size and model")]
    others = [
        (gpu, price)
        for gpu, price in priced
        if gpu.id != chosen
        and gpu.memory_gb >= first.memory_gb
        and price <= first_price * DEAR
        and gpu.stock.get(place, Stock.NONE) > Stock.NONE
    ]
    others.sort(key=lambda one: (one[1], -one[0].stock.get(place, Stock.NONE), one[0].id))
    found += [_gpu_offer(gpu, price, place, settings, f"as much memory as {first.name}") for gpu, price in others]
    return found


def _cpu_offers(need: Need, cpus: tuple[Cpu, ...], place: str, settings: RunPodSettings) -> list[_Ranked]:
    """The flavours that hold the data, the cheapest first."""
    if settings.cloud_type != "SECURE":
        return []  # their prices are the secure cloud's (fact sheet 1.1)
    found = []
    for cpu in cpus:
        vcpus = vcpus_for(need.size_mb, cpu)
        if vcpus is not None:
            found.append(_cpu_offer(cpu, vcpus, place, settings, "this model uses no GPU"))
    found = [one for one in found if one.stock > Stock.NONE]
    found.sort(key=lambda one: (one.offer.rate_usd_per_hour, -one.stock, one.offer.id))
    return found


def _gpu_offer(gpu: Gpu, price: Decimal, place: str, settings: RunPodSettings, why: str) -> _Ranked:
    stock = gpu.stock.get(place, Stock.NONE)
    offer = Offer(
        id=f"{gpu.id}@{place}",
        provider="runpod",
        machine_type=gpu.id,
        place=place,
        rate_usd_per_hour=price,
        disk_usd_per_hour=settings.disk_usd_per_hour,
        beside=f"{settings.container_disk_gb} GB of container disk",
        gpu=f"{gpu.name} {gpu.memory_gb} GB",
        gpu_count=1,
        reason=f"{why}; {_words(stock)} in {place}",
    )
    return _Ranked(offer, stock)


def _cpu_offer(cpu: Cpu, vcpus: int, place: str, settings: RunPodSettings, why: str) -> _Ranked:
    stock = Stock.UNSAID if cpu.stock is None else cpu.stock.get(place, Stock.NONE)
    memory_gb = vcpus * cpu.memory_gb_per_vcpu
    machine_type = cpu_type(cpu.id, vcpus)
    offer = Offer(
        id=f"{machine_type}@{place}",
        provider="runpod",
        machine_type=machine_type,
        place=place,
        rate_usd_per_hour=cpu.usd_per_vcpu * vcpus,
        disk_usd_per_hour=settings.disk_usd_per_hour,
        beside=f"{settings.container_disk_gb} GB of container disk",
        cpus=vcpus,
        memory_gb=memory_gb,
        reason=f"{why}; {_words(stock)} in {place}",
    )
    return _Ranked(offer, stock)


def _price(gpu: Gpu, settings: RunPodSettings) -> Decimal | None:
    return gpu.secure_usd if settings.cloud_type == "SECURE" else gpu.community_usd


def _power(vcpus: int) -> bool:
    return vcpus >= 2 and vcpus & (vcpus - 1) == 0


def _words(stock: Stock) -> str:
    return {Stock.NONE: "out of stock", Stock.UNSAID: "stock not said"}.get(stock, f"{stock.name.lower()} stock")
