"""The catalogue: what there is, what it costs, and how much of it is free right now (fact sheet 1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from tests.emulators.runpod.catalogue_data import CPUS, CUDA_VERSIONS, DATA_CENTERS, GPUS, Cpu, DataCenter, Gpu
from tests.emulators.runpod.hosts import Hosts
from tests.emulators.runpod.problems import Problem, document, invalid, not_found
from tests.emulators.runpod.settings import Settings
from tests.emulators.runpod.wire import Request, Response

LOW_UP_TO = 2
MEDIUM_UP_TO = 5
"""So many of the wanted size are free."""
LEAST_VCPUS = 2
"""A machine without a GPU has so many at least (fact sheet 1.1)."""
WORDS = ("NONE", "LOW", "MEDIUM", "HIGH")


class Stock:
    """How many GPUs and vCPUs can be had, by type and place, at one moment."""

    def __init__(self, settings: Settings, taken: Mapping[tuple[str, str], int]) -> None:
        self._settings = settings
        self._taken = taken

    def of(self, gpu: str, data_center: str) -> int:
        """Return how many GPUs there are of a type in a place."""
        return self._free(gpu, data_center, self._settings.stock_default)

    def vcpus(self, cpu: str, data_center: str) -> int:
        """Return how many vCPUs there are of a flavour in a place."""
        return self._free(cpu, data_center, self._settings.vcpus_default)

    def _free(self, kind: str, data_center: str, usual: int) -> int:
        stock = self._settings.stock.get(f"{kind}@{data_center}", usual)
        return max(0, stock - self._taken.get((kind, data_center), 0))


class Catalogue:
    """Types, prices and stock of one platform."""

    def __init__(self, settings: Settings, hosts: Hosts) -> None:
        self._settings = settings
        self._hosts = hosts
        self._gpus = {gpu.id: gpu for gpu in GPUS}
        self._cpus = {cpu.id: cpu for cpu in CPUS}
        self._places = {place.id: place for place in DATA_CENTERS}

    def gpu(self, gpu_id: str) -> Gpu | None:
        """Return a GPU type."""
        return self._gpus.get(gpu_id)

    def gpu_ids(self) -> tuple[str, ...]:
        """Return the ids of all GPU types."""
        return tuple(self._gpus)

    def cpu(self, cpu_id: str) -> Cpu | None:
        """Return a CPU flavour."""
        return self._cpus.get(cpu_id)

    def place(self, data_center: str) -> DataCenter | None:
        """Return a data centre; ids are upper case."""
        return self._places.get(data_center)

    def places(self) -> tuple[str, ...]:
        """Return the ids of all data centres, in the order pods are placed."""
        return tuple(self._places)

    def volume_tiers(self, data_center: str) -> tuple[str, ...]:
        """Return the tiers of network volumes that can be made in a place."""
        place = self._places.get(data_center)
        return place.volumes if place else ()

    def free(self) -> Stock:
        """Return what can be had now."""
        return Stock(self._settings, self._hosts.usage())

    def price(self, gpu: Gpu, cloud: str, data_center: str | None = None) -> Decimal:
        """Return USD per GPU and hour; 0: not offered."""
        if cloud == "SECURE":
            for key in (f"{gpu.id}@{data_center}", gpu.id):
                if key in self._settings.prices:
                    return self._settings.prices[key]
        return gpu.price(cloud)

    # Routes.

    def list_gpus(self, request: Request) -> Response:
        """Answer GET /v2/catalog/gpus."""
        query, stock = _query(request), self.free()
        return document(200, {"gpus": [self._shown_gpu(gpu, query, stock) for gpu in self._gpus.values()]})

    def get_gpu(self, request: Request, gpu_id: str) -> Response:
        """Answer GET /v2/catalog/gpus/{id}."""
        query = _query(request)
        gpu = self._gpus.get(gpu_id)
        if gpu is None:
            raise not_found("gpu type")
        return document(200, self._shown_gpu(gpu, query, self.free()))

    def list_cpus(self, request: Request) -> Response:
        """Answer GET /v2/catalog/cpus."""
        query, stock = _query(request), self.free()
        return document(200, {"cpus": [self._shown_cpu(cpu, query, stock) for cpu in self._cpus.values()]})

    def get_cpu(self, request: Request, cpu_id: str) -> Response:
        """Answer GET /v2/catalog/cpus/{id}."""
        query = _query(request)
        cpu = self._cpus.get(cpu_id)
        if cpu is None:
            raise not_found("cpu type")
        return document(200, self._shown_cpu(cpu, query, self.free()))

    def list_places(self, request: Request) -> Response:
        """Answer GET /v2/catalog/datacenters."""
        query = _list_query(request)
        found = [
            place
            for place in self._places.values()
            if _meets(query.get("regions"), [place.region])
            and _meets(query.get("compliance"), place.compliance)
            and _meets(query.get("networkVolumeTypes"), place.volumes)
        ]
        return document(200, {"dataCenters": [self._shown_place(place, query) for place in found]})

    def get_place(self, request: Request, data_center: str) -> Response:
        """Answer GET /v2/catalog/datacenters/{id}."""
        place = self._places.get(data_center)
        if place is None:
            raise not_found("data center")
        return document(200, self._shown_place(place, _list_query(request)))

    def _shown_gpu(self, gpu: Gpu, query: Mapping[str, list[str]], stock: Stock) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": gpu.id,
            "name": gpu.name,
            "pool": gpu.pool,
            "manufacturer": gpu.manufacturer,
            "memory": gpu.memory_gb,
            "secure": self.price(gpu, "SECURE") > 0,
            "community": gpu.price("COMMUNITY") > 0,
            "price": {"secure": float(self.price(gpu, "SECURE")), "community": float(gpu.price("COMMUNITY"))},
            "maxCount": {"secure": gpu.max_count, "community": gpu.max_count if gpu.community else 0},
        }
        if gpu.serverless_per_s:
            shown["price"]["serverless"] = float(Decimal(gpu.serverless_per_s) * 3600)
        if "include" in query:
            count = int(query.get("count", ["1"])[0])
            countries = query.get("countryCodes")
            places = [
                {"id": place.id, "name": place.id, "availability": _word(stock.of(gpu.id, place.id), count)}
                for place in self._places.values()
                if _meets(countries, [place.country])
            ]
            shown["availability"] = _best(one["availability"] for one in places)
            shown["dataCenters"] = places
            shown["cudaVersions"] = [{"version": version, "available": True} for version in CUDA_VERSIONS]
        return shown

    def _shown_cpu(self, cpu: Cpu, query: Mapping[str, list[str]], stock: Stock) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": cpu.id,
            "name": cpu.name,
            "group": cpu.group,
            "vcpu": {"min": LEAST_VCPUS, "max": cpu.max_vcpu},
            "ramGbPerVcpu": float(cpu.ram_per_vcpu_gb),
            "price": {
                "securePerVcpu": float(cpu.per_vcpu),
                "serverlessPerVcpu": float(Decimal(cpu.serverless_per_vcpu) * 3600),
            },
        }
        if "include" in query:
            places = [{"id": one, "name": one, "availability": _cpu_word(stock, cpu, one)} for one in self._places]
            shown["availability"] = _best(one["availability"] for one in places)
            shown["dataCenters"] = places
        return shown

    def _shown_place(self, place: DataCenter, query: Mapping[str, list[str]]) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": place.id,
            "name": place.id,
            "region": place.region,
            "globalNetwork": place.global_network,
            "networkVolumeTypes": list(place.volumes),
            "compliance": list(place.compliance),
        }
        include, stock = query.get("include", []), self.free()
        if "GPU_AVAILABILITY" in include:
            shown["gpuAvailability"] = [
                {"id": gpu.id, "name": gpu.name, "availability": _word(stock.of(gpu.id, place.id), 1)}
                for gpu in self._gpus.values()
            ]
        if "CPU_AVAILABILITY" in include:
            shown["cpuAvailability"] = [
                {"id": cpu.id, "name": cpu.name, "availability": _cpu_word(stock, cpu, place.id)}
                for cpu in self._cpus.values()
            ]
        return shown


def _list_query(request: Request) -> dict[str, list[str]]:
    found = parse_qs(request.query, keep_blank_values=True)
    return {name: [one for value in values for one in value.split(",") if one] for name, values in found.items()}


def _query(request: Request) -> dict[str, list[str]]:
    """Return the query of a type list. Raises Problem 422 on a word that is none, 400 on half of the pair."""
    query = _list_query(request)
    wrong = [f"include: value must be one of 'AVAILABILITY', got '{one}'" for one in query.get("include", [])]
    wrong = [text for text in wrong if not text.endswith("'AVAILABILITY'")]
    wrong += [
        f"product: value must be one of 'POD', 'CLUSTER', 'SERVERLESS', got '{one}'"
        for one in query.get("product", [])
        if one not in ("POD", "CLUSTER", "SERVERLESS")
    ]
    if "count" in query and not (query["count"] and query["count"][0].isdecimal() and int(query["count"][0]) >= 1):
        wrong.append("count: minimum: want 1")
    if wrong:
        raise invalid(wrong)
    if bool(query.get("include")) != bool(query.get("product")):
        raise Problem(400, "include and product must be given together")
    return {name: values for name, values in query.items() if values}


def _meets(wanted: list[str] | None, held: Iterable[str]) -> bool:
    return not wanted or any(one in wanted for one in held)


def _word(free: int, count: int) -> str:
    if free < count:
        return "NONE"
    if free <= LOW_UP_TO:
        return "LOW"
    return "MEDIUM" if free <= MEDIUM_UP_TO else "HIGH"


def _cpu_word(stock: Stock, cpu: Cpu, data_center: str) -> str:
    """Return the word for machines of the smallest size."""
    return _word(stock.vcpus(cpu.id, data_center) // LEAST_VCPUS, 1)


def _best(words: Iterable[str]) -> str:
    return max(words, key=WORDS.index, default="NONE")
