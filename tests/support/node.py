"""A whole node in virtual time: the fake cloud, a journal in memory, canned inspection. Nothing real is touched."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar, cast
from unittest.mock import patch

import apsw

from actors.journal.interface import Recorded, Version
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.clock import SteadyClock
from actors.runtime.virtual import SeededEntropy, VirtualClock, new_virtual_loop
from actors.runtime.world import World
from actors.supervisor.rules import Naming
from actors.supervisor.state import Job, fold
from actors.supervisor.work import Program, Programs, always
from actors.views.tables import CostsTable, JobsTable
from lastcall.config.settings import Settings
from lastcall.node import Node, boot
from lastcall.parts import Parts, Rented
from messages.admin import BeginUpload, CommitUpload, StopAnswer, StopJob, SubmitTraining, TrainOrder
from messages.ids import CommandId, DatasetId, JobId, UserId
from messages.jobs import JobState, Outcome, Requester
from messages.machines import ProviderKind, Timings
from providers.fake.cloud import FakeCloud
from providers.fake.faults import Faults
from providers.fake.provider import build_fake
from providers.fake.scripts import Script, job
from providers.fake.settings import FakeSettings
from providers.fake.training import FakeTraining
from providers.interface import Provider

ANA = Requester(user_id=UserId("usr_aaaaaaaaaa"), via="uid:0")
BEN = Requester(user_id=UserId("usr_bbbbbbbbbb"), via="uid:0")
CSV = b"a,b,churn\n" + b"".join(b"%d,%d,%d\n" % (i, i * 2, i % 2) for i in range(20))
KEY = b"k" * 32
ASK_S = 60.0

J = TypeVar("J")
T = TypeVar("T")

QUICK = Timings(
    list_interval_s=1,
    absence_gap_s=1,
    quiet_s=20,
    min_age_s=5,
    start_allowance_s=60,
    marker_interval_s=1,
    marker_gap_s=2,
    creates_are_idempotent=False,
    expected_start_s=2,
)

UNHURRIED: Final = QUICK.model_copy(update={"list_interval_s": 15.0, "marker_interval_s": 30.0})
"""For stories in which hours go by: fewer looks keep them short."""
UNHURRIED_ROUND_S: Final = 30.0
"""What the node looks after every second or two, it does this often in such a story."""

ARTIFACTS: Mapping[str, bytes] = {
    "artifacts/model.skops": b"a model",
    "artifacts/metadata.json": json.dumps(
        {
            "target_column": "churn",
            "task": "classification",
            "model_type": "logistic",
            "feature_columns": ["a", "b"],
            "job_id": "",
        }
    ).encode(),
    "artifacts/metrics.json": b'{"headline": {"name": "roc_auc", "value": 0.9}}',
    "artifacts/schema.json": b'{"columns": []}',
}
GOOD = job(30, artifacts=ARTIFACTS)
"""A machine that starts, trains for half a minute, leaves a model and ends itself."""


def good(run_s: float = 30, **more: Any) -> Script:
    """Return the life of a machine that leaves a model after ``run_s``."""
    return job(run_s, artifacts=ARTIFACTS, **more)


class Said(NamedTuple):
    """What a canned helper process left."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class CannedSpawner:
    """Answers every inspection with the same good report; ``refuse_with`` makes it refuse."""

    refuse_with: tuple[str, str] | None = None

    async def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        memory_limit_bytes: int | None = None,
        environment: Mapping[str, str] | None = None,
        output_limit_bytes: int = 1 << 20,
    ) -> Said:
        if self.refuse_with and "--request" in argv:
            code, detail = self.refuse_with
            return Said(0, json.dumps({"ok": False, "code": code, "detail": detail}).encode(), b"")
        columns = [{"name": name, "kind": "number", "missing": 0, "distinct": 2} for name in ("a", "b", "churn")]
        profile = {
            "rows": 20,
            "columns": columns,
            "delimiter": ",",
            "encoding": "utf-8",
            "size_bytes": len(CSV),
            "sha256": hashlib.sha256(CSV).hexdigest(),
        }
        check = {"task": "classification", "rows_usable": 20, "classes": 2, "features": ["a", "b"]}
        document = {"ok": True, "profile": profile, "check": check if "--request" in argv else None}
        return Said(0, json.dumps(document).encode(), b"")


