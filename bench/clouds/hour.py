"""Calls per job-hour: the whole node in virtual time over an emulated cloud, one hour at a time.

So many machines run all the time; beside them others are ordered, train for ten minutes and close. Only the daemon's
own calls count, not those of the machines. A quiet stretch before it tells what a listing costs in CPU time, and how
often is asked what is asked whatever the number of jobs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from actors.fleet.actor import FleetWatch
from messages.ids import CommandId, JobId
from messages.jobs import JobState
from tests.simulation.clouds.house import CloudHouse
from tests.simulation.clouds.machines import Work
from tests.support.node import ARTIFACTS

HOUR_S: Final = 3600.0
QUIET_S: Final = 600.0
SETTLE_S: Final = 300.0
"""After the last machine runs: proofs, spent looks and prices of the start are through."""
TRAINS_S: Final = 600.0
ORDERED_WITHIN_S: Final = 2400.0
"""The last of those that close has the rest of the hour for its life and its proof."""
RUNTIME_S: Final = 12 * 3600
NEXT_PAGE: Final = "(next page)"
"""How the name of a further page of any list ends: there are more of them the more exists."""
OTHERS_MAX: Final = 5.0
"""Calls per closed job beside what is asked whatever the number of jobs (design budget)."""


class Asked(NamedTuple):
    """What a cloud's calls are called."""

    named: Callable[[Any], str]
    """Name of one request."""
    lists: str
    """A list of all machines, its first page."""
    fixed: Sequence[str]
    """What is asked whatever the number of jobs; what is more than in a quiet hour counts as other calls."""
    stored: str = "s3."
    """How calls to the store begin."""


class Counted:
    """A cloud as the daemon reaches it: counts its calls, and the CPU time that is the emulator's."""

    def __init__(self, platform: Any, named: Callable[[Any], str]) -> None:
        self._platform = platform
        self._named = named
        self.calls: Counter[str] = Counter()
        self.cpu_s = 0.0

    def handle(self, request: Any, now: float) -> Any:
        """Answer as the cloud does."""
        self.calls[self._named(request)] += 1
        began = time.process_time()
        try:
            return self._platform.handle(request, now)
        finally:
            self.cpu_s += time.process_time() - began


