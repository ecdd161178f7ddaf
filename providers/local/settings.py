"""What the local provider is told: where it keeps things, what runs, what a second costs."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from messages.base import Record
from messages.machines import Timings

LOCAL_TIMINGS = Timings(
    list_interval_s=0.2,
    absence_gap_s=0.2,
    quiet_s=0,
    min_age_s=0,
    start_allowance_s=30,
    marker_interval_s=0.5,
    marker_gap_s=0.5,
    creates_are_idempotent=True,
    expected_start_s=2,
)
"""design.md 6: the kernel's own process table does not lag, so little waiting is needed."""

OFFER = "local"
"""Id and machine type of the one offer."""


class LocalSettings(Record):
    """Settings of one local provider. ``root`` belongs to one daemon at a time (its state lock holds that)."""

    root: Path
    """Absolute directory; ``storage/``, ``machines/`` and ``predictions/`` are made inside."""
    wrapper: Path
    """The job wrapper: a zipapp or script of the standard library alone."""
    python: str = Field(default_factory=lambda: sys.executable)
    """Interpreter of the wrapper, the launcher and the prediction program."""
    price_usd_per_second: Decimal = Field(default=Decimal(0), ge=0, le=Decimal(100))
    """What this computer is said to cost while a machine lives; recorded with each machine at its launch."""
    cpus: float | None = None
    """Detected when ``None``."""
    memory_gb: float | None = None
    """Detected when ``None``."""
    full_scan_interval_s: float = 2.0
    """A listing at least this long after the last look through the whole process table looks through it again."""
    launch_timeout_s: float = 10.0
    """The launcher answers within this time, or the create is ambiguous."""
    prediction_workers_max: int = Field(default=1, ge=0)
    prediction_memory_bytes: int | None = None
    timings: Timings = LOCAL_TIMINGS
