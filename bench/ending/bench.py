"""Exit → terminate → proof, through a real daemon and real machines on this computer.

``python -m bench.ending.bench [--jobs 20] [--json FILE]``: each job's training ends at once; the times come from the
wrapper's result marker and the daemon's journal. The baseline of the same run is how long a bare process that is
killed takes to be gone, as seen by its parent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.house import House, a_house

BAR_S = 1.0
"""From the end of the work to the terminate call, where the machine ends itself (design budget)."""


def bare_kill_s() -> float:
    """Return how long a killed process takes to be gone."""
    child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1)
    if child.stdout is None:
        raise RuntimeError("no pipe")
    child.stdout.readline()
    began = time.perf_counter()
    child.kill()
    child.wait()
    child.stdout.close()
    return time.perf_counter() - began


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def one(house: House, job_id: str) -> dict[str, float]:
    """Return one job's spans in seconds, from its journal."""
    lines = {line["kind"]: line for line in house.events(f"job/{job_id}")}
    decided = _at(lines["job.end_decided"]["body"]["at"])
    marker = lines.get("job.marker_seen")
    over = _at(marker["body"]["marker"]["ended_at"]) if marker else decided
    accepted = _at(lines["job.terminate_accepted"]["body"]["at"])
    proved = _at(lines["job.gone_proved"]["body"]["proof"]["at"])
    return {
        "over_to_terminate_s": (accepted - over).total_seconds(),
        "terminate_to_proof_s": (proved - accepted).total_seconds(),
        "over_to_closed_s": (_at(lines["job.closed"]["at"]) - over).total_seconds(),
    }


def measure(jobs: int) -> dict[str, Any]:
    """Run the jobs, half left to end by themselves, half stopped while they ignore SIGTERM."""
    ended: list[dict[str, float]] = []
    stopped: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder, a_house(Path(folder)) as house:
        dataset = house.upload()
        for _ in range(jobs):
            job_id = house.train("good", dataset=dataset)
            house.closed(job_id)
            ended.append(one(house, job_id))
            job_id = house.train("deaf", dataset=dataset)
            house.running(job_id)
            house.stop_job(job_id)
            house.closed(job_id)
            stopped.append(one(house, job_id))
    return {
        "jobs": jobs,
        "bare_kill_s": [bare_kill_s() for _ in range(jobs)],
        "ends_itself": ended,
        "stopped": stopped,
        "bar_s": BAR_S,
    }


def show(result: dict[str, Any]) -> None:
    """Print medians and maxima."""
    print(f"bare kill → gone: median {statistics.median(result['bare_kill_s']):.3f} s")
    for arm in ("ends_itself", "stopped"):
        for span in ("over_to_terminate_s", "terminate_to_proof_s", "over_to_closed_s"):
            values = [row[span] for row in result[arm]]
            print(f"{arm:12} {span:22} median {statistics.median(values):.3f} s   max {max(values):.3f} s")
    worst = max(row["over_to_terminate_s"] for row in result["ends_itself"])
    met = "met" if worst <= BAR_S else "MISSED"
    print(f"bar: at most {BAR_S} s from the end of the work to the terminate call: {met}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments.jobs)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
