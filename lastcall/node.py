"""``boot(world, parts) → Node``: the only place where actors, providers, journal and views are put together.

The order of the start: ledger, storage, a FleetWatch for each account, dispatcher (which starts a supervisor for every
open job). The order of the end is the reverse. Machines keep running when a node stops; the journal and the machines'
own timers carry them to the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from actors.dispatcher.actor import Dispatcher, House, JobAdopted, JobOver, SupervisorParked
from actors.dispatcher.slots import Slots
from actors.fleet.judging import Unknown
from actors.fleet.reconcile import Hands, Reconciler
from actors.fleet.watcher import FleetWatcher
from actors.journal.interface import ANY, JournalUnavailable
from actors.ledger.requests import Held, ReserveMoney
from actors.runtime.actor import Actor, Ref
from actors.runtime.supervision import RestartPolicy
from actors.runtime.system import ActorSystem
from actors.runtime.world import World
from actors.storage.folder import JobFolder
from actors.supervisor.actor import PodSupervisor
from actors.supervisor.driver import JobDriver
from actors.supervisor.inputs import Input, Woke
from actors.supervisor.rules import Rules
from actors.supervisor.runner import EffectRunner
from actors.supervisor.state import Job
from actors.supervisor.tools import Tools
from actors.views.node import NodeRefs
from lastcall import wiring
from lastcall.parts import Parts
from lastcall.rented import Fleets, Hooks
from messages import events as ev
from messages.admin import BringDataset, Collected, CollectResult
from messages.errors import Refusal
from messages.ids import JobId, UserId
from messages.machines import ProviderKind

ASK_S = 30.0
COLLECT_S = 3600.0
"""Verifying and copying a model, or copying a data set, may take long; giving up would only mean doing it again."""
DRAIN_S = 5.0
CREATE_ANSWER_S = 60.0
"""An orderly stop waits this long for the answers of creates that are out."""
HOUSEKEEPING_S = 2.0

NODE_RESTARTS = RestartPolicy(restarts_max=20, within_s=600.0, backoff_max_s=20.0)
"""Actors that every job needs: about five minutes of trouble are waited out."""
RESTART_ENDS_SAFE_MODE = "every machine is known again: restart the daemon to leave safe mode"
SUPERVISOR_RESTARTS = RestartPolicy(restarts_max=5, within_s=60.0)


class Node:
    """A running node: its actors, and what the gateway serves."""

    def __init__(self, world: World, parts: Parts) -> None:
        self.world = world
        self.parts = parts
        self.draining = False
        self.safe_mode = parts.safe_mode
        self.system = ActorSystem(world.clock, world.entropy)
        self.supervisors: dict[JobId, Ref[Input]] = {}
        self._housekeeping: list[asyncio.Task[None]] = []
        self._clock_jumped = False
        self._clocks_off: dict[ProviderKind, bool] = {}
        """Whether a provider's time was far from ours at the last look."""
        self._broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._noted: set[asyncio.Task[None]] = set()
        hooks = Hooks(self._spawn, self._deliver, self._drive, self._suspect, self._closed)
        self.fleets = Fleets(world, parts, hooks)
        limits = parts.settings.limits
        machines_max, per_user_max = limits.max_machines, limits.max_machines_per_user
        self._slots = Slots(machines_max, per_user_max, self.fleets.held_back, self.fleets.creates_now)
        self.runner = EffectRunner(self._tools())
        self.ledger: Ref[Any] = self._spawn(lambda: wiring.ledger(world, parts), "ledger")
        self.storage: Ref[Any] = self._spawn(wiring.storage(world, parts, self.ledger), "storage")
        self.fleets.start()
        self.dispatcher: Ref[Any] = self._spawn(self._dispatcher, "dispatcher")
        self.reconciler: Ref[Any] = self.system.spawn(self._reconciler, "reconciler", policy=NODE_RESTARTS)
        refs = NodeRefs(self.storage, self.ledger, self.fleets.refs)
        desks = (self.dispatcher, self.reconciler)
        self.services = wiring.services(world, parts, refs, desks, self.system, self._safe_mode_text)

    # ------------------------------------------------------------------------------------------- actors

    def _spawn(self, factory: Callable[[], Actor[Any]], name: str) -> Ref[Any]:
        """Start an actor the whole node needs. When it is past its restarts, so is the node."""

        def parked(_name: str, error: BaseException) -> None:
            words = f"the actor {name} failed for good: {error!r}"[:500]
            self._note(ev.AlarmRaised(alarm="actor_parked", detail=words, at=self.world.clock.now()))
            if not self._broken.done():
                self._broken.set_result(words)

        return self.system.spawn(factory, name, policy=NODE_RESTARTS, on_park=parked)

    def _dispatcher(self) -> Dispatcher:
        parts, fleets = self.parts, self.fleets
        defaults = wiring.defaults(parts.settings)
        house = House(self._supervise, fleets.hand_over, fleets.adopted, self._refuse_new)
        binding = parts.binding(parts.kind)
        return Dispatcher(parts.journal, parts.home, self.storage, self._slots, defaults, binding, house, parts.log)

    def _reconciler(self) -> Reconciler:
        parts = self.parts
        hands = Hands(self.reserve, self._take_over, self._settled, self._safe_mode_text)
        layout = parts.layout(parts.kind)
        return Reconciler(self.fleets.accounts(), parts.journal, parts.naming, layout, hands, parts.log)

    def _take_over(self, job_id: JobId, user_id: UserId, provider: ProviderKind) -> None:
        self.dispatcher.tell(JobAdopted(job_id=job_id, user_id=user_id, provider=provider))

    # ------------------------------------------------------------------------------------------- jobs

    def _tools(self) -> Tools:
        return Tools(
            world=self.world,
            journal=self.parts.journal,
            providers=self.parts.rented,
            ask=self,
            program=self.parts.program,
            folder=JobFolder,
            layout=self.parts.layout(self.parts.kind),
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

    async def bring(self, asked: BringDataset) -> None:
        """Ask storage to copy a data set to where its job's machine reads it."""
        await self.storage.ask(asked, COLLECT_S)

    def _drive(self, job_id: JobId, rules: Rules) -> JobDriver:
        return JobDriver(
            job_id,
            self.parts.journal,
            self.world.clock,
            rules,
            self.runner,
            self._slots.granted,
            self._may_launch,
            self.parts.log,
            self.fleets.certainty(job_id).sure,
        )

    def _supervise(self, job_id: JobId, provider: ProviderKind) -> Ref[Input]:
        if job_id not in self.supervisors:
            self.fleets.bind(job_id, provider)
            rules, fleet = self.fleets.rules(job_id), self.fleets.of(job_id)

            def supervisor() -> PodSupervisor:
                return PodSupervisor(
                    self._drive(job_id, rules),
                    FleetWatcher(fleet),
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
        self.fleets.forget(job.id)
        self.dispatcher.tell(JobOver(job_id=job.id))

    def _deliver(self, job_id: JobId, heard: Input) -> None:
        if (ref := self.supervisors.get(job_id)) is not None:
            ref.tell(heard)

    # ------------------------------------------------------------------------------------------- refusing

    def _refuse_new(self) -> Refusal | None:
        if self.draining:
            return Refusal("E-DRAINING")
        if self.safe_mode:
            return Refusal("E-SAFEMODE", self.safe_mode)
        if (degraded := self.parts.degraded()) is not None:
            return Refusal("E-JOURNAL", degraded)
        return None

    def _safe_mode_text(self) -> str | None:
        return self.safe_mode or self.parts.degraded()

    def _may_launch(self) -> bool:
        return self._refuse_new() is None

    def _suspect(self, machine_name: str) -> None:
        """A machine of our generation without an intent: somebody else writes with our name. Launch nothing."""
        if self.safe_mode is None:
            self.safe_mode = f"machine {machine_name} carries our name and was not rented by this journal"
            self._note(
                ev.AlarmRaised(
                    alarm="second_writer", detail=self.safe_mode, code="E-SAFEMODE", at=self.world.clock.now()
                )
            )

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

    # ------------------------------------------------------------------------------------------- life

    def start_housekeeping(self) -> None:
        """Begin to look after the disk, bills and rents, what is kept where it costs, and what setups spent."""
        loop = asyncio.get_running_loop()
        house = loop.create_task(self._house(), name="housekeeping")
        self._housekeeping += [house, *self.fleets.read_bills(self.ledger)]
        meter = wiring.space_meter(self.world, self.parts, self.ledger)
        if meter.has_work:
            self._housekeeping.append(loop.create_task(meter.run(), name="space"))
        parts = self.parts
        if parts.owed is not None:
            owed = parts.owed.run(self.ledger, parts.owner, self.world.clock, parts.log)
            self._housekeeping.append(loop.create_task(owed, name="owed"))

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
        for kind, certainty in self.fleets.certainties.items():
            off_s = certainty.off_s()
            if off_s is not None and not self._clocks_off.get(kind):
                waits = "" if certainty.sure() else "; no deadline ends a machine until they agree"
                detail = f"{kind}'s clock is {off_s:+.0f} s from this computer's{waits}. Set the right one."
                self._note(ev.AlarmRaised(alarm="clock_off", detail=detail, code="E-CLOCK", at=self.world.clock.now()))
            self._clocks_off[kind] = off_s is not None

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
            _, late = await asyncio.wait(self._noted, timeout=DRAIN_S)
            for task in late:  # the disk does not answer: a stop does not wait for it
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def boot(world: World, parts: Parts) -> Node:
    """Put a node together and start its actors. Call it inside a running event loop."""
    return Node(world, parts)
