"""Dispatcher: the way in. It plans, accepts commands once, queues jobs and starts a supervisor for each open one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from actors.audit import audited
from actors.dispatcher import planning
from actors.dispatcher.commands import accept, answered, digest
from actors.dispatcher.slots import Slots
from actors.journal.interface import ANY, NEW, Journal, JournalError, JournalUnavailable, WrongVersion
from actors.runtime.actor import Actor, Ref
from actors.runtime.mailbox import Bounds
from actors.supervisor.inputs import Granted, Input, StopAsked, Woke
from messages import events as ev
from messages.admin import (
    CheckedTraining,
    CheckTraining,
    HoldDataset,
    JobAccepted,
    PlanTraining,
    StopAll,
    StopAnswer,
    StopJob,
    SubmitTraining,
    TrainOrder,
)
from messages.base import Control, Request
from messages.errors import Refusal
from messages.ids import CommandId, JobId, UserId, label
from messages.jobs import Binding, Plan, Requester
from messages.machines import ProviderKind
from providers.interface import Need, Provider, ProviderError

STORAGE_ASK_S = 120.0
"""Longest wait for the inspection of a data set."""

JOBS_MAX = 20_000
"""Supervisors that may be ending at once."""
REGRANT_S = 5.0
"""How often waiting jobs are looked at without any news."""


class JobOver(Control):
    """A supervisor closed its job."""

    job_id: JobId


class SupervisorParked(Control):
    """A supervisor failed past its restart limit."""

    job_id: JobId
    detail: str


class JobAdopted(Control):
    """A job stands in the journal whose machine was taken over: supervise it from now on."""

    job_id: JobId
    user_id: UserId
    provider: ProviderKind


class Regrant(Control):
    """Look again whether waiting jobs may start: what kept them may be over."""


class WhyQueued(Request[dict[JobId, str]]):
    """Why queued jobs wait."""


DispatcherMessage = (
    PlanTraining | SubmitTraining | StopJob | StopAll | JobOver | JobAdopted | SupervisorParked | Regrant | WhyQueued
)


class House(NamedTuple):
    """What the Dispatcher needs of the node, as functions, so that it knows no other actor's inside."""

    supervise: Callable[[JobId, ProviderKind], Ref[Input]]
    """Start the supervisor of a job bound to a provider, and return its address."""
    hand_over: Callable[[JobId], None]
    """Give a parked job to FleetWatch."""
    adopted: Callable[[JobId], bool]
    """Whether FleetWatch has a job already."""
    refuse_new: Callable[[], Refusal | None]
    """Why nothing new may start now (safe mode, draining, a journal that cannot be written), or ``None``."""


