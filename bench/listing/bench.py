"""CPU time of one look at many machines, and for how long it holds the loop.

``python -m bench.listing.bench [--pods 1000,10000] [--rounds 20] [--json FILE]``. Three arms: *whole* reads the same
pages over the same transport and decodes each in one piece, which is the baseline; *ours* is the provider's listing;
*told* is what FleetWatch does with it for as many running jobs. The server is another process.

A tick of the loop every millisecond measures, while a look is under way, how late it comes and how much CPU time the
loop's thread spent since the tick before: *held* is what the loop was kept from everybody else, whatever else runs on
the computer, *late* has the wait for a core in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from actors.fleet.actor import FleetWatch, Kept
from actors.fleet.messages import Listed, Watched
from actors.journal.interface import Journal
from actors.runtime.system import ActorSystem
from actors.runtime.virtual import SeededEntropy
from actors.supervisor.rules import Naming
from bench.listing import bodies
from messages.ids import JobId, UserId
from messages.jobs import JobState
from messages.machines import Listing
from providers.gate import Priority
from providers.http import AiohttpTransport
from providers.interface import CloudPredictionProvider, CloudStorageProvider, Provider
from providers.runpod.client import Call, Client
from providers.runpod.codec import read_page, read_pod
from providers.runpod.training import RunPodTraining
from tests.support.providers.clocks import RealClock
from tests.support.runpod_sim import settings

CPU_MS_BAR = 50.0
"""For one look at 10,000 machines (design budget)."""
LAG_MS_BAR = 20.0
"""The loop comes no later than this, at the 99th percentile (design budget)."""
TICK_S = 0.001


class Lag:
    """How late the loop comes and how long it was held, sampled while a look is under way."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self.held_ms: list[float] = []

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            await asyncio.sleep(0)
            task.cancel()

    async def _tick(self) -> None:
        while True:
            due, spent = time.perf_counter() + TICK_S, time.thread_time()
            try:
                await asyncio.sleep(TICK_S)
            finally:
                self.late_ms.append(max(0.0, (time.perf_counter() - due) * 1000))
                self.held_ms.append((time.thread_time() - spent) * 1000)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which so large a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def rounds_of(look: Callable[[], Awaitable[Any]], rounds: int) -> dict[str, float]:
    """Look so often, after two looks that warm up."""
    lag, cpu_ms, wall_ms = Lag(), [], []
    first_ms = 0.0
    for number in range(rounds + 2):
        gc.collect()
        sample = lag if number > 1 else Lag()
        cpu, wall = time.process_time(), time.perf_counter()
        async with sample.watched():
            await look()
        if number > 1:
            cpu_ms.append((time.process_time() - cpu) * 1000)
            wall_ms.append((time.perf_counter() - wall) * 1000)
        elif number == 0:
            first_ms = (time.process_time() - cpu) * 1000
        await asyncio.sleep(0.02)
    return {
        "cpu_ms": statistics.median(cpu_ms),
        "cpu_ms_first": first_ms,
        "wall_ms": statistics.median(wall_ms),
        "held_p99_ms": percentile(lag.held_ms, 0.99),
        "held_max_ms": max(lag.held_ms),
        "late_p99_ms": percentile(lag.late_ms, 0.99),
        "late_max_ms": max(lag.late_ms),
    }


async def whole(client: Client) -> None:
    """Read every page as one piece of JSON."""
    cursor: str | None = None
    while True:
        query = {"limit": "1000"} | ({"cursor": cursor} if cursor is not None else {})
        call = Call("GET", "/pods", Priority.LIST, query=query, reply_bytes_max=64 << 20)
        read = read_page(await client.read(call, "for the list of pods"), "pods")
        if read is None:
            raise RuntimeError("no page")
        found = [read_pod(item) for item in read.items]
        now = client.clock.now()
        tuple(pod.machine("a", now) for pod in found if pod is not None)
        if read.cursor is None:
            return
        cursor = read.cursor


