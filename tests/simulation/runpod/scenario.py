"""One seed, one run: orders, stops, crashes and faults; then everything is healed, and what is due must end.

``run(seed)`` raises ``Violation`` with the seed in its words; the same seed gives the same trace hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from actors.journal.sqlite import SqliteJournal
from actors.runtime.errors import ActorError
from actors.supervisor.state import Job
from messages.admin import StopJob
from messages.errors import Refusal
from messages.ids import CommandId, JobId
from messages.jobs import JobState, Outcome
from providers.interface import ProviderError
from tests.simulation.runpod import nemesis
from tests.simulation.runpod.auditor import Auditor, Tapped, Violation
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.simulation.runpod.nemesis import Fault
from tests.simulation.runpod.pods import Work
from tests.support.node import ANA, ARTIFACTS, ASK_S, BEN

LIVE_S: Final = 300.0
"""Rule 11: so long after everything is healed, what is due is over."""
ENDLESS_S: Final = 4 * 3600.0
"""No run takes longer than this, whatever was drawn."""
LOOK_S: Final = 5.0
BILL_S: Final = 4 * 3600.0
"""When the provider's bill is whole and has been read."""
BILLED_EVERY: Final = 10
"""Every so many seeds wait for it; those hours are most of a run's cost."""
GPU: Final = "NVIDIA RTX A5000"
CUT: Final = dict(ARTIFACTS, **{"artifacts/model.skops": b"torn"})

NATURAL: Final = {
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "hangs": Outcome.TIMED_OUT,
    "dies": Outcome.INTERRUPTED,
    "empty": Outcome.FAILED,
}
"""How a job ends when nothing but its own work decides. ``empty``: exit 0 and no model (row 30)."""


@dataclass(frozen=True)
class Ordered:
    """One training somebody orders."""

    command: CommandId
    by: Any
    at_s: float
    run_s: float
    ends: str
    machine: str | None
    max_runtime_s: int
    stop_at_s: float | None


@dataclass(frozen=True)
class Script:
    """Everything one seed draws."""

    seed: int
    orders: tuple[Ordered, ...]
    faults: tuple[Fault, ...]
    crashes: tuple[tuple[int, bool, float], ...]
    """At which append of a process run it dies, before or after it, and how long it stays down."""
    latency_s: float
    budget_usd: Decimal | None


@dataclass
class Report:
    """What one run showed."""

    seed: int
    trace: str
    """Hash of everything that happened, in order."""
    virtual_s: float = 0.0
    rows: Counter[int] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    orphan_ages_s: list[float] = field(default_factory=list)
    """From when a machine nobody owned was visible to its end."""


def script_of(seed: int) -> Script:
    """Draw everything from the seed."""
    rng = random.Random(f"lastcall {seed}")
    orders = tuple(_order(number, rng) for number in range(rng.choice((1, 1, 2, 3))))
    crashes = tuple(
        (rng.randint(1, 24), rng.random() < 0.5, rng.choice((0.0, 5.0, 60.0, 240.0)))
        for _ in range(rng.choice((0, 0, 1, 1, 2)))
    )
    budget = Decimal(rng.choice(("20", "30"))) if rng.random() < 0.5 else None
    return Script(seed, orders, tuple(nemesis.draw(rng)), crashes, rng.choice((0.0, 0.02, 0.3)), budget)


def _order(number: int, rng: random.Random) -> Ordered:
    ends = rng.choice(("succeeded",) * 7 + ("failed", "hangs", "dies", "empty"))
    return Ordered(
        CommandId(f"api:0:order{number}"),
        rng.choice((ANA, BEN)),
        rng.uniform(0, 90),
        round(rng.uniform(10, 240), 1),
        ends,
        rng.choice((None, GPU)),
        rng.choice((300, 600, 7200)) if ends != "hangs" else 300,
        round(rng.uniform(0, 240), 1) if rng.random() < 0.3 else None,
    )


