"""Which machine a new pod gets, if any: one type, no search, no fallback (fact sheet 1.1, 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from tests.emulators.runpod.auth import Caller
from tests.emulators.runpod.catalogue import Catalogue
from tests.emulators.runpod.catalogue_data import CUDA_VERSIONS, Gpu
from tests.emulators.runpod.faults import FaultBox
from tests.emulators.runpod.ledger import Ledger
from tests.emulators.runpod.podstate import Hardware
from tests.emulators.runpod.problems import NO_CAPACITY, Problem
from tests.emulators.runpod.settings import AccountSettings

CREATE = "pods.create"


class Placement:
    """Finds hardware and its price for create calls."""

    def __init__(
        self, accounts: Mapping[str, AccountSettings], catalogue: Catalogue, ledger: Ledger, faults: FaultBox
    ) -> None:
        self._accounts = accounts
        self._catalogue = catalogue
        self._ledger = ledger
        self._faults = faults

    def find(
        self, body: Mapping[str, Any], caller: Caller, volume_place: str | None, now: float
    ) -> tuple[Hardware, Decimal]:
        """Return what the pod gets, and USD per hour for all of it.

        Raises Problem: 400 for what cannot be had, 402 for what cannot be paid, 403 for what is not allowed.
        """
        places = self._places(body, volume_place)
        found = self._gpu(body, caller, places, now) if "gpu" in body else self._cpu(body, places, now)
        hardware, price = found
        price *= Decimal(str(self._faults.hit("price.jump", CREATE, now, body["name"]) or 1))
        self.check_funds(caller.account, price, now)
        return self._substituted(hardware, body["name"], now), price

    def check_funds(self, account: str, price: Decimal, now: float) -> None:
        """Raise Problem 402 unless the account can pay an hour of it within its spend limit (fact sheet 6.2)."""
        if self._ledger.balance(account, now) < price:
            raise Problem(402, "insufficient balance")
        if self._ledger.burn(account) + price > self._accounts[account].spend_limit:
            raise Problem(402, "spend limit reached")

    def _places(self, body: Mapping[str, Any], volume_place: str | None) -> Sequence[str]:
        wanted = body.get("dataCenterIds") or self._catalogue.places()
        unknown = [one for one in wanted if self._catalogue.place(one) is None]
        if unknown:
            raise Problem(400, f"unknown data center '{unknown[0]}'")
        return [one for one in wanted if volume_place in (None, one)]

    def _gpu(
        self, body: Mapping[str, Any], caller: Caller, places: Sequence[str], now: float
    ) -> tuple[Hardware, Decimal]:
        wish, cloud = body["gpu"], body.get("cloud", "SECURE")
        gpu = self._catalogue.gpu(wish["id"])
        if gpu is None:
            raise Problem(400, f"unknown gpu type '{wish['id']}'")
        denied = self._accounts[caller.account].denied_gpus
        denied += tuple(self._faults.hit("create.denied", CREATE, now, body["name"]) or ())
        if any(fnmatchcase(gpu.id, pattern) for pattern in denied):
            raise Problem(403, "access denied")
        count = wish.get("count", 1)
        place = self._free_place(gpu.id, self._catalogue.free().of, count, places, body["name"], now)
        price = self._catalogue.price(gpu, cloud, place)
        cuda = _cuda(wish)
        if place is None or not price or cuda is None or count > gpu.max_count or _too_small(gpu, wish):
            raise Problem(400, NO_CAPACITY)
        hardware = Hardware("gpu", gpu.id, count, gpu.vcpu * count, gpu.ram_gb * count, cloud, place, cuda)
        return hardware, price * count

    def _free_place(
        self, kind: str, stock: Callable[[str, str], int], count: int, places: Iterable[str], name: str, now: float
    ) -> str | None:
        none = self._faults.hit("capacity.none", CREATE, now, name)
        if none is True:
            return None
        for place in places:
            sold_out = any(fnmatchcase(f"{kind}@{place}", pattern) for pattern in none or ())
            if not sold_out and stock(kind, place) >= count:
                return place
        return None

    def _cpu(self, body: Mapping[str, Any], places: Sequence[str], now: float) -> tuple[Hardware, Decimal]:
        wish = body["cpu"]
        cpu = self._catalogue.cpu(wish["id"])
        if cpu is None:
            raise Problem(400, f"unknown cpu type '{wish['id']}'")
        count = wish["vcpuCount"]
        place = self._free_place(cpu.id, self._catalogue.free().vcpus, count, places, body["name"], now)
        if place is None or count > cpu.max_vcpu or body.get("cloud") == "COMMUNITY":
            raise Problem(400, NO_CAPACITY)
        hardware = Hardware("cpu", cpu.id, count, count, cpu.ram_per_vcpu_gb * count, "SECURE", place)
        return hardware, Decimal(cpu.per_vcpu) * count

    def _substituted(self, hardware: Hardware, name: str, now: float) -> Hardware:
        kind = self._faults.hit("create.substitute", CREATE, now, name)
        if kind == "zero_gpus":
            return replace(hardware, count=0)
        if kind == "gpu":
            return replace(hardware, id="NVIDIA RTX A4000" if hardware.id != "NVIDIA RTX A4000" else "NVIDIA RTX A4500")
        if kind == "data_center":
            return replace(hardware, data_center=next(x for x in self._catalogue.places() if x != hardware.data_center))
        return hardware


def _cuda(wish: Mapping[str, Any]) -> str | None:
    """Return the newest version that fits, or ``None``; a list is matched exactly."""
    allowed = wish.get("allowedCudaVersions") or CUDA_VERSIONS
    least = _numbers(wish.get("minCudaVersion") or "0.0")
    fitting = [one for one in CUDA_VERSIONS if one in allowed and _numbers(one) >= least]
    return fitting[-1] if fitting else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _too_small(gpu: Gpu, wish: Mapping[str, Any]) -> bool:
    return bool(gpu.ram_gb < wish.get("minRamPerGpu", 0) or gpu.vcpu < wish.get("minVcpuCountPerGpu", 0))
