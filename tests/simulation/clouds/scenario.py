"""One seed, one run: orders, stops, crashes and faults; then everything is healed, and what is due must end.

``run(seed)`` raises ``Violation`` with the seed in its words; the same seed gives the same trace hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from unittest.mock import patch

from actors.fleet.bills import BillReader
from actors.journal.sqlite import SqliteJournal
from actors.runtime.errors import ActorError
from actors.supervisor.state import Job
from messages.admin import StopJob
from messages.errors import Refusal
from messages.ids import CommandId, JobId
from messages.jobs import JobState, Outcome
from providers.interface import ProviderError
from tests.simulation.clouds.auditor import Auditor, Tapped, Violation
from tests.simulation.clouds.cloud import Cloud
from tests.simulation.clouds.house import CloudHouse, simulate
from tests.simulation.clouds.machines import Work
from tests.simulation.clouds.nemesis import Fault
from tests.simulation.clouds.report import Report, report_of
from tests.simulation.clouds.script import NATURAL, Crash, Ordered, Script, script_of
from tests.support.node import ARTIFACTS, ASK_S

LIVE_S: Final = 300.0
"""Rule 11: so long after everything is healed, what is due is over."""
ENDLESS_S: Final = 4 * 3600.0
"""No run takes longer than this after its faults, whatever was drawn."""
LOOK_S: Final = 5.0
QUIET_MORE_S: Final = 10.0
"""Beside the provider's quiet time, before a create without an answer is called never seen."""
RUNS_AT_LAST_S: Final = 200.0
"""A fault that waits for a running machine of ours strikes then, if there is none."""

Keep = Callable[["Run"], None]


def run(
    cloud: Cloud,
    seed: int,
    mutant: Callable[[], AbstractContextManager[Any]] = nullcontext,
    keep: Keep = lambda _: None,
) -> Report:
    """Run one seed to its end and judge it. Raises Violation. ``keep`` gets the run before it begins."""
    script = script_of(seed, cloud.stage)
    wrong: Violation
    try:
        with mutant(), patch(cloud.page_items, script.page_items):
            report = _run(cloud, script, keep)
    except* Violation as several:
        wrong = next(_leaves(several))
    else:
        return report
    raise Violation(f"seed {seed}: {wrong}") from wrong


def _leaves(group: BaseExceptionGroup[Violation]) -> Iterator[Violation]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def _run(cloud: Cloud, script: Script, keep: Keep) -> Report:
    by_job = {str(JobId.derived(order.command).tail): order for order in script.orders}

    def works(name: str, attempt: int) -> Work:
        order = by_job[name.split("-")[2]]
        return Work(order.run_s, order.ends, {} if order.ends == "empty" else ARTIFACTS)

    settings = {"budgets": {"total_usd": str(script.budget_usd)}} if script.budget_usd else None

    async def story(house: CloudHouse) -> Report:
        one = Run(cloud, house, script)
        keep(one)
        return await one.go()

    return simulate(
        cloud.house,
        story,
        seed=script.seed,
        works=works,
        latency_s=script.latency_s,
        settings=settings,
        **cloud.kit(script),
    )


