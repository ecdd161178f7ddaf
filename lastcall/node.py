"""``boot(world, parts) → Node``: the only place where actors, provider, journal and views are put together.

The order of the start: ledger, storage, fleet, dispatcher (which starts a supervisor for every open job). The order
of the end is the reverse. Machines keep running when a node stops; the journal and the machines' own timers carry
them to the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actors.admin.services import Services
from actors.audit import audited
from actors.dispatcher.actor import Dispatcher, House, JobAdopted, JobOver, SupervisorParked
from actors.dispatcher.planning import Defaults
from actors.dispatcher.slots import Slots
from actors.fleet.actor import FleetWatch, Kept
from actors.fleet.bills import BillReader
from actors.fleet.messages import Adopt
from actors.fleet.reconcile import Hands, Reconciler, Unknown
from actors.fleet.watcher import FleetWatcher
from actors.journal.interface import ANY, Journal, JournalUnavailable
from actors.ledger.actor import CostLedger
from actors.ledger.budgets import Budgets
from actors.ledger.requests import Held, ReserveMoney
from actors.runtime.actor import Actor, Ref
from actors.runtime.supervision import RestartPolicy
from actors.runtime.system import ActorSystem
from actors.runtime.world import World
from actors.storage.access import Layout
from actors.storage.actor import StorageActor
from actors.storage.audit import AuditTrail
from actors.storage.catalogue import JournalCatalogue
from actors.storage.folder import JobFolder
from actors.storage.jobs import JournaledJobs
from actors.storage.parts import StorageParts, StorageSettings
from actors.storage.prune import Retention
from actors.storage.pruning import Upkeep
from actors.storage.services import StorageServices
from actors.supervisor.actor import PodSupervisor
from actors.supervisor.driver import JobDriver
from actors.supervisor.inputs import Input, Woke
from actors.supervisor.rules import Naming, Rules
from actors.supervisor.runner import EffectRunner
from actors.supervisor.state import Job
from actors.supervisor.tools import Tools
from actors.supervisor.work import Programs
from actors.views.jobs import JobViews
from actors.views.node import NodeFacts, NodeRefs, NodeViews
from lastcall.config.settings import Settings
from messages import events as ev
from messages.admin import Collected, CollectResult
from messages.errors import Refusal
from messages.ids import DatasetId, JobId, UserId
from messages.jobs import Binding
from messages.money import HOUR_SECONDS
from providers.interface import Provider

ASK_S = 30.0
COLLECT_S = 3600.0
"""Verifying and copying a model may take long; giving up would only mean doing it again."""
DRAIN_S = 5.0
CREATE_ANSWER_S = 60.0
"""An orderly stop waits this long for the answers of creates that are out."""
HOUSEKEEPING_S = 2.0
UNPROVEN_MACHINES_MAX = 1_500
"""Machines of an account that are not known to end themselves (design.md 12): ends go through one call quota."""
LIST_INTERVAL_S_MAX = 15.0
"""Launches queue while the provider's quota allows no shorter list interval (design.md 6)."""

NODE_RESTARTS = RestartPolicy(restarts_max=20, within_s=600.0, backoff_max_s=20.0)
"""Actors that every job needs: about five minutes of trouble are waited out."""
RESTART_ENDS_SAFE_MODE = "every machine is known again: restart the daemon to leave safe mode"
SUPERVISOR_RESTARTS = RestartPolicy(restarts_max=5, within_s=60.0)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node is made of; the daemon takes it from the disk, a test from memory."""

    settings: Settings
    journal: Journal
    provider: Provider
    account: str
    naming: Naming
    program: Programs
    version: str
    safe_mode: str | None
    degraded: Callable[[], str | None]
    """What is wrong with the journal's disk, or ``None``."""
    probe: Callable[[], Any]
    """Try a degraded journal again; a coroutine function."""
    config: Callable[[], dict[str, Any]]
    log: Callable[..., Any]
    bundle: Callable[[], str | None] = lambda: None
    """Key of the folder of the bundle that new machines start from, where they need one."""
    renew: Callable[[], Awaitable[None]] | None = None
    """Begin a new generation and tie the journal to it, from the next start on: what ends a safe mode of the start."""
    clock_jump_s: Callable[[], float | None] = lambda: None
    """By how much the computer's wall clock has jumped, or ``None``."""


