"""What is asked once: what a type has that is not known here, and in which zone the configured subnet lies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from providers.aws.client import Call, Client
from providers.aws.types import TYPES, InstanceType
from providers.fields import text
from providers.interface import Unavailable

_TYPE = re.compile(r"[a-z0-9-]{1,20}\.[a-z0-9-]{1,20}")
ASKED_MAX: Final = 200
"""Types remembered that had to be asked for."""


class Catalogue:
    """Looks up types and the subnet."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked: dict[str, InstanceType | None] = {}
        self._place: str | None = None

    async def types(self, names: Sequence[str]) -> dict[str, InstanceType]:
        """Return those types that exist, in their order. Raises Unavailable."""
        found = {}
        for name in names:
            kind = TYPES.get(name) or await self._ask(name)
            if kind is not None:
                found[name] = kind
        return found

    async def subnet_place(self) -> str | None:
        """Return the zone of the configured subnet, or ``None`` where any zone will do. Raises Refused, Unavailable."""
        subnet = self._client.settings.subnet
        if subnet is None or self._place is not None:
            return self._place
        said = await self._client.read(
            Call("ec2", "DescribeSubnets", {"SubnetIds": [subnet]}), f"about the subnet {subnet}"
        )
        subnets = said.get("Subnets")
        first = subnets[0] if isinstance(subnets, list) and subnets and isinstance(subnets[0], dict) else {}
        self._place = text(first.get("AvailabilityZone"))
        if self._place is None:
            raise Unavailable("AWS's answer about the subnet could not be read")
        return self._place

    async def _ask(self, name: str) -> InstanceType | None:
        if not _TYPE.fullmatch(name):
            return None
        if name in self._asked:
            return self._asked[name]
        asked = {"Filters": [{"Name": "instance-type", "Values": [name]}]}  # an unknown one is then no error
        said = await self._client.read(Call("ec2", "DescribeInstanceTypes", asked), "about an instance type")
        items = said.get("InstanceTypes")
        if not isinstance(items, list):
            raise Unavailable("AWS's answer about an instance type could not be read")
        found = read_type(items[0]) if items else None
        self._asked[name] = found
        while len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        return found


def read_type(value: object) -> InstanceType | None:
    """Return what EC2 says of a type, or ``None`` for what makes no sense, or runs other programs than ours."""
    if not isinstance(value, dict):
        return None
    name, cpu, memory = text(value.get("InstanceType")), value.get("VCpuInfo"), value.get("MemoryInfo")
    vcpus = cpu.get("DefaultVCpus") if isinstance(cpu, dict) else None
    mib = memory.get("SizeInMiB") if isinstance(memory, dict) else None
    processor = value.get("ProcessorInfo")
    kinds = processor.get("SupportedArchitectures") if isinstance(processor, dict) else None
    if name is None or not isinstance(vcpus, int) or not isinstance(mib, int):
        return None
    if isinstance(kinds, list) and "x86_64" not in kinds:
        return None
    gpu, count = _gpus(value.get("GpuInfo"))
    return InstanceType(name, vcpus, mib / 1024, gpu, count, value.get("BurstablePerformanceSupported") is True)


def _gpus(value: object) -> tuple[str | None, int]:
    gpus = value.get("Gpus") if isinstance(value, dict) else None
    first = gpus[0] if isinstance(gpus, list) and gpus and isinstance(gpus[0], dict) else None
    if first is None:
        return None, 0
    memory = first.get("MemoryInfo")
    mib = memory.get("SizeInMiB") if isinstance(memory, dict) else None
    count = first.get("Count")
    size = f" {mib // 1024} GB" if isinstance(mib, int) else ""
    return f"{first.get('Manufacturer', '')} {first.get('Name', '')}{size}".strip(), count if isinstance(
        count, int
    ) else 1
