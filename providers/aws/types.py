"""Which instance types come into question, and which for which job (requirements R6.1). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from providers.gpu_models import GPU_MODELS


class InstanceType(NamedTuple):
    """What a type has ("Amazon EC2 instance types")."""

    name: str
    vcpus: int
    memory_gb: float
    gpu: str | None = None
    gpu_count: int = 0
    burstable: bool = False


_TABLE: Final = (
    InstanceType("t3.medium", 2, 4, burstable=True),
    InstanceType("t3.large", 2, 8, burstable=True),
    InstanceType("m5.large", 2, 8),
    InstanceType("m5.xlarge", 4, 16),
    InstanceType("m5.2xlarge", 8, 32),
    InstanceType("m5.4xlarge", 16, 64),
    InstanceType("m5.8xlarge", 32, 128),
    InstanceType("m6i.large", 2, 8),
    InstanceType("m6i.xlarge", 4, 16),
    InstanceType("m6i.2xlarge", 8, 32),
    InstanceType("m6i.4xlarge", 16, 64),
    InstanceType("m6i.8xlarge", 32, 128),
    InstanceType("g4dn.xlarge", 4, 16, "NVIDIA T4 16 GB", 1),
    InstanceType("g5.xlarge", 4, 16, "NVIDIA A10G 24 GB", 1),
    InstanceType("g5.2xlarge", 8, 32, "NVIDIA A10G 24 GB", 1),
    InstanceType("g6.xlarge", 4, 16, "NVIDIA L4 24 GB", 1),
    InstanceType("p3.2xlarge", 8, 61, "NVIDIA V100 16 GB", 1),
)
TYPES: Final = {one.name: one for one in _TABLE}

SMALL: Final = "t3.medium"
MIDDLE: Final = "m5.large"
LARGE: Final = "m5.xlarge"
GPU: Final = "g4dn.xlarge"
"""The GPU class. Its predecessor was p3.2xlarge, at six times the price and not in most zones any more."""
LARGE_GPU: Final = "g5.xlarge"
SMALL_MB: Final = 100.0
MIDDLE_MB: Final = 500.0
LARGE_GPU_MB: Final = 1_000.0
BASE_MEMORY_GB: Final = 2.0
"""For the system, Python and its libraries."""
MEMORY_PER_DATA: Final = 6.0
"""Memory a fit needs as a multiple of the file: parsed, encoded, split, copied once."""
_LARGER: Final = (LARGE, "m5.2xlarge", "m5.4xlarge", "m5.8xlarge")

OLD_GPUS: Final = ("p2.", "p3.", "p3dn.", "g2.", "g3.", "g3s.")
"""Families that NVIDIA's open driver does not know; the image for GPUs has no other (release notes: from G4dn on)."""


def select_type(size_mb: float, model_type: str) -> str:
    """Return the type R6.1 names, and above its largest row the smallest of the family whose memory holds the data."""
    if model_type in GPU_MODELS:
        return LARGE_GPU if size_mb > LARGE_GPU_MB else GPU
    if size_mb <= SMALL_MB:
        return SMALL
    if size_mb <= MIDDLE_MB:
        return MIDDLE
    needed = BASE_MEMORY_GB + MEMORY_PER_DATA * size_mb / 1000
    return next((name for name in _LARGER if TYPES[name].memory_gb >= needed), _LARGER[-1])


def has_driver(name: str) -> bool:
    """Tell whether the image that instances with GPUs start from by themselves drives those of this type."""
    return not name.startswith(OLD_GPUS)


def alternatives(chosen: str) -> tuple[str, ...]:
    """Return types that do the same job, the chosen one first: with as much memory and as many processors or GPUs."""
    wanted = TYPES.get(chosen)
    if wanted is None:
        return (chosen,)
    return (chosen, *_ALTERNATIVES.get(chosen, ()))


_ALTERNATIVES: Final = {
    "t3.medium": ("t3.large", "m5.large"),
    "m5.large": ("m6i.large", "m5.xlarge"),
    "m5.xlarge": ("m6i.xlarge", "m5.2xlarge"),
    "m5.2xlarge": ("m6i.2xlarge", "m5.4xlarge"),
    "m5.4xlarge": ("m6i.4xlarge", "m5.8xlarge"),
    "m5.8xlarge": ("m6i.8xlarge",),
    "g4dn.xlarge": ("g6.xlarge", "g5.xlarge"),
    "g5.xlarge": ("g6.xlarge", "g5.2xlarge"),
}