class Stepped:
    """Runs a coroutine and adds up the CPU time of its steps, the emulator's taken off."""

    def __init__(self, inner: Coroutine[Any, Any, Any], meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def __await__(self) -> Generator[Any, Any, Any]:
        """Step by step."""
        value, error = None, None
        while True:
            own, began = self._meter.counted.cpu_s, time.process_time()
            try:
                waits_for = self._inner.throw(error) if error else self._inner.send(value)
            except StopIteration as over:
                return over.value
            finally:
                self._meter.cpu_s += time.process_time() - began - (self._meter.counted.cpu_s - own)
            value, error = None, None
            try:
                value = yield waits_for
            except BaseException as thrown:
                error = thrown


class Meter:
    """CPU time spent on listings: read, compared, and told to the jobs."""

    def __init__(self, counted: Counted) -> None:
        self.counted = counted
        self.cpu_s = 0.0

    def around(self, kind: type[Any], method: str) -> Any:
        """Return a patch that measures every call of ``method``."""
        sound = getattr(kind, method)

        async def measured(*arguments: Any) -> Any:
            return await Stepped(sound(*arguments), self)

        return patch.object(kind, method, measured)


def measure(
    simulate: Callable[..., Any], asked: Asked, lister: type[Any], machines: int, closing: int, **more: Any
) -> dict[str, Any]:
    """Return the calls of one hour with so many machines that run on and so many jobs that close.

    ``machine`` is what those that close ask for (``None``: nothing), ``together`` how many of them come at a time; the
    rest goes to ``simulate``.
    """
    machine, together = more.pop("machine", None), more.pop("together", 1)
    brief: set[str] = set()

    def works(name: str, _attempt: int) -> Work:
        ends = name.split("-")[2] in brief
        return Work(TRAINS_S, artifacts=ARTIFACTS) if ends else Work(TRAINS_S, ends="hangs")

    async def story(house: CloudHouse) -> dict[str, Any]:
        dataset = await house.upload()
        for number in range(machines):
            await house.train(command=CommandId(f"api:0:long{number}"), dataset=dataset, max_runtime_s=RUNTIME_S)
        await all_run(house, machines)
        await house.clock.sleep(SETTLE_S)
        platform = house.transport.platform
        quiet: Any = Counted(platform, asked.named)
        house.transport.platform = quiet
        cpu = await _quiet(house, quiet, lister)
        counted: Any = Counted(platform, asked.named)
        house.transport.platform = counted
        for number in range(closing):
            command = CommandId(f"api:0:brief{number}")
            brief.add(str(JobId.derived(command).tail))
            await house.train(command=command, dataset=dataset, max_runtime_s=3600, machine=machine)
            if (number + 1) % together == 0:
                await house.clock.sleep(ORDERED_WITHIN_S * together / closing)
        await house.clock.sleep(HOUR_S - (ORDERED_WITHIN_S if closing else 0.0))
        states = dict(await house.journal.query("SELECT state, count(*) FROM jobs GROUP BY state"))
        if states != {JobState.RUNNING: machines} | ({JobState.CLOSED: closing} if closing else {}):
            raise RuntimeError(f"not the hour that was to be measured: {states}")
        per_list = {name: seconds * 1000 / quiet.calls[asked.lists] for name, seconds in cpu.items()}
        return (
            {"machine": machine, "together": together}
            | _figures(asked, machines, closing, counted.calls, quiet.calls)
            | {"quiet_calls": dict(sorted(quiet.calls.items()))}
            | per_list
        )

    limits = {"max_machines": 2000, "max_machines_per_user": 2000}
    result: dict[str, Any] = simulate(story, works=works, settings={"limits": limits}, **more)
    return result


async def all_run(house: CloudHouse, machines: int) -> None:
    """Wait until every machine runs."""
    running = 0
    while running < machines:
        await house.clock.sleep(5)
        running = dict(await house.journal.query("SELECT state, count(*) FROM jobs GROUP BY state")).get("running", 0)


async def _quiet(house: CloudHouse, counted: Counted, lister: type[Any]) -> dict[str, float]:
    """Return the CPU seconds of a stretch in which machines only run."""
    meter = Meter(counted)
    with ExitStack() as stack:
        stack.enter_context(meter.around(lister, "_list"))
        stack.enter_context(meter.around(FleetWatch, "_listed"))
        began = time.process_time()
        await house.clock.sleep(QUIET_S)
        whole_s = time.process_time() - began - counted.cpu_s
    return {"list_cpu_ms": meter.cpu_s, "interval_cpu_ms": whole_s}


def _figures(asked: Asked, machines: int, closing: int, calls: Counter[str], quiet: Counter[str]) -> dict[str, Any]:
    job_hours = machines + closing * TRAINS_S / HOUR_S
    stored = sum(count for name, count in calls.items() if name.startswith(asked.stored))
    rest = sum(calls.values()) - stored
    fixed = sum(min(calls[name], round(quiet[name] * HOUR_S / QUIET_S)) for name in asked.fixed)
    pages = sum(count for name, count in calls.items() if name.endswith(NEXT_PAGE))
    others = rest - calls[asked.lists] - pages - fixed
    return {
        "machines": machines,
        "closing": closing,
        "job_hours": job_hours,
        "calls": dict(sorted(calls.items())),
        "lists_per_hour": calls[asked.lists],
        "next_pages_per_hour": pages,
        "rest_per_job_hour": rest / job_hours,
        "s3_per_job_hour": stored / job_hours,
        "fixed_per_hour": fixed,
        "others_per_closed": others / closing if closing else None,
    }


def show(hour: dict[str, Any]) -> None:
    """Print one hour."""
    wish = f", each for a {hour['machine']}" if hour["machine"] else ""
    wish += f", {hour['together']} at a time" if hour["together"] > 1 else ""
    print(f"{hour['machines']} machines run, {hour['closing']} jobs close{wish}:")
    print("  " + " · ".join(f"{name} {count}" for name, count in hour["calls"].items()))
    print(f"  calls per job-hour {hour['rest_per_job_hour']:.2f}, of the store {hour['s3_per_job_hour']:.0f}")
    print(f"  whatever the number of jobs: {hour['lists_per_hour']} lists, {hour['fixed_per_hour']} more")
    met = "met" if hour["others_per_closed"] <= OTHERS_MAX else "MISSED"
    print(f"  others per closed job {hour['others_per_closed']:.1f}: bar {OTHERS_MAX:.0f} {met}")
    print(
        f"  CPU per list {hour['list_cpu_ms']:.2f} ms, of everything in its interval {hour['interval_cpu_ms']:.1f} ms"
    )
