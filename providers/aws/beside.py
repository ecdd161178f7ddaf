"""What a job costs on AWS beside its instance: disk, address, the calls to its folder in the bucket, its log. Pure.

What goes on as long as the instance lives is part of its price an hour; what every job does once is fixed; the log is
held at its most and settled as the wrapper counted it. Reading results and progress from here leaves AWS's network and
is charged by the gigabyte: a few kilobytes a look, which is not booked.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from messages.machines import LogPrice
from messages.money import HOUR_SECONDS, Usd, UsdPerHour, ceil_micro, human
from providers.aws.prices import Fees, disk_usd_per_gb_month, fees, fees_are_at_most
from providers.aws.settings import IPV4_USD_PER_HOUR, AwsSettings
from providers.fields import HOURS_PER_MONTH

MACHINE_INTERVAL_S: Final = Decimal(15)
"""The wrapper writes its heartbeat, and reads control and claim, so often (``containers/job/settings.py``)."""
MACHINE_READS: Final = 3
"""Each time: ``control.json``, whether there is a marker, and ``started.json``."""
PROGRESS_INTERVAL_S: Final = Decimal(5)
"""Rounds that are told of are carried so often."""
CHECKPOINT_WRITES: Final = 2
CHECKPOINT_INTERVAL_S: Final = Decimal(60)
"""A fit that goes on for long keeps its rounds once a minute: the file, and the list that names it."""
LOOK_READS: Final = 3
"""A look of ours: heartbeat, progress, marker."""
LOG_FLUSH_S: Final = 5.0
"""The wrapper writes a log file no more often."""
LOG_BYTES_MAX: Final = 65 << 20
"""The wrapper writes no longer log: 64 MiB, and the kept end of one that was cut."""
WRITES: Final = 40
"""Of one attempt, once: spec, control, started, progress by stages, results and their copies, marker."""
READS: Final = 100
"""Of one attempt, once: the bundle's files, the data set in parts, the results."""
_EXACT: Final = Decimal("1e-9")


def beside_usd_per_hour(settings: AwsSettings, disk_gb: int) -> UsdPerHour:
    """Return what runs up beside the instance while it lives: its disk, its address, the calls to its folder."""
    disk = disk_usd_per_gb_month(settings.region) * disk_gb / HOURS_PER_MONTH
    return (disk + IPV4_USD_PER_HOUR + _calls_usd_per_hour(settings)).quantize(_EXACT)


def fixed_usd(settings: AwsSettings) -> Usd:
    """Return what the calls cost that every attempt makes once."""
    paid = fees(settings.region)
    return ceil_micro(paid.write_usd * WRITES + paid.read_usd * READS)


def log_price(settings: AwsSettings) -> LogPrice:
    """Return what the log costs: a file in the bucket for every few seconds, and its lines in CloudWatch.

    A line has fewer bytes there than in its file, with the 26 that CloudWatch adds to each.
    """
    paid = fees(settings.region)
    return LogPrice(
        usd_per_file=paid.write_usd,
        usd_per_gb=paid.log_usd_per_gb,
        bytes_max=LOG_BYTES_MAX,
        files_per_hour=float(HOUR_SECONDS) / LOG_FLUSH_S,
    )


def words(settings: AwsSettings, disk_gb: int) -> str:
    """Say what the prices beside the instance's own are for."""
    log = human(log_price(settings).bytes_usd_max)
    said = f"{disk_gb} GB of gp3, a public address, calls to S3; its log in CloudWatch at most {log}"
    if not fees_are_at_most(settings.region):
        return said
    return f"{said}. All at the prices of the dearest region: those of {settings.region} are not known here"


def _calls_usd_per_hour(settings: AwsSettings) -> Decimal:
    paid: Fees = fees(settings.region)
    of_machine = (paid.write_usd + paid.read_usd * MACHINE_READS) / MACHINE_INTERVAL_S
    of_rounds = paid.write_usd * (1 / PROGRESS_INTERVAL_S + CHECKPOINT_WRITES / CHECKPOINT_INTERVAL_S)
    of_looks = paid.read_usd * LOOK_READS / Decimal(str(settings.timings.marker_interval_s))
    return (of_machine + of_rounds + of_looks) * HOUR_SECONDS
