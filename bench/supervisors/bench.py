"""Memory per idle supervisor: jobs that run on the fake cloud, one process, journal in memory, nothing to do.

``python -m bench.supervisors.bench [--jobs 2000] [--json FILE]``. Two figures: the growth of the process per running
job (supervisor, its job's state, what FleetWatch and the ledger keep, the fake cloud's own machine and the journal in
memory), and the same run's growth without the journal and the cloud, measured by ``tracemalloc`` on our own rooms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

from actors.runtime.virtual import new_virtual_loop
from messages.jobs import JobState
from providers.fake.scripts import Script, Write, started
from tests.support.node import NodeKit

ROOMS = ("actors/", "messages/", "lastcall/", "pydantic", "asyncio")


def rss_bytes() -> int:
    """Return this process's resident memory."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


async def measure(jobs: int) -> dict[str, Any]:
    """Bring so many jobs to Running and return the growth."""
    limits = {"max_machines": 10_000, "max_machines_per_user": 10_000}
    house = NodeKit(settings={"limits": limits})
    house.cloud.default_script = Script(starts_after_s=0, writes=(Write(0, "started.json", started),))
    await house.start()
    dataset = await house.upload()
    first = await house.train(dataset=dataset)
    await house.until(first, JobState.RUNNING)
    gc.collect()
    tracemalloc.start()
    before, traced = rss_bytes(), tracemalloc.get_traced_memory()[0]
    ids = [await house.train(dataset=dataset) for _ in range(jobs)]
    await house.until(ids[-1], JobState.RUNNING)
    await house.clock.sleep(60)
    gc.collect()
    grown, ours = rss_bytes() - before, tracemalloc.get_traced_memory()[0] - traced
    actor_rooms = 0
    for entry in tracemalloc.take_snapshot().statistics("filename"):
        if any(room in entry.traceback[0].filename for room in ROOMS):
            actor_rooms += entry.size
    tracemalloc.stop()
    states = await house.journal.query("SELECT state, count(*) FROM jobs GROUP BY state")
    await house.stop()
    return {
        "jobs": jobs,
        "states": dict(states),
        "rss_bytes_per_job_traced_run": grown / jobs,
        "python_bytes_per_job": ours / jobs,
        "python_bytes_per_job_in_our_rooms": actor_rooms / jobs,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=new_virtual_loop) as runner:
        result = runner.run(measure(arguments.jobs))
    for key, value in result.items():
        print(f"{key:36} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