def run(seed: int, mutant: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Report:
    """Run one seed to its end and judge it. Raises Violation."""
    script = script_of(seed)
    try:
        with mutant():
            return _run(script)
    except Violation as wrong:
        raise Violation(f"seed {seed}: {wrong}") from wrong


def _run(script: Script) -> Report:
    by_job = {str(JobId.derived(order.command).tail): order for order in script.orders}

    def works(name: str, attempt: int) -> Work:
        order = by_job[name.split("-")[2]]
        if order.ends == "empty":
            return Work(order.run_s)
        ends = order.ends if order.ends != "dies" or attempt == 1 else "dies"
        return Work(order.run_s, ends, ARTIFACTS)

    settings = {"budgets": {"total_usd": str(script.budget_usd)}} if script.budget_usd else None

    async def story(house: RunPodHouse) -> Report:
        return await Run(house, script).go()

    return simulate(story, seed=script.seed, works=works, latency_s=script.latency_s, settings=settings)


class Run:
    """One run under way."""

    def __init__(self, house: RunPodHouse, script: Script) -> None:
        self.house = house
        self.script = script
        self.auditor = Auditor(house, script.budget_usd)
        self.auditor.excess_allowed = any(fault.money for fault in script.faults)
        self.jobs: dict[JobId, Ordered] = {}
        self.refused: set[CommandId] = set()
        self.due: dict[JobId, float] = {}
        self.row20 = 0
        self.tap: Tapped
        self._armed: list[Fault] = []

    async def go(self) -> Report:
        """Chaos, healing, the end, the judgement."""
        house, script = self.house, self.script
        crashes = list(script.crashes)
        tap = await self._up(crashes)
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(work) for work in (self.auditor.watch(), self._faults())]
            customers = [tasks.create_task(self._customer(order)) for order in script.orders]
            life = tasks.create_task(self._lives(tap, crashes))
            await asyncio.gather(*customers)
            await self._settled(beside[1])
            for task in (*beside, life):
                task.cancel()
        await house.clock.sleep(LOOK_S)
        self.auditor.final()
        await self._outcomes()
        if script.seed % BILLED_EVERY == 0:
            await house.clock.sleep(BILL_S)
            self.auditor.billed()
        return self._report()

    # --- life and death of the daemon

    async def _up(self, crashes: list[tuple[int, bool, float]]) -> Tapped:
        taps: list[Tapped] = []
        at, after, _ = crashes[0] if crashes else (0, False, 0.0)

        def wrap(inner: SqliteJournal) -> Tapped:
            taps.append(Tapped(inner, self.auditor, at, after=after))
            return taps[-1]

        await self.house.restart(wrap=wrap)
        self.tap = taps[0]
        return self.tap

    async def _lives(self, tap: Tapped, crashes: list[tuple[int, bool, float]]) -> None:
        """Let the daemon die where the script says, and come again."""
        while crashes:
            await tap.died.wait()
            _, _, down_s = crashes.pop(0)
            self._blind()
            self.house.transport.cut_off = True
            await self.house.clock.sleep(down_s)
            tap = await self._up(crashes)
            self._see()

    def _blind(self) -> None:
        if self.auditor.blind_since is None:
            self.auditor.blind_since = self.house.now()

    def _see(self) -> None:
        if not any(self._blinding):
            self.auditor.blind_since = None
            self.auditor.seen_again = self.house.now()

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
                job = await house.job(job_id)
                self.row20 += job.phase in (JobState.RESERVED, JobState.LAUNCHING, JobState.STARTING)
                return

    # --- faults

    @property
    def _blinding(self) -> list[Fault]:
        return [fault for fault in self._armed if fault.blinding]

    async def _faults(self) -> None:
        """Arm each fault at its time, and take it away at its time; then heal everything."""
        moments = sorted(
            [(fault.at_s, 0, n) for n, fault in enumerate(self.script.faults)]
            + [(fault.at_s + fault.lasts_s, 1, n) for n, fault in enumerate(self.script.faults)]
        )
        began = self.house.clock.monotonic()
        for at_s, ends, number in moments:
            await self.house.clock.sleep(max(0.0, began + at_s - self.house.clock.monotonic()))
            fault = self.script.faults[number]
            if ends:
                self._armed.remove(fault)
                self._heal_all_but()
            else:
                self._armed.append(fault)
                fault.arm(self.house)
                if fault.blinding:
                    self._blind()
        self.house.heal()
        nemesis.pay(self.house)

    def _heal_all_but(self) -> None:
        """One fault is over: the switches are cleared, and those that still last set anew."""
        self.house.platform.faults.heal()
        self.house.s3.faults.clear()
        self.house.pods.volume_full = False
        for fault in self._armed:
            fault.arm(self.house)
        if not self.house.transport.cut_off:
            self._see()

    # --- the end

    async def _settled(self, faults: asyncio.Task[None]) -> None:
        """Wait until every job is closed and no pod of ours is left; what is due must be over in time."""
        house = self.house
        give_up = house.clock.monotonic() + ENDLESS_S
        await faults
        healed = house.now()
        while True:
            open_jobs = [j for j in [await house.job(job_id) for job_id in self.jobs] if j.closed is None]
            booked = self.auditor.ledger.settled.issuperset(self.jobs) and not self.auditor.ledger.open
            if not open_jobs and house.billing() == 0 and booked and not self.tap.died.is_set():
                return
            for job in open_jobs:
                self._in_time(job, healed)
            if not open_jobs and house.now() - max(healed, self.auditor.seen_again) > LIVE_S + 600:
                raise Violation("I11: pods are left or nothing is booked though every job is closed")
            if house.clock.monotonic() > give_up:
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
        quiet_s = 190.0 if attempt is not None and attempt.ambiguous and not attempt.machine else 0.0
        if self.house.now() - since > LIVE_S + quiet_s:
            raise Violation(f"I11: {job.id} is due and {job.phase} {self.house.now() - since:.0f} s after healing")

    async def _outcomes(self) -> None:
        """A healthy job that nothing harmed ends as its own work does: blindness kills and repeats nothing."""
        harmless = all(fault.harmless for fault in self.script.faults)
        refusing = any(fault.row in (8, 9) for fault in self.script.faults)  # such a key rents nothing, and says so
        for job_id, order in self.jobs.items():
            job = await self.house.job(job_id)
            if job.closed is None:
                raise Violation(f"I11: {job_id} never closed")
            outcome = job.closed.outcome
            if job.closed.model_id is None and outcome is Outcome.SUCCEEDED:
                raise Violation(f"I5: {job_id} succeeded without a model")
            if not harmless or order.stop_at_s is not None:
                continue
            if (
                outcome in (Outcome.REFUSED, Outcome.NO_CAPACITY)
                and refusing
                and not any(attempt.machine for attempt in job.attempts)
            ):
                continue
            if outcome is not NATURAL[order.ends]:
                raise Violation(
                    f"I4: {job_id} ended {outcome} ({job.closed.code}: {job.closed.detail}), not as its work"
                )
            machines = sum(1 for attempt in job.attempts if attempt.machine)
            if order.ends != "dies" and machines != 1:
                raise Violation(f"I4: {job_id} was healthy and took {machines} machines")

    def _report(self) -> Report:
        house, auditor = self.house, self.auditor
        asked = "\n".join(f"{a.at:.3f} {a.call} {a.caller} {a.id} {a.status}" for a in house.platform.asked)
        digest = hashlib.sha256(("\n".join(auditor.trace) + asked).encode()).hexdigest()[:16]
        report = Report(self.script.seed, digest, house.clock.monotonic())
        for fault in self.script.faults:
            if not fault.hit or house.platform.faults.hits[fault.hit]:
                report.rows[fault.row] += 1
                report.names[fault.name] += 1
        report.rows[20] += self.row20
        for order in self.jobs.values():
            row = {"hangs": 23, "empty": 30, "dies": 31}.get(order.ends)
            if row:
                report.rows[row] += 1
        if self.script.crashes:
            report.rows[32] += 1
        if any(len(life.starts) > 1 for life in house.platform.history()):
            report.rows[21] += 1
        for closed in auditor.closed.values():
            report.outcomes[closed.outcome] += 1
        report.orphan_ages_s = self._orphans()
        return report

    def _orphans(self) -> list[float]:
        ages = []
        for life in self.house.platform.history():
            one = self.auditor.known.get(life.name)
            if one is None or life.created_at is None or life.ended_at is None or life.visible_at is None:
                continue
            if one.adopted not in (None, life.pod_id) or (one.ended_at and life.created_at > one.ended_at):
                ages.append(life.ended_at - life.visible_at)
        return ages
