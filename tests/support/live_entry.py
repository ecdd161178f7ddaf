"""``./dev live`` and ``lastcall`` on an emulated account, which is believed sooner than the real one may be."""

from __future__ import annotations

import sys

from lastcall.cli.main import main as lastcall
from providers.runpod.settings import RUNPOD_TIMINGS, RunPodSettings
from tools import live

QUICK = RUNPOD_TIMINGS.model_copy(
    update={
        "list_interval_s": 0.5,
        "absence_gap_s": 1.0,
        "quiet_s": 5.0,
        "min_age_s": 2.0,
        "start_allowance_s": 120.0,
        "marker_interval_s": 0.5,
        "marker_gap_s": 1.0,
        "expected_start_s": 5.0,
    }
)

if __name__ == "__main__":
    RunPodSettings.model_fields["timings"].default = QUICK
    RunPodSettings.model_rebuild(force=True)
    if sys.argv[1] != "runpod":
        from providers.runpod.provider import RunPodProviderSettings

        RunPodProviderSettings.model_fields["timings"].default = QUICK
        RunPodProviderSettings.model_rebuild(force=True)
        sys.exit(lastcall(sys.argv[1:]))
    sys.exit(live.main(sys.argv[1:], [sys.executable, "-m", "tests.support.live_entry", "daemon"]))
