"""On-demand prices as of a day, for accounts that may not ask for them, and what disks cost.

US dollars an hour for Linux, shared tenancy ("Amazon EC2 On-Demand Pricing"), and for gp3 a GB-month ("Amazon EBS
pricing"). Regions that are not here have no offline price: no money is spent at a guessed one.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

AS_OF: Final = date(2026, 11, 1)

_US: Final = {
    "t3.medium": "0.0416",
    "t3.large": "0.0832",
    "m5.large": "0.096",
    "m5.xlarge": "0.192",
    "m5.2xlarge": "0.384",
    "m5.4xlarge": "0.768",
    "m5.8xlarge": "1.536",
    "m6i.large": "0.096",
    "m6i.xlarge": "0.192",
    "m6i.2xlarge": "0.384",
    "m6i.4xlarge": "0.768",
    "m6i.8xlarge": "1.536",
    "g4dn.xlarge": "0.526",
    "g5.xlarge": "1.006",
    "g5.2xlarge": "1.212",
    "p3.2xlarge": "3.06",
}
_ON_DEMAND: Final = {
    "us-east-1": _US,
    "us-east-2": _US,
    "us-west-2": _US,
    "eu-west-1": {
        "t3.medium": "0.0456",
        "t3.large": "0.0912",
        "m5.large": "0.107",
        "m5.xlarge": "0.214",
        "m5.2xlarge": "0.428",
        "m5.4xlarge": "0.856",
        "m5.8xlarge": "1.712",
        "m6i.large": "0.107",
        "m6i.xlarge": "0.214",
        "g4dn.xlarge": "0.587",
        "g5.xlarge": "1.123",
    },
    "eu-central-1": {
        "t3.medium": "0.048",
        "t3.large": "0.096",
        "m5.large": "0.115",
        "m5.xlarge": "0.23",
        "m5.2xlarge": "0.46",
        "m5.4xlarge": "0.92",
        "m5.8xlarge": "1.84",
        "m6i.large": "0.115",
        "m6i.xlarge": "0.23",
        "g4dn.xlarge": "0.658",
        "g5.xlarge": "1.258",
    },
}
_GP3: Final = {
    "us-east-1": "0.08",
    "us-east-2": "0.08",
    "us-west-2": "0.08",
    "eu-west-1": "0.088",
    "eu-central-1": "0.0952",
}
_GP3_ELSEWHERE: Final = "0.152"
"""The dearest region's."""


def usual_rate(region: str, machine_type: str) -> Decimal | None:
    """Return the on-demand price as of ``AS_OF``, or ``None`` where it is not known."""
    price = _ON_DEMAND.get(region, {}).get(machine_type)
    return Decimal(price) if price else None


def disk_usd_per_gb_month(region: str) -> Decimal:
    """Return what a GB of gp3 costs a month; elsewhere at most this."""
    return Decimal(_GP3.get(region, _GP3_ELSEWHERE))
