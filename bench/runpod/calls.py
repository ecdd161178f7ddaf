"""Calls per job-hour: the whole node in virtual time over the emulated platform, one hour at a time.

So many pods run all the time; beside them others are ordered, train for ten minutes and close. Only the daemon's own
calls count, not those of the pods. A quiet stretch before it tells what a listing costs in CPU time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Coroutine, Generator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any, Final, cast
from unittest.mock import patch

from actors.fleet.actor import FleetWatch
from messages.ids import CommandId, JobId
from messages.jobs import JobState
from providers.runpod.listing import Lister
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.routes import find
from tests.emulators.runpod.settings import MAIN_KEY, AccountSettings, Settings
from tests.emulators.runpod.wire import Request, Response, Surface
from tests.simulation.clouds.machines import Work
from tests.simulation.runpod.house import ACCESS, SECRET, RunPodHouse, simulate
from tests.support.node import ARTIFACTS
from tests.support.runpod_sim import ACCOUNT

HOUR_S: Final = 3600.0
QUIET_S: Final = 600.0
SETTLE_S: Final = 300.0
"""After the last pod runs: proofs, spent looks and prices of the start are through."""
TRAINS_S: Final = 600.0
ORDERED_WITHIN_S: Final = 2400.0
"""The last of those that close has the rest of the hour for its life and its proof."""
RUNTIME_S: Final = 12 * 3600
LISTS: Final = "pods.list"
PAGES: Final = "pods.list (next page)"
"""RunPod gives a thousand pods at a time; more pods make more pages of the same list."""
CONFIRMS: Final = "volumes.get"
"""Whose account it is, once a minute whatever the number of jobs."""
OTHERS_MAX: Final = 5.0
"""Calls per closed job beside what is asked whatever the number of jobs (design budget)."""


class Counted:
    """The platform as the daemon reaches it: counts its calls, and the CPU time that is the emulator's."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.calls: Counter[str] = Counter()
        self.cpu_s = 0.0

    def handle(self, request: Request, now: float) -> Response:
        """Answer as the platform does."""
        self.calls[_name(request)] += 1
        began = time.process_time()
        try:
            return self._platform.handle(request, now)
        finally:
            self.cpu_s += time.process_time() - began


def _name(request: Request) -> str:
    if request.surface is Surface.S3:
        return f"s3.{request.method}"
    name = find(request).call if request.surface is Surface.REST else request.surface.value
    return PAGES if name == LISTS and "cursor=" in request.query else name


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


def emulated() -> Settings:
    """Return a platform with room and money for all pods, and no quota: what is counted is what is wanted."""
    main = AccountSettings(
        {MAIN_KEY: "all"}, balance=Decimal(10**8), spend_limit=Decimal(10**6), s3_keys={ACCESS: SECRET}
    )
    return Settings(accounts={ACCOUNT: main}, quotas={}, stock_default=10**6)


def measure(pods: int, closing: int, *, machine: str | None = None, together: int = 1) -> dict[str, Any]:
    """Return the calls of one hour with so many pods that run on and so many jobs that close.

    Those that close ask for ``machine`` (``None``: for none), so many of them ``together``.
    """
    brief: set[str] = set()

    def works(name: str, _attempt: int) -> Work:
        ends = name.split("-")[2] in brief
        return Work(TRAINS_S, artifacts=ARTIFACTS) if ends else Work(TRAINS_S, ends="hangs")

    async def story(house: RunPodHouse) -> dict[str, Any]:
        dataset = await house.upload()
        for number in range(pods):
            await house.train(command=CommandId(f"api:0:long{number}"), dataset=dataset, max_runtime_s=RUNTIME_S)
        await all_run(house, pods)
        await house.clock.sleep(SETTLE_S)
        quiet = await _quiet(house)
        counted = _count(house)
        for number in range(closing):
            command = CommandId(f"api:0:brief{number}")
            brief.add(str(JobId.derived(command).tail))
            await house.train(command=command, dataset=dataset, max_runtime_s=3600, machine=machine)
            if (number + 1) % together == 0:
                await house.clock.sleep(ORDERED_WITHIN_S * together / closing)
        left_s = HOUR_S - (ORDERED_WITHIN_S if closing else 0.0)
        await house.clock.sleep(left_s)
        states = dict(await house.journal.query("SELECT state, count(*) FROM jobs GROUP BY state"))
        if states != {JobState.RUNNING: pods} | ({JobState.CLOSED: closing} if closing else {}):
            raise RuntimeError(f"not the hour that was to be measured: {states}")
        asked = {"machine": machine, "together": together}
        return asked | _figures(pods, closing, counted.calls) | quiet

    limits = {"max_machines": 2000, "max_machines_per_user": 2000}
    return simulate(story, works=works, emulated=emulated(), settings={"limits": limits})


async def all_run(house: RunPodHouse, pods: int) -> None:
    """Wait until every pod runs."""
    running = 0
    while running < pods:
        await house.clock.sleep(5)
        running = dict(await house.journal.query("SELECT state, count(*) FROM jobs GROUP BY state")).get("running", 0)


def _count(house: RunPodHouse) -> Counted:
    counted = Counted(house.platform)
    house.transport.platform = cast(Platform, counted)
    return counted


async def _quiet(house: RunPodHouse) -> dict[str, Any]:
    """Measure a stretch in which pods only run."""
    meter = Meter(_count(house))
    with ExitStack() as stack:
        stack.enter_context(meter.around(Lister, "_list"))
        stack.enter_context(meter.around(FleetWatch, "_listed"))
        began = time.process_time()
        await house.clock.sleep(QUIET_S)
        whole_s = time.process_time() - began - meter.counted.cpu_s
    lists = meter.counted.calls[LISTS]
    return {
        "quiet_calls": dict(sorted(meter.counted.calls.items())),
        "list_cpu_ms": meter.cpu_s * 1000 / lists,
        "interval_cpu_ms": whole_s * 1000 / lists,
    }


def _figures(pods: int, closing: int, calls: Counter[str]) -> dict[str, Any]:
    job_hours = pods + closing * TRAINS_S / HOUR_S
    s3 = sum(count for name, count in calls.items() if name.startswith("s3."))
    rest = sum(calls.values()) - s3
    others = rest - calls[LISTS] - calls[PAGES]
    return {
        "pods": pods,
        "closing": closing,
        "job_hours": job_hours,
        "calls": dict(sorted(calls.items())),
        "lists_per_hour": calls[LISTS],
        "next_pages_per_hour": calls[PAGES],
        "rest_per_job_hour": rest / job_hours,
        "s3_per_job_hour": s3 / job_hours,
        "confirms_per_hour": calls[CONFIRMS],
        "others_per_closed": (others - calls[CONFIRMS]) / closing if closing else None,
        "confirms_per_closed": calls[CONFIRMS] / closing if closing else None,
    }