class Node:
    """A running node: its actors, and what the gateway serves."""

    def __init__(self, world: World, parts: Parts) -> None:
        self.world = world
        self.parts = parts
        self.draining = False
        self.safe_mode = parts.safe_mode
        self.system = ActorSystem(world.clock, world.entropy)
        self.supervisors: dict[JobId, Ref[Input]] = {}
        self._fleet_kept = Kept()
        self._housekeeping: list[asyncio.Task[None]] = []
        self._clock_jumped = False
        self._broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._noted: set[asyncio.Task[None]] = set()
        places = parts.provider.storage.places
        prefixes = parts.settings.storage.model_dump()
        self._layout = Layout(**prefixes, bucket=places.get("s3"), volume=places.get("runpod"))
        self._rules = Rules(parts.naming, parts.provider.training.timings, world.run, self._layout)
        limits = parts.settings.limits
        self._slots = Slots(self._machines_max(limits.max_machines), limits.max_machines_per_user, self._held_back)
        self.runner = EffectRunner(self._tools())
        self.ledger: Ref[Any] = self._spawn(self._ledger, "ledger")
        self.storage: Ref[Any] = self._spawn(self._storage(), "storage")
        self.fleet: Ref[Any] = self._spawn(self._fleet, "fleet")
        self.dispatcher: Ref[Any] = self._spawn(self._dispatcher, "dispatcher")
        self.reconciler: Ref[Any] = self.system.spawn(self._reconciler, "reconciler", policy=NODE_RESTARTS)
        self.services = self._services(world.clock.now())

    # ------------------------------------------------------------------------------------------- actors

    def _spawn(self, factory: Callable[[], Actor[Any]], name: str) -> Ref[Any]:
        """Start an actor the whole node needs. When it is past its restarts, so is the node."""

        def parked(_name: str, error: BaseException) -> None:
            words = f"the actor {name} failed for good: {error!r}"[:500]
            self._note(ev.AlarmRaised(alarm="actor_parked", detail=words, at=self.world.clock.now()))
            if not self._broken.done():
                self._broken.set_result(words)

        return self.system.spawn(factory, name, policy=NODE_RESTARTS, on_park=parked)

    def _ledger(self) -> CostLedger:
        budgets = self.parts.settings.budgets
        limits = budgets.model_dump(exclude={"timezone"})
        training = self.parts.provider.training
        timings = {training.kind: training.timings}
        return CostLedger(
            self.parts.journal, self.world.clock, Budgets.model_validate(limits), budgets.zone, timings, training.kind
        )

    def _storage(self) -> Callable[[], StorageActor]:
        settings, provider, journal = self.parts.settings, self.parts.provider, self.parts.journal
        parts = StorageParts(
            world=self.world,
            journal=journal,
            catalogue=JournalCatalogue(journal),
            store=provider.storage,
            copies=provider.near,
            prediction=provider.prediction,
            audit=AuditTrail(journal, self.world.clock, provider.storage.kind),
            layout=self._layout,
            settings=StorageSettings(
                prediction_max_cost_usd=settings.predictions.max_cost_usd,
                prediction_rate_usd_per_hour=settings.local.price_usd_per_second * HOUR_SECONDS,
            ),
        )
        kept = settings.retention
        retention = Retention(
            *(timedelta(days=d) for d in (kept.job_folders_days, kept.logs_days, kept.environments_days))
        )
        upkeep = Upkeep(JournaledJobs(journal), retention, self.parts.bundle)
        services = StorageServices(parts, self._jobs_using, upkeep)
        return lambda: StorageActor(services)

    async def _jobs_using(self, dataset_id: DatasetId) -> dict[JobId, bool]:
        sql = "SELECT job_id, state != 'closed' FROM jobs WHERE dataset_id = ?"
        rows = await self.parts.journal.query(sql, (dataset_id,))
        return {JobId(job_id): bool(is_open) for job_id, is_open in rows}

    def _fleet(self) -> FleetWatch:
        return FleetWatch(
            self.parts.provider,
            self.parts.journal,
            self.parts.naming,
            self._fleet_kept,
            self._deliver,
            self._driver,
            self._suspect,
            self._closed,
            self.parts.log,
        )

    def _dispatcher(self) -> Dispatcher:
        settings, provider = self.parts.settings, self.parts.provider
        defaults = Defaults(
            settings.limits.max_runtime_s, settings.training.max_cost_usd, settings.training.max_billed_attempts
        )
        house = House(self._supervise, self._hand_over, self._fleet_kept.adopted.__contains__, self._refuse_new)
        return Dispatcher(
            self.parts.journal, provider, self.storage, self._slots, defaults, self._binding(), house, self.parts.log
        )

    def _binding(self) -> Binding:
        kind = self.parts.provider.training.kind
        return Binding(provider=kind, account=self.parts.account, config_digest=self.parts.settings.digest())

    def _reconciler(self) -> Reconciler:
        parts = self.parts
        hands = Hands(self.reserve, self._take_over, self._settled, self._safe_mode_text)
        return Reconciler(parts.provider, parts.journal, parts.naming, self._layout, self._binding(), hands, parts.log)

    def _take_over(self, job_id: JobId, user_id: UserId) -> None:
        self.dispatcher.tell(JobAdopted(job_id=job_id, user_id=user_id))

    # ------------------------------------------------------------------------------------------- jobs

    def _tools(self) -> Tools:
        provider = self.parts.provider
        return Tools(
            world=self.world,
            journal=self.parts.journal,
            providers={provider.training.kind: provider},
            ask=self,
            program=self.parts.program,
            folder=JobFolder,
            layout=self._layout,
            log=self.parts.log,
            may_launch=self._may_launch,
            observed=lambda job_id: self._deliver(job_id, Woke()),
        )

    async def reserve(self, asked: ReserveMoney) -> Held:
        """Ask the ledger to hold money."""
        held: Held = await self.ledger.ask(asked, ASK_S)
        return held

    async def collect(self, asked: CollectResult) -> Collected:
        """Ask storage to verify and keep a result."""
        collected: Collected = await self.storage.ask(asked, COLLECT_S)
        return collected

    def _driver(self, job_id: JobId) -> JobDriver:
        return JobDriver(
            job_id,
            self.parts.journal,
            self.world.clock,
            self._rules,
            self.runner,
            self._slots.granted,
            self._may_launch,
            self.parts.log,
        )

    def _supervise(self, job_id: JobId) -> Ref[Input]:
        if job_id not in self.supervisors:

            def supervisor() -> PodSupervisor:
                return PodSupervisor(
                    self._driver(job_id),
                    FleetWatcher(self.fleet),
                    self._closed,
                )

            def parked(_name: str, error: BaseException) -> None:
                self.supervisors.pop(job_id, None)
                self.dispatcher.tell(SupervisorParked(job_id=job_id, detail=repr(error)))

            self.supervisors[job_id] = self.system.spawn(
                supervisor, str(job_id), policy=SUPERVISOR_RESTARTS, on_park=parked
            )
        return self.supervisors[job_id]

    def _closed(self, job: Job) -> None:
        self.supervisors.pop(job.id, None)
        self.runner.forget(job.id)
        self.dispatcher.tell(JobOver(job_id=job.id))

    def _deliver(self, job_id: JobId, heard: Input) -> None:
        if (ref := self.supervisors.get(job_id)) is not None:
            ref.tell(heard)

    def _hand_over(self, job_id: JobId) -> None:
        self.fleet.tell(Adopt(job_id=job_id))

    # ------------------------------------------------------------------------------------------- refusing

    def _refuse_new(self) -> Refusal | None:
        if self.draining:
            return Refusal("E-DRAINING")
        if self.safe_mode:
            return Refusal("E-SAFEMODE", self.safe_mode)
        if (degraded := self.parts.degraded()) is not None:
            return Refusal("E-JOURNAL", degraded)
        return None

    def _may_launch(self) -> bool:
        return self._refuse_new() is None

    def _machines_max(self, wished: int) -> int:
        """Return how many machines there may be at once: fewer where each must be ended from here."""
        proven = self.parts.provider.training.self_ending == "proven"
        return wished if proven else min(wished, UNPROVEN_MACHINES_MAX)

    def _held_back(self) -> str | None:
        """Say why no further machine may be rented now: those there are must be looked at often enough."""
        interval_s = self.parts.provider.training.timings.list_interval_s
        if interval_s <= LIST_INTERVAL_S_MAX:
            return None
        return f"the provider's list may be asked only every {interval_s:.0f} s, too rarely for another machine"

    def _suspect(self, machine_name: str) -> None:
        """A machine of our generation without an intent: somebody else writes with our name. Launch nothing."""
        if self.safe_mode is None:
            self.safe_mode = f"machine {machine_name} carries our name and was not rented by this journal"
            self._note(ev.AlarmRaised(alarm="second_writer", detail=self.safe_mode, at=self.world.clock.now()))

    async def _settled(self, left: Unknown) -> None:
        """Leave safe mode once its reason is gone. One the daemon started in ends with a new generation: a restart."""
        if self.safe_mode is None or left.second_writers:
            return
        if self.parts.safe_mode is None:
            self.safe_mode = None
        elif not left.strangers and self.parts.renew is not None:
            await self.parts.renew()
            self.safe_mode = RESTART_ENDS_SAFE_MODE

    def _note(self, event: ev.Event) -> None:
        """Journal something about the node, in the background; a disk that refuses leaves it in the log."""
        task = asyncio.get_running_loop().create_task(self._journaled(event))
        self._noted.add(task)
        task.add_done_callback(self._noted.discard)

    async def _journaled(self, event: ev.Event) -> None:
        try:
            await self.parts.journal.append("node", ANY, [event], actor="daemon")
        except JournalUnavailable as error:
            self.parts.log("not_journaled", kind=event.kind, error=str(error))

    # ------------------------------------------------------------------------------------------- views

    def _services(self, started_at: datetime) -> Services:
        parts, provider = self.parts, self.parts.provider
        jobs = JobViews(
            parts.journal, self.world.clock, {provider.training.kind: provider}, self.dispatcher, self.fleet
        )
        views = NodeViews(
            NodeFacts(parts.version, self.world.run, started_at, provider.training.kind, parts.naming),
            NodeRefs(self.storage, self.ledger, self.fleet),
            jobs,
            parts.journal,
            self.world.clock,
            self.system,
            self._safe_mode_text,
            parts.config,
        )
        return Services(
            dispatcher=self.dispatcher,
            storage=self.storage,
            reconciler=self.reconciler,
            store=provider.storage,
            incoming=provider.near.disk,
            views=views,
            audit=self._audit,
            version=parts.version,
        )

    def _safe_mode_text(self) -> str | None:
        return self.safe_mode or self.parts.degraded()

    async def _audit(self, who: str, what: str, resource: str, success: bool, code: str | None, detail: str) -> None:
        try:
            await audited(
                self.parts.journal,
                self.world.clock,
                who=who,
                what=what,
                resource=resource,
                success=success,
                provider=self.parts.provider.training.kind,
                actor="AdminGateway",
                code=code,
                detail=detail,
            )
        except JournalUnavailable as error:
            self.parts.log("audit_not_journaled", what=what, error=str(error))

    # ------------------------------------------------------------------------------------------- life

    def start_housekeeping(self) -> None:
        """Begin to look after the disk, and to read the provider's bill."""
        parts, loop = self.parts, asyncio.get_running_loop()
        bills = BillReader(parts.provider.training, parts.journal, self.world.clock, self.ledger, parts.log)
        self._housekeeping += [
            loop.create_task(self._house(), name="housekeeping"),
            loop.create_task(bills.run(), name="bills"),
        ]

    async def _house(self) -> None:
        while True:
            await self.world.clock.sleep(HOUSEKEEPING_S)
            if self.parts.degraded() is not None:
                await self.parts.probe()
            self._look_at_clock()

    def _look_at_clock(self) -> None:
        """Raise an alarm when the computer's clock has jumped; nothing is ended for it."""
        jump_s = self.parts.clock_jump_s()
        if jump_s is not None and not self._clock_jumped:
            detail = f"The computer's clock was set by {jump_s:+.0f} s; Lastcall goes on by its own until they agree."
            self._note(ev.AlarmRaised(alarm="clock_jump", detail=detail, at=self.world.clock.now()))
        self._clock_jumped = jump_s is not None

    async def until_broken(self) -> str:
        """Wait until an actor that every job needs has failed for good, and say which. The daemon leaves then."""
        return await asyncio.shield(self._broken)

    async def drain(self) -> None:
        """Take nothing new, and wait for the answers of creates that are out."""
        self.draining = True
        creates = self.runner.creates_in_flight()
        if creates:
            await asyncio.wait(creates, timeout=CREATE_ANSWER_S)

    async def stop(self) -> None:
        """End actors and effects, in order. Machines keep running."""
        for task in self._housekeeping:
            task.cancel()
        await asyncio.gather(*self._housekeeping, return_exceptions=True)
        await self.runner.close()
        await self.system.shutdown(DRAIN_S)
        if self._noted:
            await asyncio.wait(self._noted)


def boot(world: World, parts: Parts) -> Node:
    """Put a node together and start its actors. Call it inside a running event loop."""
    return Node(world, parts)
