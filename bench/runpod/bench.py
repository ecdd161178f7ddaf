"""Calls per job-hour on RunPod, and exit → gone of its pods, both over the emulated platform.

``python -m bench.runpod.bench [--sizes 1,100,1000] [--pods 12] [--only calls|ending] [--json FILE]``. Calls are counted
in virtual time and belong to no machine; the seconds to gone are real ones. Baseline of the CPU figures is the same
node with one pod, that of the seconds is the arm in which pods end themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.clouds.hour import show
from bench.runpod import calls, ending

NAMED = "NVIDIA RTX A5000"
ARMS = (
    ("pods end themselves", False, ending.BAR_ITSELF_S),
    ("pods may not", True, ending.BAR_DAEMON_S),
)


def measure_calls(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Return one hour for each number of pods, and for the middle one how orders change it."""
    hours = []
    for pods in sizes:
        hours.append(calls.hour(pods, max(1, pods // 10)))
        show(hours[-1])
    for more in ({"machine": NAMED}, {"together": 2}):
        hours.append(calls.hour(10, 10, **more))
        show(hours[-1])
    return hours


def measure_ending(pods: int) -> dict[str, dict[str, Any]]:
    """Return the seconds from the end of the work to gone, for both arms."""
    found = {}
    for name, refused, bar_s in ARMS:
        found[name] = {**ending.measure(pods, key_refused=refused), "bar_s": bar_s}
        spans = found[name]["spans_s"]
        met = "met" if max(spans) <= bar_s else "MISSED"
        print(f"{name:20} median {statistics.median(spans):.3f} s   max {max(spans):.3f} s   bar {bar_s:g} s {met}")
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,100,1000", help="numbers of pods that run for the hour")
    parser.add_argument("--pods", type=int, default=12, help="pods of each arm of exit → gone")
    parser.add_argument("--only", choices=("calls", "ending"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result: dict[str, Any] = {}
    if chosen.only != "ending":
        result["calls"] = measure_calls([int(size) for size in chosen.sizes.split(",")])
    if chosen.only != "calls":
        result["ending"] = measure_ending(chosen.pods)
    if chosen.json:
        before = json.loads(chosen.json.read_text()) if chosen.json.exists() else {}
        chosen.json.write_text(json.dumps(before | result, indent=1) + "\n")


if __name__ == "__main__":
    main()
