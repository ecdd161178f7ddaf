"""Prices as of a day: of instances for accounts that may not ask for them, of disks, objects, calls and logs for all.

US dollars, Linux, shared tenancy, without taxes, discounts and free tier. A live answer of the price list or of the
spot history wins wherever it is asked for; what is taken from here is an estimate, and a plan says so.

Where they are from: the on-demand prices of us-east-1 from AWS's price list as the Karpenter provider for AWS publishes
it (``zz_generated.pricing_aws.go``, generated 2026-07-20); us-east-2 and us-west-2 have the same ones. Those of the two
European regions, gp3, S3 and CloudWatch Logs are the published ones as several tables of 2026 agree on ("Amazon EC2
On-Demand Pricing", "Amazon EBS pricing", "Amazon S3 pricing", "Amazon CloudWatch pricing"), compared in November 2026.
A type or region that is not here has no offline price: no money is spent at a guessed one.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

AS_OF: Final = date(2026, 7, 20)
"""Of the instances' prices."""
FEES_AS_OF: Final = date(2026, 11, 1)
"""Of everything else here."""

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
    "g6.xlarge": "0.8048",
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
        "m6i.2xlarge": "0.428",
        "m6i.4xlarge": "0.856",
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
        "m6i.2xlarge": "0.46",
        "m6i.4xlarge": "0.92",
        "g4dn.xlarge": "0.658",
        "g5.xlarge": "1.258",
        "g6.xlarge": "1.0064",
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


class Fees(NamedTuple):
    """What S3 and CloudWatch Logs cost in a region. Their gigabyte is 2³⁰ bytes."""

    kept_usd_per_gb_month: Decimal
    """S3 Standard, its first 50 TB."""
    sent_usd_per_gb: Decimal
    """Out of AWS, to the internet; within the region nothing is charged."""
    write_usd: Decimal
    """One PUT, POST, COPY or LIST."""
    read_usd: Decimal
    """One GET or HEAD; deleting is free."""
    log_usd_per_gb: Decimal
    """Taken in (0.50 to 0.63 in the regions below) and kept for a month (0.03), by CloudWatch Logs."""


def _fees(kept: str, sent: str, write_1000: str, read_1000: str, log: str) -> Fees:
    thousand = Decimal(1000)
    return Fees(
        Decimal(kept), Decimal(sent), Decimal(write_1000) / thousand, Decimal(read_1000) / thousand, Decimal(log)
    )


_FEES_US: Final = _fees("0.023", "0.09", "0.005", "0.0004", "0.53")
_FEES: Final = {
    "us-east-1": _FEES_US,
    "us-east-2": _FEES_US,
    "us-west-2": _FEES_US,
    "eu-west-1": _fees("0.023", "0.09", "0.005", "0.0004", "0.60"),
    "eu-central-1": _fees("0.0245", "0.09", "0.0054", "0.00043", "0.6624"),
}
_FEES_ELSEWHERE: Final = _fees("0.0405", "0.16", "0.01", "0.0008", "1.00")
"""At most: São Paulo's objects, a little over GovCloud's traffic, twice the calls of the United States."""

LEAST_S: Final = 60
"""A started Linux instance costs a minute, spot or not, and by the second from then on; its disk too ("Amazon EC2
On-Demand Pricing", "StartInstances"). One that AWS takes back in its first hour costs nothing ("Billing for interrupted
Spot Instances"); the books keep what they had."""

COST_EXPLORER_USD: Final = Decimal("0.01")
"""One request to Cost Explorer; each page is one ("AWS Cost Explorer FAQs"; in the price list APIRequest)."""


def usual_rate(region: str, machine_type: str) -> Decimal | None:
    """Return the on-demand price an hour as of ``AS_OF``, or ``None`` where it is not known."""
    price = _ON_DEMAND.get(region, {}).get(machine_type)
    return Decimal(price) if price else None


def disk_usd_per_gb_month(region: str) -> Decimal:
    """Return what a GB of gp3 costs a month as of ``FEES_AS_OF``; elsewhere at most this."""
    return Decimal(_GP3.get(region, _GP3_ELSEWHERE))


def fees_are_at_most(region: str) -> bool:
    """Say whether the prices of everything but instances are the dearest region's, for want of a region's own."""
    return region not in _FEES or region not in _GP3


def fees(region: str) -> Fees:
    """Return what objects, calls and logs cost as of ``FEES_AS_OF``; elsewhere at most this."""
    return _FEES.get(region, _FEES_ELSEWHERE)