class Dispatcher(Actor[DispatcherMessage]):
    """One per node."""

    bounds: ClassVar[Bounds] = Bounds(tasks_max=JOBS_MAX)
    answers: ClassVar[tuple[type[Exception], ...]] = (*Actor.answers, JournalUnavailable)

    def __init__(
        self,
        journal: Journal,
        provider: Provider,
        storage: Ref[Any],
        slots: Slots,
        defaults: planning.Defaults,
        binding: Binding,
        house: House,
        log: Callable[..., Any],
    ) -> None:
        """``provider`` and ``binding`` are where new jobs go; open ones stay where they began."""
        self._journal = journal
        self._provider = provider
        self._storage = storage
        self._slots = slots
        self._defaults = defaults
        self._binding = binding
        self._house = house
        self._log = log
        self._supervisors: dict[JobId, Ref[Input]] = {}
        self._refusing = False
        self._unqueued: dict[JobId, UserId] = {}
        """Jobs of accepted commands that the disk has not taken yet."""
        self._redo_due = True
        """Whether an accepted training may stand without its job."""

    @property
    def _kind(self) -> ProviderKind:
        return self._provider.training.kind

    async def on_start(self) -> None:
        """Start a supervisor for every open job, then do what was accepted and not done."""
        rows = await self._journal.query(
            "SELECT job_id, user_id, provider, state FROM jobs WHERE state != 'closed' ORDER BY position"
        )
        for job_id, user_id, provider, state in rows:
            self._open(JobId(job_id), UserId(user_id), provider, queued=state == "queued")
        await self._regrant()

    async def receive(self, msg: DispatcherMessage) -> object | None:
        """Handle one message."""
        match msg:
            case PlanTraining():
                return self.ctx.reply_later(self._plan(msg.requester, msg.order))
            case SubmitTraining():
                return self.ctx.reply_later(self._submit(msg))
            case StopJob() | StopAll():
                return await self._stop(msg)
            case JobOver():
                self._over(msg.job_id)
            case JobAdopted():
                self._slots.hold(msg.job_id, msg.user_id, msg.provider)
                self._open(msg.job_id, msg.user_id, msg.provider, queued=False)
                self._tell(msg.job_id, Woke())
            case SupervisorParked():
                await self._parked(msg)
            case Regrant():
                await self._regrant()
            case WhyQueued():
                no = self._house.refuse_new()
                waiting = self._slots.why(self.ctx.clock.monotonic())
                return dict.fromkeys(waiting, str(no)) if no else waiting
        return None

    # ------------------------------------------------------------------------------------------- planning

    async def _plan(self, requester: Requester, order: TrainOrder) -> Plan:
        plan, _ = await self._priced(requester, order)
        return plan

    async def _priced(self, requester: Requester, order: TrainOrder) -> tuple[Plan, CheckedTraining]:
        checked = await self._storage.ask(CheckTraining(requester=requester, order=order), STORAGE_ASK_S)
        size_mb = checked.dataset.size_bytes / 1e6
        need = Need(size_mb=size_mb, model_type=order.model, machine=order.machine)
        try:
            offers = await self._provider.training.offers(need)
        except ProviderError as error:
            raise Refusal("E-NOCAP", f"The provider's offers could not be read: {error}") from error
        past = await self._past(order.model)
        training = self._provider.training
        plan = planning.plan(
            order,
            checked,
            offers,
            training.timings,
            self._defaults,
            past,
            self._kind,
            training.self_ending,
            here=self._provider.copies is None,
            brings=self._provider.brings,
        )
        return plan, checked

    async def _past(self, model: str) -> planning.PastRuns:
        rows = await self._journal.query(
            "SELECT count(*), avg((julianday(ended_at) - julianday(started_at)) * 86400), avg(size_mb) FROM"
            " (SELECT * FROM jobs WHERE outcome = 'succeeded' AND model_type = ? AND provider = ?"
            " AND started_at IS NOT NULL ORDER BY position DESC LIMIT 20)",
            (model, self._kind),
        )
        runs, seconds_mean, megabytes_mean = rows[0]
        return planning.PastRuns(runs, seconds_mean or 0.0, megabytes_mean or 0.0)

    # ------------------------------------------------------------------------------------------- submitting

    async def _submit(self, msg: SubmitTraining) -> JobAccepted:
        asked = digest("train", msg.order)
        earlier = await answered(self._journal, msg.command_id, asked)
        if earlier is None:
            try:
                earlier = await self._accept(msg, asked)
            except Refusal as no:
                await self._audit(msg.requester, "job.train", msg.order.dataset, no)
                raise
        queued = ev.JobQueued.model_validate(earlier.body)
        try:
            await self._queue(queued, msg.command_id)
        except Refusal as no:  # accepted is accepted: it is queued as soon as the disk takes it
            self._log("accepted_command_waits", command_id=msg.command_id, error=str(no))
            self._unqueued[queued.job_id] = queued.user_id
            self._redo_due = True
        return JobAccepted(job_id=queued.job_id, name=queued.name)

    async def _accept(self, msg: SubmitTraining, asked: str) -> ev.CommandAccepted:
        if (no := self._house.refuse_new()) is not None:
            raise no
        plan, checked = await self._priced(msg.requester, msg.order)
        job_id = JobId.derived(msg.command_id)
        await self._storage.ask(HoldDataset(job_id=job_id, dataset_id=plan.spec.dataset_id), STORAGE_ASK_S)
        queued = ev.JobQueued(
            job_id=job_id,
            user_id=msg.requester.user_id,
            name=label(msg.order.name or msg.order.target, job_id.tail),
            via=msg.requester.via,
            dataset_name=checked.dataset.name,
            plan=plan,
            binding=self._binding,
            at=self.ctx.clock.now(),
        )
        accepted = ev.CommandAccepted(
            command_id=msg.command_id,
            name="train",
            digest=asked,
            answer={"job_id": job_id, "name": queued.name},
            body=queued.model_dump(mode="json"),
        )
        return await self._journaled(accepted)

    async def _journaled(self, accepted: ev.CommandAccepted) -> ev.CommandAccepted:
        try:
            return await accept(self._journal, accepted)
        except JournalUnavailable as error:
            raise Refusal("E-JOURNAL", str(error)) from error

    async def _queue(self, queued: ev.JobQueued, command_id: CommandId) -> None:
        """Make the job of an accepted command; one that exists already is left as it is."""
        try:
            stream = f"job/{queued.job_id}"
            await self._journal.append(stream, NEW, [queued], actor="Dispatcher", cause=command_id)
        except WrongVersion:
            return
        except JournalUnavailable as error:
            raise Refusal("E-JOURNAL", str(error)) from error
        requester = Requester(user_id=queued.user_id, via=queued.via)
        await self._audit(requester, "job.train", queued.job_id, None)
        self._open(queued.job_id, queued.user_id, queued.binding.provider, queued=True)
        self._grant()

    async def _redo_trainings(self) -> None:
        rows = await self._journal.query(
            "SELECT id FROM commands WHERE name = 'train'"
            " AND json_extract(answer, '$.job_id') NOT IN (SELECT job_id FROM jobs)"
        )
        for (command_id,) in rows:
            for recorded in await self._journal.read(f"command/{command_id}"):
                if isinstance(recorded.event, ev.CommandAccepted):
                    self._log("accepted_command_done_now", command_id=command_id)
                    await self._queue(ev.JobQueued.model_validate(recorded.event.body), CommandId(command_id))

    # ------------------------------------------------------------------------------------------- stopping

    async def _stop(self, msg: StopJob | StopAll) -> StopAnswer:
        """Tell supervisors to end their jobs. A disk that cannot note the command does not keep it from acting.

        Raises ``Refusal`` after it acted: E-JOURNAL when the stop would be forgotten by a restart, E-IDEMPOTENCY when
        the same key had stopped something else.
        """
        what = msg.job_id if isinstance(msg, StopJob) else "all"
        jobs = await self._open_jobs(msg.requester.user_id)
        if isinstance(msg, StopJob):
            if msg.job_id not in await self._jobs_of(msg.requester.user_id, msg.job_id):
                raise Refusal("E-NOTFOUND", f"There is no job {msg.job_id} of yours.")
            jobs = [job_id for job_id in jobs if job_id == msg.job_id]
        accepted = ev.CommandAccepted(
            command_id=msg.command_id,
            name="stop",
            digest=digest(f"stop {what}", msg.requester),
            answer={"stopped": list(jobs)},
            body={"jobs": list(jobs), "by": msg.requester.via, "user_id": msg.requester.user_id},
        )
        unwritten: Exception | None = None
        try:
            accepted = await accept(self._journal, accepted)
        except (JournalError, Refusal) as error:
            unwritten = error
        for job_id in jobs:
            self._tell(job_id, StopAsked(by=msg.requester.via, command_id=msg.command_id))
        for resource in [*map(str, jobs)] or ["all"]:
            await self._audit(msg.requester, "job.stop", resource, None)
        if isinstance(unwritten, JournalError):
            detail = "The machines are being ended, but the stop could not be written down: ask again when it can."
            raise Refusal("E-JOURNAL", detail) from unwritten
        if unwritten is not None:
            raise unwritten  # the key was used for another stop; this one acted all the same
        return StopAnswer.model_validate(accepted.answer)

    async def _redo_stops(self) -> None:
        rows = await self._journal.query(
            "SELECT c.id, j.job_id FROM commands c, json_each(c.answer, '$.stopped') s"
            " JOIN jobs j ON j.job_id = s.value WHERE c.name = 'stop' AND j.state != 'closed'"
        )
        for command_id, job_id in rows:
            self._tell(
                JobId(job_id), StopAsked(by="stop accepted before the restart", command_id=CommandId(command_id))
            )

    async def _open_jobs(self, user: UserId) -> list[JobId]:
        sql = "SELECT job_id FROM jobs WHERE user_id = ? AND state != 'closed' ORDER BY position"
        rows = await self._journal.query(sql, (user,))
        return [*(JobId(row[0]) for row in rows), *self._waiting_for_disk(user)]

    def _waiting_for_disk(self, user: UserId) -> list[JobId]:
        return [job_id for job_id, owner in self._unqueued.items() if owner == user]

    async def _jobs_of(self, user: UserId, job_id: JobId) -> list[JobId]:
        sql = "SELECT job_id FROM jobs WHERE user_id = ? AND job_id = ?"
        rows = await self._journal.query(sql, (user, job_id))
        return [*(JobId(row[0]) for row in rows), *self._waiting_for_disk(user)]

    # ------------------------------------------------------------------------------------------- supervisors

    def _open(self, job_id: JobId, user: UserId, provider: ProviderKind, *, queued: bool) -> None:
        if job_id in self._supervisors:
            return
        if self._house.adopted(job_id):  # its supervisor was parked; FleetWatch ends it
            self._slots.hold(job_id, user, provider)
            return
        if queued:
            self._slots.wait(job_id, user, provider)
        else:
            self._slots.hold(job_id, user, provider)
        self._supervisors[job_id] = self._house.supervise(job_id, provider)

    def _grant(self) -> None:
        if self._house.refuse_new() is None:
            for job_id in self._slots.grant(self.ctx.clock.monotonic()):
                self._tell(job_id, Granted())

    async def _regrant(self) -> None:
        try:
            if self._redo_due:
                await self._redo_trainings()
                self._unqueued.clear()
                self._redo_due = False
                await self._redo_stops()
        except (Refusal, JournalUnavailable) as error:
            self._log("accepted_commands_wait", error=str(error))
        refusing = self._house.refuse_new() is not None
        if self._refusing and not refusing:
            for job_id in self._supervisors:
                self._tell(job_id, Woke())
        self._refusing = refusing
        self._grant()
        self.ctx.after(REGRANT_S, Regrant(), key="regrant")

    def _tell(self, job_id: JobId, heard: Input) -> None:
        if ref := self._supervisors.get(job_id):
            ref.tell(heard)

    def _over(self, job_id: JobId) -> None:
        ref = self._supervisors.pop(job_id, None)
        self._slots.leave(job_id)
        if ref is not None:
            self.ctx.start(ref.stop(), f"stop {ref.name}")
        self._grant()

    async def _parked(self, msg: SupervisorParked) -> None:
        event = ev.JobParked(detail=msg.detail[:500], at=self.ctx.clock.now())
        detail = f"{msg.job_id}: {msg.detail[:300]}"
        alarm = ev.AlarmRaised(alarm="job_parked", detail=detail, code="E-PARKED", at=self.ctx.clock.now())
        try:
            await self._journal.append(f"job/{msg.job_id}", ANY, [event], actor="Dispatcher")
            await self._journal.append("node", ANY, [alarm], actor="Dispatcher")
        except JournalUnavailable as error:
            self._log("parking_not_journaled", job_id=msg.job_id, error=str(error))
            self.ctx.after(1.0, msg, key=f"parked {msg.job_id}")
            return
        self._supervisors.pop(msg.job_id, None)
        self._house.hand_over(msg.job_id)

    async def _audit(self, requester: Requester, what: str, resource: str, no: Refusal | None) -> None:
        try:
            await audited(
                self._journal,
                self.ctx.clock,
                who=f"{requester.via} {requester.user_id}",
                what=what,
                resource=resource,
                success=no is None,
                provider=self._kind,
                actor="Dispatcher",
                code=no.code if no else None,
                detail=no.detail if no else "",
            )
        except JournalUnavailable as error:
            self._log("audit_not_journaled", what=what, error=str(error))
