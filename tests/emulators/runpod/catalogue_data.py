"""What the platform rents out: GPU and CPU types, data centres, list prices (fact sheet 3.2, 5.1, 6.4, 6.5)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Gpu:
    """One GPU type."""

    id: str
    name: str
    pool: str | None
    memory_gb: int
    secure: str
    """USD per GPU and hour; an empty text: not offered."""
    community: str = ""
    serverless_per_s: str = ""
    max_count: int = 8
    vcpu: int = 8
    """Per GPU."""
    ram_gb: int = 32
    """Per GPU."""
    manufacturer: str = "NVIDIA"

    def price(self, cloud: str) -> Decimal:
        """Return USD per GPU and hour; 0: not offered there."""
        return Decimal((self.secure if cloud == "SECURE" else self.community) or "0")


GPUS = (
    Gpu("NVIDIA RTX A4000", "RTX A4000", "AMPERE_16", 16, "0.25", "0.17", "0.00016", vcpu=6, ram_gb=25),
    Gpu("NVIDIA RTX A4500", "RTX A4500", "AMPERE_16", 20, "0.25", "0.19", "0.00016", vcpu=6, ram_gb=29),
    Gpu("NVIDIA RTX 2000 Ada Generation", "RTX 2000 Ada", "AMPERE_16", 16, "0.24", "", "0.00016", vcpu=6, ram_gb=31),
    Gpu("NVIDIA RTX A5000", "RTX A5000", "AMPERE_24", 24, "0.27", "0.16", "0.00019", vcpu=9, ram_gb=50),
    Gpu("NVIDIA L4", "L4", "AMPERE_24", 24, "0.43", "", "0.00019", vcpu=12, ram_gb=50),
    Gpu("NVIDIA GeForce RTX 3090", "RTX 3090", "AMPERE_24", 24, "0.43", "0.22", "0.00019", vcpu=8, ram_gb=64),
    Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, "0.69", "0.34", "0.00031", vcpu=16, ram_gb=64),
    Gpu("NVIDIA GeForce RTX 5090", "RTX 5090", "ADA_32_PRO", 32, "0.89", "0.69", "0.00044", vcpu=16, ram_gb=92),
    Gpu("NVIDIA RTX A6000", "RTX A6000", "AMPERE_48", 48, "0.49", "0.33", "0.00034", vcpu=9, ram_gb=50, max_count=10),
    Gpu("NVIDIA A40", "A40", "AMPERE_48", 48, "0.40", "0.29", "0.00034", vcpu=9, ram_gb=50, max_count=10),
    Gpu("NVIDIA L40", "L40", "ADA_48_PRO", 48, "0.99", "", "0.00053", vcpu=8, ram_gb=94),
    Gpu("NVIDIA L40S", "L40S", "ADA_48_PRO", 48, "0.86", "0.79", "0.00053", vcpu=12, ram_gb=94),
    Gpu("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", "ADA_48_PRO", 48, "0.77", "", "0.00053", vcpu=14, ram_gb=188),
    Gpu("NVIDIA A100 80GB PCIe", "A100 PCIe", "AMPERE_80", 80, "1.64", "1.19", "0.00076", vcpu=8, ram_gb=117),
    Gpu("NVIDIA A100-SXM4-80GB", "A100 SXM", "AMPERE_80", 80, "1.74", "", "0.00076", vcpu=16, ram_gb=125),
    Gpu("NVIDIA H100 PCIe", "H100 PCIe", "ADA_80_PRO", 80, "2.39", "1.99", "0.00116", vcpu=16, ram_gb=176),
    Gpu("NVIDIA H100 80GB HBM3", "H100 SXM", "ADA_80_PRO", 80, "2.99", "", "0.00116", vcpu=20, ram_gb=125),
    Gpu("NVIDIA H100 NVL", "H100 NVL", "ADA_80_PRO", 94, "2.79", "", "0.00116", vcpu=16, ram_gb=94),
    Gpu("NVIDIA H200", "H200 SXM", "HOPPER_141", 141, "3.79", "", "0.00155", vcpu=24, ram_gb=188),
    Gpu("NVIDIA B200", "B200", "BLACKWELL_180", 180, "5.98", "", "0.00240", vcpu=28, ram_gb=180),
    Gpu("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000", "BLACKWELL_96", 96, "1.79", "", "0.00111"),
    Gpu("NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb", "RTX PRO 6000 MIG", None, 24, "0.45", max_count=1),
    Gpu("AMD Instinct MI300X OAM", "MI300X", None, 192, "1.99", vcpu=24, ram_gb=283, manufacturer="AMD"),
)


@dataclass(frozen=True)
class Cpu:
    """One flavour of CPU machine."""

    id: str
    name: str
    group: str
    ram_per_vcpu_gb: int
    per_vcpu: str
    """USD per vCPU and hour."""
    serverless_per_vcpu: str
    max_vcpu: int = 32


CPUS = (
    Cpu("cpu3c", "CPU3 compute", "Compute-Optimized", 2, "0.03", "0.00001"),
    Cpu("cpu3g", "CPU3 general", "General Purpose", 4, "0.04", "0.000012"),
    Cpu("cpu3m", "CPU3 memory", "Memory-Optimized", 8, "0.05", "0.000015"),
    Cpu("cpu5c", "CPU5 compute", "Compute-Optimized", 2, "0.035", "0.000012"),
    Cpu("cpu5g", "CPU5 general", "General Purpose", 4, "0.045", "0.000015"),
    Cpu("cpu5m", "CPU5 memory", "Memory-Optimized", 8, "0.055", "0.000018"),
)


@dataclass(frozen=True)
class DataCenter:
    """One place."""

    id: str
    region: str
    volumes: tuple[str, ...] = ("STANDARD",)
    """Tiers of network volumes; empty: none can be made there."""
    compliance: tuple[str, ...] = ()
    global_network: bool = True

    @property
    def country(self) -> str:
        """Return the two-letter code its id stands for."""
        first, second = self.id.split("-")[:2]
        return first if first in {"US", "CA"} else {"OC": "AU", "AP": second, "SEA": "SG"}.get(first, second)[:2]


_AMERICA = "NORTH_AMERICA"
DATA_CENTERS = (
    DataCenter("EU-RO-1", "EUROPE", ("STANDARD", "HIGH_PERFORMANCE"), ("GDPR",)),
    DataCenter("EU-CZ-1", "EUROPE", compliance=("GDPR",)),
    DataCenter("EU-SE-1", "EUROPE", compliance=("GDPR",)),
    DataCenter("EU-NL-1", "EUROPE", compliance=("GDPR",)),
    DataCenter("EU-FR-1", "EUROPE", (), ("GDPR",)),
    DataCenter("EUR-IS-1", "EUROPE", compliance=("RENEWABLE",)),
    DataCenter("EUR-IS-2", "EUROPE"),
    DataCenter("EUR-NO-1", "EUROPE"),
    DataCenter("CA-MTL-1", _AMERICA),
    DataCenter("CA-MTL-3", _AMERICA),
    DataCenter("US-CA-2", _AMERICA, ("STANDARD", "HIGH_PERFORMANCE"), ("SOC_2_TYPE_2",)),
    DataCenter("US-GA-2", _AMERICA),
    DataCenter("US-IL-1", _AMERICA),
    DataCenter("US-KS-2", _AMERICA, ("STANDARD", "HIGH_PERFORMANCE"), ("SOC_2_TYPE_2", "HIPAA")),
    DataCenter("US-MD-1", _AMERICA),
    DataCenter("US-MO-1", _AMERICA),
    DataCenter("US-NC-1", _AMERICA),
    DataCenter("US-TX-3", _AMERICA),
    DataCenter("US-WA-1", _AMERICA),
    DataCenter("US-DE-1", _AMERICA, (), global_network=False),
    DataCenter("OC-AU-1", "OCEANIA", ()),
    DataCenter("AP-JP-1", "ASIA"),
)
CUDA_VERSIONS = ("12.4", "12.6", "12.8", "12.9")
"""What the hosts' drivers offer; a wish is matched exactly."""