class NodeKit:
    """One node on the running virtual loop; ``restart`` is a new process over the same journal and cloud."""

    def __init__(self, timings: Timings = QUICK, settings: Mapping[str, Any] | None = None, seed: int = 0) -> None:
        self.wall = VirtualClock()
        self.clock = SteadyClock(self.wall)
        self.entropy = SeededEntropy(seed)
        self.spawner = CannedSpawner()
        self.settings = Settings.model_validate(dict(settings or {}))
        self.disk = apsw.Connection(":memory:")
        self.runs = 0
        self.commands = 0
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.provider: Provider = self.make_provider(timings)
        self.degraded: str | None = None
        self.safe_mode: str | None = None
        """Why the next node starts in safe mode."""
        self.generation = "gene"
        self.renewed: list[str] = []
        self.program: Programs = always(Program(argv=("python", "-m", "containers.training", "work.json", "out")))
        self._folded: dict[JobId, tuple[Job, Version, int | None]] = {}
        """Each job as last read, its version, and how much had been written by then in all."""
        self.open_journal: Callable[[], Awaitable[SqliteJournal]] = self._in_memory
        self.journal: SqliteJournal
        self.node: Node

    def make_provider(self, timings: Timings) -> Provider:
        """Return the cloud the node rents from; it outlives restarts."""
        fake = FakeSettings(timings=timings, rate_usd_per_hour=Decimal("0.36"))
        made = build_fake(fake, self.clock, self.entropy, self.spawner)
        cast(FakeTraining, made.training).cloud.default_script = GOOD
        return made

    @property
    def account(self) -> str:
        """The account the node is bound to."""
        return self.cloud.settings.account

    @property
    def cloud(self) -> FakeCloud:
        return cast(FakeTraining, self.provider.training).cloud

    def rented(self) -> Mapping[ProviderKind, Rented]:
        """Return every provider the next node holds."""
        return {self.provider.training.kind: Rented(self.provider, self.account)}

    async def start(self, wrap: Callable[[SqliteJournal], Any] | None = None) -> NodeKit:
        """Boot a node; ``wrap`` may put something around the journal."""
        self.runs += 1
        self.journal = journal = await self.open_journal()
        world = World(self.clock, self.entropy, self.spawner, f"run-{self.runs}")
        parts = Parts(
            settings=self.settings,
            journal=wrap(self.journal) if wrap else self.journal,
            providers=self.rented(),
            kind=self.provider.training.kind,
            naming=Naming("instal", self.generation, KEY),
            owner=ANA.user_id,
            program=lambda kind, model: self.program(kind, model),
            version="test",
            safe_mode=self.safe_mode,
            degraded=lambda: self.degraded or journal.degraded,
            probe=journal.probe,
            config=dict,
            log=lambda event, **more: self.logged.append((event, more)),
            renew=self._renew,
            clock_jump_s=lambda: self.clock.jump_s,
        )
        self.node = boot(world, parts)
        self.node.start_housekeeping()
        return self

    async def _renew(self) -> None:
        self.renewed.append("renewed")

    async def _in_memory(self) -> SqliteJournal:
        return SqliteJournal.memory(
            clock=self.clock,
            entropy=self.entropy.bytes,
            projections=(*standard(), JobsTable(), CostsTable()),
            connection=self.disk,
        )

    async def stop(self) -> None:
        """End the node in order; machines keep running."""
        await self.node.stop()
        await self.journal.close()

    async def restart(self, **more: Any) -> None:
        """End the node as a crash would: nothing that was under way is finished."""
        await self.stop()
        await self.start(**more)

    async def away(self, seconds: float) -> None:
        """Let time pass without a node."""
        await self.stop()
        await self.clock.sleep(seconds)
        await self.start()

    async def restart_behind(self, make: Callable[[SqliteJournal], J]) -> J:
        """Restart with what ``make`` puts in front of the journal, and return that."""
        made: list[J] = []

        def wrap(inner: SqliteJournal) -> J:
            made.append(make(inner))
            return made[-1]

        await self.restart(wrap=wrap)
        return made[0]

    async def lose_journal(self) -> None:
        """End the node and throw its journal away; machines keep running."""
        await self.stop()
        self.disk = apsw.Connection(":memory:")
        self._folded.clear()

    # --- asking

    def command(self) -> CommandId:
        self.commands += 1
        return CommandId(f"api:0:c{self.commands}")

    async def upload(self, who: Requester = ANA, name: str = "churn.csv", data: bytes = CSV) -> DatasetId:
        command = self.command()
        grant = await self.node.storage.ask(BeginUpload(command_id=command, requester=who, name=name), ASK_S)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        stored = await self.provider.near.disk.put(grant.key, chunks())
        commit = CommitUpload(command_id=command, requester=who, grant=grant, name=name, stored=stored)
        return DatasetId((await self.node.storage.ask(commit, ASK_S)).id)

    async def train(self, who: Requester = ANA, command: CommandId | None = None, **order: Any) -> JobId:
        dataset = order.pop("dataset", None) or await self.upload(who)
        asked = TrainOrder.model_validate({"dataset": dataset, "target": "churn", "model": "logistic", **order})
        submit = SubmitTraining(command_id=command or self.command(), requester=who, order=asked)
        return JobId((await self.node.dispatcher.ask(submit, ASK_S)).job_id)

    async def running(self, script: Script, who: Requester = ANA, **order: Any) -> JobId:
        """Train on a machine with this life, and wait until it is at work."""
        self.cloud.script_next(script)
        job_id = await self.train(who, **order)
        await self.until(job_id, JobState.RUNNING)
        return job_id

    async def halt(self, job_id: JobId, who: Requester = ANA) -> StopAnswer:
        asked = StopJob(command_id=self.command(), requester=who, job_id=job_id)
        answer: StopAnswer = await self.node.dispatcher.ask(asked, ASK_S)
        return answer

    # --- looking

    async def job(self, job_id: JobId) -> Job:
        before = self._folded.get(job_id)
        written = self.disk.total_changes() if self.open_journal == self._in_memory else None
        if before is not None and written is not None and before[2] == written:
            return before[0]  # stories ask four times a second, and hours go by in which nothing is written
        job, version = (before[0], before[1]) if before else (None, Version(0))
        fresh = await self.journal.read(f"job/{job_id}", version)
        if fresh:
            job, version = fold((r.event for r in fresh), job), fresh[-1].version
        if job is None:
            raise KeyError(job_id)
        self._folded[job_id] = (job, version, written)
        return job

    async def events(self, job_id: JobId) -> list[Recorded]:
        return await self.journal.read(f"job/{job_id}")

    async def kinds(self, stream: str) -> list[str]:
        return [r.event.kind for r in await self.journal.read(stream)]

    async def until(self, job_id: JobId, state: JobState, within_s: float = 7200) -> Job:
        """Let time pass until the job is in ``state``; a closed job that should not be is an error."""
        give_up = self.clock.monotonic() + within_s
        while self.clock.monotonic() < give_up:
            found = await self.job(job_id)
            if found.phase is state:
                return found
            if found.phase is JobState.CLOSED:
                break
            await self.clock.sleep(0.25)
        raise AssertionError(f"not {state} but {(await self.job(job_id)).phase}: {await self.kinds(f'job/{job_id}')}")

    async def closed(self, job_id: JobId, within_s: float = 7200) -> Job:
        return await self.until(job_id, JobState.CLOSED, within_s)

    async def ended(self, job_id: JobId, *outcomes: Outcome, within_s: float = 7200) -> Job:
        """Let time pass until the job is closed; any outcome but these is an error."""
        job = await self.closed(job_id, within_s)
        if job.closed is None or job.closed.outcome not in outcomes:
            raise AssertionError(f"not {outcomes} but {job.closed}")
        return job

    def heal(self) -> None:
        """Take every ordered fault back."""
        self.cloud.faults = Faults()
        self.cloud.listing_faults.clear()

    def billing(self) -> int:
        """Machines that bill now, from the cloud's own books."""
        return len(self.cloud.billing())


def virtually(story: Callable[[NodeKit], Awaitable[T]], make: type[NodeKit] | None = None, **kit: Any) -> T:
    """Run ``story`` with a fresh node in virtual time; no task may be left behind."""

    async def told() -> T:
        house = (make or NodeKit)(**kit)
        await house.start()
        try:
            return await story(house)
        finally:
            await house.stop()
            left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            if left:
                raise AssertionError(f"tasks left behind: {left}")

    with asyncio.Runner(loop_factory=new_virtual_loop) as runner:
        return runner.run(told())


def unhurried(story: Callable[[NodeKit], Awaitable[T]], **kit: Any) -> T:
    """Run a story that takes hours as ``virtually`` does, with a node that looks at everything less often."""
    with (
        patch("actors.fleet.actor.ROUND_S_MAX", UNHURRIED_ROUND_S),
        patch("lastcall.node.HOUSEKEEPING_S", UNHURRIED_ROUND_S),
    ):
        return virtually(story, timings=UNHURRIED, **kit)