def watched(count: int, listing: Listing) -> dict[JobId, Watched]:
    """Return so many running jobs, each with its machine."""
    by_name = {machine.name: machine for machine in listing.machines}
    found = {}
    for number in range(count):
        machine, job_id = by_name[bodies.name_of(number)], bodies.job_of(number)
        found[job_id] = Watched(
            job_id=job_id,
            user_id=UserId("usr_aaaaaaaaaa"),
            attempt=1,
            name=machine.name,
            folder=f"jobs/{job_id}/1",
            account=listing.account,
            phase=JobState.RUNNING,
            machine_id=machine.id,
            known_ids=(machine.id,),
            rate_usd_per_hour=machine.rate_usd_per_hour,
            soft_deadline=listing.began + timedelta(hours=1),
        )
    return found


class Quiet(FleetWatch):
    """FleetWatch that is only told: it neither lists nor looks by itself."""

    async def on_start(self) -> None:
        self._next_round = lambda: None  # type: ignore[method-assign]


class Nothing:
    """A journal without anything in it."""

    async def query(self, *_: object) -> list[Any]:
        return []


async def told(training: RunPodTraining, count: int, rounds: int) -> dict[str, float]:
    """Tell FleetWatch the same listing over and over."""
    listing = await training.list_machines()
    kept = Kept(watched=watched(count, listing))
    provider = Provider(training, cast(CloudStorageProvider, None), cast(CloudPredictionProvider, None))
    system = ActorSystem(training.client.clock, SeededEntropy(1))
    handled = asyncio.Event()

    def news(*_: object, **__: object) -> Any:
        raise RuntimeError("healthy jobs have no news")

    class Counting(Quiet):
        async def _listed(self, listing: Listing) -> None:
            await super()._listed(listing)
            handled.set()

    def make() -> FleetWatch:
        journal, naming = cast(Journal, Nothing()), Naming("instal", "gene", bodies.KEY)
        return Counting(provider, listing.account, journal, naming, kept, news, news, news, news, lambda *_, **__: None)

    fleet = system.spawn(make, "fleet")

    async def look() -> None:
        handled.clear()
        fleet.tell(Listed(listing=listing))
        await asyncio.wait_for(handled.wait(), 60)

    try:
        return await rounds_of(look, rounds)
    finally:
        await system.shutdown(5.0)


async def measure(port: int, count: int, rounds: int) -> dict[str, Any]:
    """Return the three arms for so many pods."""
    told_settings = settings(api_url=f"http://127.0.0.1:{port}/v2")
    async with AiohttpTransport("Lastcall-bench") as transport:
        client = Client(transport, RealClock(), told_settings)
        training = RunPodTraining(Client(transport, RealClock(), told_settings))
        result = {
            "whole": await rounds_of(lambda: whole(client), rounds),
            "ours": await rounds_of(training.list_machines, rounds),
            "told": await told(training, count, rounds),
        }
        await training.close()
    return result


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", default="1000,10000")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result: dict[str, Any] = {}
    for count in (int(text) for text in chosen.pods.split(",")):
        pods = bodies.pods(count)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(pods, file)
            file.flush()
            command = [sys.executable, "-m", "bench.listing.served", file.name]
            server = subprocess.Popen(command, stdout=subprocess.PIPE)
            try:
                port = int(server.stdout.readline()) if server.stdout else 0
                result[str(count)] = asyncio.run(measure(port, count, chosen.rounds))
            finally:
                server.terminate()
                server.wait()
        print(f"{count} pods, {sum(len(a) + len(b) for a, b in pods) / count:.0f} bytes each:")
        for arm, found in result[str(count)].items():
            print(
                f"  {arm:6} CPU {found['cpu_ms']:7.1f} ms (first {found['cpu_ms_first']:.0f})"
                f"   wall {found['wall_ms']:7.1f} ms"
                f"   held p99 {found['held_p99_ms']:5.1f}, max {found['held_max_ms']:5.1f} ms"
                f"   late p99 {found['late_p99_ms']:5.1f}, max {found['late_max_ms']:5.1f} ms"
            )
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
