"""Timings of the providers the fake can stand in for (design.md 6), and its own."""

from __future__ import annotations

from messages.machines import Timings
from providers.runpod.settings import RUNPOD_TIMINGS

QUICK = Timings(
    list_interval_s=1,
    absence_gap_s=1,
    quiet_s=5,
    min_age_s=0,
    start_allowance_s=30,
    marker_interval_s=2,
    marker_gap_s=2,
    creates_are_idempotent=False,
    expected_start_s=2,
)
RUNPOD_LIKE = RUNPOD_TIMINGS.model_copy(update={"no_uptime_s": None})
"""Of RunPod but for uptimes, which this cloud does not tell."""
AWS_LIKE = Timings(
    list_interval_s=5,
    absence_gap_s=60,
    quiet_s=0,
    min_age_s=60,
    start_allowance_s=600,
    marker_interval_s=5,
    marker_gap_s=15,
    creates_are_idempotent=True,
    expected_start_s=120,
)
