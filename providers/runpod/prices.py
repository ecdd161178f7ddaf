"""What RunPod's API does not say: about what GPUs cost while the catalogue is silent, and what a network volume costs.

No machine is rented at these prices.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

AS_OF: Final = date(2026, 10, 1)
"""When these were seen (fact sheet 6.5); they fell several times in 2026."""

_SECURE_USD_PER_HOUR: Final = {
    "NVIDIA RTX A4000": "0.25",
    "NVIDIA RTX A5000": "0.27",
    "NVIDIA A40": "0.40",
    "NVIDIA L4": "0.43",
    "NVIDIA GeForce RTX 3090": "0.43",
    "NVIDIA RTX A6000": "0.49",
    "NVIDIA GeForce RTX 4090": "0.74",
    "NVIDIA RTX 6000 Ada Generation": "0.77",
    "NVIDIA L40S": "0.86",
    "NVIDIA GeForce RTX 5090": "0.89",
    "NVIDIA L40": "0.99",
    "NVIDIA A100 80GB PCIe": "1.64",
    "NVIDIA A100-SXM4-80GB": "1.89",
    "NVIDIA H100 PCIe": "2.39",
    "NVIDIA H100 NVL": "3.29",
    "NVIDIA H100 80GB HBM3": "3.29",
    "NVIDIA H200": "3.99",
    "NVIDIA B200": "5.98",
}
"""The upper end of what was seen."""

VOLUME_USD_PER_GB_MONTH: Final = Decimal("0.07")
VOLUME_USD_PER_GB_MONTH_ABOVE: Final = Decimal("0.05")
VOLUME_CHEAPER_ABOVE_GB: Final = 1000
"""Of the standard tier (fact sheet 6.3). The faster one costs more, by data centre, and nothing says how much: the bill
has the last word on both."""


def volume_usd_per_month(size_gb: int) -> Decimal:
    """Return what a network volume of the standard tier costs a month, whether used or not, as of ``AS_OF``."""
    small = min(size_gb, VOLUME_CHEAPER_ABOVE_GB)
    return small * VOLUME_USD_PER_GB_MONTH + (size_gb - small) * VOLUME_USD_PER_GB_MONTH_ABOVE


def usual_rate(machine_type: str) -> Decimal | None:
    """Return the secure cloud's price for one GPU an hour as of ``AS_OF``, or ``None`` for a type not seen then."""
    price = _SECURE_USD_PER_HOUR.get(machine_type)
    return Decimal(price) if price else None