class Run:
    """One run under way."""

    def __init__(self, cloud: Cloud, house: CloudHouse, script: Script) -> None:
        self.cloud = cloud
        self.house = house
        self.script = script
        self.auditor = Auditor(house, script.budget_usd)
        self.auditor.excess_allowed = any(fault.money for fault in script.faults)
        self.jobs: dict[JobId, Ordered] = {}
        self.refused: set[CommandId] = set()
        self.due: dict[JobId, float] = {}
        self.row20 = 0
        self.virtual_s = 0.0
        self.tap: Tapped
        self.alive = asyncio.Event()
        """Whether the daemon is up."""
        self._armed: list[Fault] = []
        self._quiet_s = house.provider.training.timings.quiet_s + QUIET_MORE_S

    async def go(self) -> Report:
        """Chaos, healing, the end, the judgement, and then the bill."""
        house, script = self.house, self.script
        crashes = list(script.crashes)
        self._populate()
        await self._up(crashes)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(work) for work in (self.auditor.watch(), self._lives(crashes))]
            if script.reads_logs:
                beside.append(tasks.create_task(self._reads_logs()))
            faults = tasks.create_task(self._faults())
            customers = [tasks.create_task(self._customer(order)) for order in script.orders]
            await asyncio.gather(faults, *customers)
            await self._settled()
            for task in beside:
                task.cancel()
        await house.clock.sleep(LOOK_S)
        self.auditor.final()
        await self._alarms()
        await self._outcomes()
        self.virtual_s = house.clock.monotonic()
        await self._billed()
        return report_of(house, self.auditor, script, self.jobs.values(), self.row20, self.virtual_s)

    def _populate(self) -> None:
        """Put somebody else's machines into the account, so that lists have more than one page."""
        if self.script.strangers:
            self.cloud.populate(self.house, self.script.strangers)

    async def _billed(self) -> None:
        """Let a day pass without the daemon, then read the bill as it does: the books must say what the bill says."""
        await self.house.stop()
        await self.house.clock.sleep(self.cloud.bill_s)
        await self.house.start(wrap=lambda inner: Tapped(inner, self.auditor))
        node = self.house.node
        training = self.house.provider.training
        reader = BillReader(training, node.parts.journal, node.world.clock, node.ledger, lambda *_, **__: None)
        await reader.read()
        self.auditor.check()
        self.auditor.billed()

    # --- life and death of the daemon

    async def _up(self, crashes: list[Crash]) -> None:
        taps: list[Tapped] = []
        at, after = (crashes[0].at, crashes[0].after) if crashes else (0, False)

        def wrap(inner: SqliteJournal) -> Tapped:
            taps.append(Tapped(inner, self.auditor, at, after=after))
            return taps[-1]

        if self.auditor.deaths:
            await self.house.start(wrap=wrap)
        else:
            await self.house.restart(wrap=wrap)
        self.tap = taps[0]
        self.alive.set()

    async def _lives(self, crashes: list[Crash]) -> None:
        """Let the daemon die where the script says, and come again."""
        while crashes:
            await self.tap.died.wait()
            crash = crashes.pop(0)
            self.alive.clear()
            self.auditor.died()
            self.auditor.blinded()
            await self.house.stop()
            await self.house.clock.sleep(crash.down_s)
            self.auditor.dead_since = None
            await self._up(crashes)
            self._see()

    def _see(self) -> None:
        if self.alive.is_set() and not any(fault.blinding for fault in self._armed):
            self.auditor.sees()

    # --- people

    async def _customer(self, order: Ordered) -> None:
        await self.house.clock.sleep(order.at_s)
        job_id = JobId.derived(order.command)
        async with asyncio.TaskGroup() as tasks:
            ordering = tasks.create_task(self._asks(order, job_id))
            if order.stop_at_s is not None:
                tasks.create_task(self._stops(order, job_id, ordering))

    async def _asks(self, order: Ordered, job_id: JobId) -> None:
        """Ask with the same key until there is an answer, as a client does."""
        house = self.house
        dataset = None
        while True:
            await self.alive.wait()
            try:
                dataset = dataset or await house.upload(order.by)
                more = {"machine": order.machine} if order.machine else {}
                await house.train(order.by, order.command, dataset=dataset, max_runtime_s=order.max_runtime_s, **more)
                self.jobs[job_id] = order
                return
            except (ActorError, ProviderError, TimeoutError):
                await house.clock.sleep(2)
            except Refusal as no:
                if no.code in ("E-BUDGET", "E-CAPTOOSMALL"):
                    self.refused.add(order.command)
                    return
                await house.clock.sleep(5)  # the provider or the store does not answer now

    async def _stops(self, order: Ordered, job_id: JobId, ordering: asyncio.Task[None]) -> None:
        house = self.house
        await house.clock.sleep(order.stop_at_s or 0.0)
        while not (ordering.done() and order.command in self.refused):
            await self.alive.wait()
            asked = StopJob(command_id=CommandId(f"{order.command}-stop"), requester=order.by, job_id=job_id)
            try:
                await house.node.dispatcher.ask(asked, ASK_S)
            except (ActorError, TimeoutError):
                await house.clock.sleep(2)
            except Refusal as no:
                if no.code != "E-NOTFOUND":
                    raise
                await house.clock.sleep(2)
            else:
                self.auditor.stop_answered(job_id)
                job = await house.job(job_id)
                self.row20 += job.phase in (JobState.RESERVED, JobState.LAUNCHING, JobState.STARTING)
                return

    async def _reads_logs(self) -> None:
        """Look at every machine's console now and then: nothing may depend on it, and no look may be endless."""
        after: dict[str, int] = {}
        while True:
            await self.house.clock.sleep(LOOK_S)
            await self.alive.wait()
            for one in list(self.auditor.known.values()):
                if one.adopted is None or one.ended_at is not None:
                    continue
                taken = 0
                try:
                    async for chunk in self.house.provider.training.logs(one.adopted, after.get(one.adopted, 0)):
                        taken += len(chunk.text)
                        after[one.adopted] = chunk.position
                except ProviderError:
                    continue
                if taken > self.cloud.log_bytes_max:
                    self.auditor.wrong = Violation(f"I14: one look at a console gave {taken} bytes")

    # --- faults

    async def _faults(self) -> None:
        """Arm each fault at its time, and take it away at its time; then heal everything."""
        async with asyncio.TaskGroup() as tasks:
            for fault in self.script.faults:
                tasks.create_task(self._fault(fault))
        self.house.heal()
        self.cloud.stage.nemesis.pay(self.house)

    async def _fault(self, fault: Fault) -> None:
        clock = self.house.clock
        if fault.when in ("running", "late"):
            give_up = clock.monotonic() + RUNS_AT_LAST_S
            while not self.house.at_work() and clock.monotonic() < give_up:
                await clock.sleep(1)
        await clock.sleep(fault.at_s)
        self._armed.append(fault)
        fault.arm(self.house)
        if fault.blinding:
            self.auditor.blinded()
        await clock.sleep(fault.lasts_s)
        self._armed.remove(fault)
        fault.disarm(self.house)
        self._see()

    # --- the end

    async def _settled(self) -> None:
        """Wait until every job is closed and no machine of ours is left; what is due must be over in time."""
        house = self.house
        healed = house.now()
        await self.alive.wait()
        while True:
            await self.alive.wait()
            open_jobs = [j for j in [await house.job(job_id) for job_id in self.jobs] if j.closed is None]
            booked = self.auditor.ledger.settled.issuperset(self.jobs) and not self.auditor.ledger.open
            coming = self.auditor.unsettled or any(life.exists_from is None for life in house.lives())
            if not open_jobs and house.billing() == 0 and booked and not coming and not self.tap.died.is_set():
                return
            for job in open_jobs:
                self._in_time(job, healed)
            if not open_jobs and not coming and house.now() - max(healed, self.auditor.seen_again) > LIVE_S + 600:
                raise Violation("I11: machines are left or nothing is booked though every job is closed")
            if house.now() - max(healed, self.auditor.seen_again) > ENDLESS_S:
                raise Violation(f"I11: open after {ENDLESS_S:.0f} s: {[(j.id, j.phase) for j in open_jobs]}")
            await house.clock.sleep(LOOK_S)

    def _in_time(self, job: Job, healed: float) -> None:
        attempt = job.last
        over = job.stop is not None or (attempt is not None and (attempt.end is not None or attempt.marker is not None))
        if not over:
            self.due.pop(job.id, None)
            return
        since = self.due.setdefault(job.id, self.house.now())
        since = max(since, healed, self.auditor.seen_again)
        quiet_s = self._quiet_s if attempt is not None and attempt.ambiguous and not attempt.machine else 0.0
        if self.house.now() - since > LIVE_S + quiet_s:
            raise Violation(f"I11: {job.id} is due and {job.phase} {self.house.now() - since:.0f} s after healing")

    async def _alarms(self) -> None:
        """What people were told of does not stand for long once it is over (faults.md, I11)."""
        give_up = self.house.now() + LIVE_S
        while rows := await self.house.journal.query("SELECT alarm, detail FROM alarms WHERE subject != ''"):
            if self.house.now() > give_up:
                raise Violation(f"I11: alarms stand though all is over: {rows}")
            await self.house.clock.sleep(LOOK_S)

    async def _outcomes(self) -> None:
        """A healthy job that nothing harmed ends as its own work does: blindness kills and repeats nothing."""
        faults = self.script.faults
        harmless = all(fault.harmless for fault in faults)
        # Such a key rents nothing, and says so.
        refusing = any(fault.row in self.cloud.stage.nemesis.refusing for fault in faults)
        for job_id, order in self.jobs.items():
            job = await self.house.job(job_id)
            if job.closed is None:
                raise Violation(f"I11: {job_id} never closed")
            outcome = job.closed.outcome
            if job.closed.model_id is None and outcome is Outcome.SUCCEEDED:
                raise Violation(f"I5: {job_id} succeeded without a model")
            if outcome is Outcome.SUCCEEDED and order.ends not in ("succeeded", "dies"):
                raise Violation(f"I5: {job_id} succeeded, and its work was {order.ends}")
            if not harmless or order.stop_at_s is not None:
                continue
            if (
                outcome in (Outcome.REFUSED, Outcome.NO_CAPACITY)
                and refusing
                and not any(attempt.machine for attempt in job.attempts)
            ):
                continue
            if order.ends == "dies" and outcome is Outcome.TIMED_OUT and self.auditor.deaths:
                continue  # its deadline had passed when somebody could look again
            if outcome is not NATURAL[order.ends]:
                raise Violation(
                    f"I4: {job_id} ended {outcome} ({job.closed.code}: {job.closed.detail}), not as its work"
                )
            machines = sum(1 for attempt in job.attempts if attempt.machine)
            if order.ends != "dies" and machines != 1:
                raise Violation(f"I4: {job_id} was healthy and took {machines} machines")
