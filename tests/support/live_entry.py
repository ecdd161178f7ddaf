"""``./dev live`` and ``lastcall`` on an emulated account, which is believed sooner than the real one may be."""

from __future__ import annotations

import sys

from pydantic import BaseModel

from lastcall.cli.main import main as lastcall
from messages.machines import Timings
from providers.aws.settings import AWS_TIMINGS, AwsSettings
from providers.runpod.settings import RUNPOD_TIMINGS, RunPodSettings
from tools import live
from tools.live_clouds import CLOUDS

QUICK = {
    "list_interval_s": 0.5,
    "absence_gap_s": 1.0,
    "quiet_s": 5.0,
    "min_age_s": 2.0,
    "start_allowance_s": 120.0,
    "marker_interval_s": 0.5,
    "marker_gap_s": 1.0,
    "expected_start_s": 5.0,
}

if __name__ == "__main__":
    wanted: list[tuple[type[BaseModel], Timings]] = [(RunPodSettings, RUNPOD_TIMINGS), (AwsSettings, AWS_TIMINGS)]
    living = sys.argv[1] in CLOUDS
    if not living:
        from providers.aws.settings import AwsProviderSettings
        from providers.runpod.provider import RunPodProviderSettings

        wanted += [(RunPodProviderSettings, RUNPOD_TIMINGS), (AwsProviderSettings, AWS_TIMINGS)]
    for model, usual in wanted:
        model.model_fields["timings"].default = usual.model_copy(update=QUICK)
        model.model_rebuild(force=True)
    if not living:
        sys.exit(lastcall(sys.argv[1:]))
    sys.exit(live.main(sys.argv[1:], [sys.executable, "-m", "tests.support.live_entry", "daemon"]))
