"""FleetWatch: owns the provider's list. One listing serves every job, whatever their number.

It tells supervisors what changed, looks into job folders at a bounded rate, ends orphans on every complete listing and
what shows past the hard deadline in its name on any, and takes over the jobs whose supervisor is parked. A listing that
is cut, foreign or absent proves nothing, and an account without a complete one for long is told of.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from actors.fleet import messages as fm
from actors.fleet.absences import Absences
from actors.fleet.adoption import Parked
from actors.fleet.ailments import Ailments
from actors.fleet.chores import TASKS_MAX, Chores
from actors.fleet.confirming import Confirmation
from actors.fleet.folders import Folders
from actors.fleet.looks import Looks
from actors.fleet.orphans import Names, Whose, claim
from actors.fleet.reaping import reap, settle
from actors.fleet.sightings import Findings, Shown, sighted
from actors.fleet.watcher import watched_of
from actors.journal.interface import Journal, JournalUnavailable
from actors.runtime.actor import Actor
from actors.runtime.mailbox import Bounds
from actors.runtime.slices import in_slices
from actors.supervisor.driver import JobDriver
from actors.supervisor.inputs import Input
from actors.supervisor.rules import Naming
from actors.supervisor.state import Job, fold
from messages.ids import JobId
from messages.jobs import JobState
from messages.machines import Listing, Machine, MachineName
from providers.interface import ExitEvents, Provider, ProviderError

ROUND_S_MIN = 0.1
ROUND_S_MAX = 1.0
"""Between two rounds of folder looks."""
SLICE_JOBS = 512
"""Jobs or machines judged between two turns of the others: some two milliseconds."""
REAP = "reap "
"""How the keys of reaps begin."""
ACCOUNT_ALARM = "account alarm"
"""Key of the task that raises or ends the alarm of an account without a complete list."""
FAILED_WAIT_S_MAX = 30.0
"""Longest pause after a listing that failed; provider quotas ask for patience, machines for haste."""

FleetMessage = (
    fm.Watch
    | fm.Unwatch
    | fm.Adopt
    | fm.Listed
    | fm.ListingFailed
    | fm.Exited
    | fm.LookRound
    | fm.LiveOf
    | fm.ListNow
    | fm.FleetState
)


class Delivery(Protocol):
    """How FleetWatch reaches the supervisor of a job."""

    def __call__(self, job_id: JobId, heard: Input) -> None:
        """Leave an input for the job; a job without a supervisor drops it."""
        ...


@dataclass(slots=True)
class Kept:
    """What outlives a restart of this actor, so that it forgets no machine and no parked job."""

    watched: dict[JobId, fm.Watched] = field(default_factory=dict)
    adopted: set[JobId] = field(default_factory=set)


class FleetWatch(Actor[FleetMessage]):
    """Watches the machines of one provider account."""

    bounds: ClassVar[Bounds] = Bounds(tasks_max=TASKS_MAX)

    def __init__(
        self,
        provider: Provider,
        account: str,
        journal: Journal,
        naming: Naming,
        kept: Kept,
        deliver: Delivery,
        drive: Callable[[JobId], JobDriver],
        suspect: Callable[[str], None],
        over: Callable[[Job], None],
        log: Callable[..., Any],
        clock_sure: Callable[[], bool] = lambda: True,
    ) -> None:
        self._provider = provider
        self._clock_sure = clock_sure
        self._bound = account
        self._journal = journal
        self._naming = naming
        self._names = Names(naming)
        self._deliver = deliver
        self._drive = drive
        self._suspect = suspect
        self._over = over
        self._log = log
        self._watched = kept.watched
        self._adopted = kept.adopted
        self._ailments = Ailments()
        self._folders = Folders(provider, self._watched, self._tell, clock_sure, log, self._ailments.unstarted)
        self._absences = Absences(provider.training)
        self._looks = Looks(provider.training.timings.marker_interval_s)
        self._parked: dict[JobId, Parked] = {}
        self._chores = Chores(self._start)
        self._round_s = ROUND_S_MIN
        self._account = ""
        self._last_complete: datetime | None = None
        self._failed: str | None = None
        self._second_writer: str | None = None
        self._confirmation = Confirmation(provider.training.kind, account)

    async def on_start(self) -> None:
        """Begin to list, to look, and to hear of exits."""
        for watched in self._watched.values():
            self._looks.keep(watched, self.ctx.clock.monotonic())
        for job_id in sorted(self._adopted):
            self._adopt(fm.Adopt(job_id=job_id))
        self.ctx.start(self._patrol(), "patrol")
        clock = self.ctx.clock
        self.ctx.start(settle(self._provider, self._journal, clock, self._naming, self._log, self._bound), "settle")
        if isinstance(self._provider.training, ExitEvents):
            self.ctx.start(self._exits(self._provider.training), "exits")
        self._next_round()

    async def receive(self, msg: FleetMessage) -> object | None:
        """Handle one message."""
        match msg:
            case fm.Watch():
                self._watch(msg.watched)
            case fm.Unwatch():
                self._unwatch(msg.job_id)
            case fm.Adopt():
                self._adopt(msg)
            case fm.Listed():
                await self._listed(msg.listing)
            case fm.ListingFailed():
                self._failed = msg.detail
                self._confirmation.failed(msg.detail)
            case fm.Exited():
                self._exited(msg.machine_id)
            case fm.LookRound():
                self._round()
            case fm.LiveOf():
                return self._folders.live(msg.job_ids)
            case fm.ListNow():
                return self.ctx.reply_later(self._provider.training.list_machines())
            case fm.FleetState():
                return self._facts()
        return None

    # ------------------------------------------------------------------------------------------- watching

    def _watch(self, watched: fm.Watched) -> None:
        self._watched[watched.job_id] = watched
        self._looks.keep(watched, self.ctx.clock.monotonic())

    def _unwatch(self, job_id: JobId) -> None:
        self._watched.pop(job_id, None)
        self._folders.drop(job_id)
        self._looks.drop(job_id)
        self._ailments.drop(job_id)

    def _adopt(self, msg: fm.Adopt) -> None:
        """Drive a job whose supervisor is parked; what is seen of it goes to its driver from now on."""
        self._adopted.add(msg.job_id)
        parked = self._parked.setdefault(msg.job_id, Parked(self._drive(msg.job_id), self._keep))
        if not self._chores.once(f"parked {msg.job_id}", self._drive_parked(msg.job_id, parked)):
            self.ctx.after(ROUND_S_MAX, msg)

    async def _drive_parked(self, job_id: JobId, parked: Parked) -> None:
        await parked.drive(self.ctx.clock, self._log)
        del self._parked[job_id]
        self._adopted.discard(job_id)
        self._over(parked.driver.job)

    def _keep(self, job: Job) -> None:
        watched = watched_of(job)
        if watched is None:
            self._unwatch(job.id)
        else:
            self._watch(watched)

    def _tell(self, job_id: JobId, heard: Input) -> None:
        if parked := self._parked.get(job_id):
            parked.heard.append(heard)
        else:
            self._deliver(job_id, heard)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.ctx.start(work, name)

    def _facts(self) -> fm.FleetFacts:
        return fm.FleetFacts(
            account=self._account,
            last_complete=self._last_complete,
            listing_failed=self._failed,
            second_writer=self._second_writer,
            reaping=self._chores.count(REAP),
        )

    # ------------------------------------------------------------------------------------------- listings

    async def _patrol(self) -> None:
        """List for ever, one interval after the other."""
        training = self._provider.training
        wait_s = training.timings.list_interval_s
        while True:
            try:
                listing = await training.list_machines()
                self.ctx.ref.tell(fm.Listed(listing=listing))
                wait_s = training.timings.list_interval_s
            except (ProviderError, OSError, TimeoutError) as error:
                at = self.ctx.clock.now()
                self.ctx.ref.tell(fm.ListingFailed(detail=str(error), at=at))
                wait_s = min(FAILED_WAIT_S_MAX, wait_s * 2)
            await self.ctx.clock.sleep(wait_s)

    async def _listed(self, listing: Listing) -> None:
        self._account = listing.account
        if listing.complete:
            self._last_complete, self._failed = listing.began, None
        if self._confirmation.listed(listing, self.ctx.clock.monotonic()):
            self._chores.once(ACCOUNT_ALARM, self._confirmation.confirm(self._journal, self.ctx.clock))
        counts = listing.complete and self._absences.count(listing)
        shown = Shown(listing)
        async for some in in_slices(self.ctx.clock, list(self._watched.values()), SLICE_JOBS):
            found = shown.findings(one for one in some if self._watched.get(one.job_id) is one)
            self._follow(listing, found, absence_counts=counts)
        await self._reap_orphans(listing)

    def _follow(self, listing: Listing, found: Findings, *, absence_counts: bool) -> None:
        """Tell what a listing means for some of the jobs, and look closer where a machine is missing."""
        for watched, machines in found.sighted:
            if watched.ambiguous and listing.complete and not machines:
                self._chores.once(f"ambiguous {watched.name}", self._look_then_tell(watched, listing, machines))
            else:
                self._tell(watched.job_id, sighted(watched, listing, machines, folder_empty=False))
        self._absences.listed(watched.job_id for watched, _ in found.present)
        self._tell_ailments(found.present)
        for watched in found.missing if absence_counts else ():
            self._chores.once(f"missing {watched.name}", self._look_closer(watched))

    def _tell_ailments(self, present: Sequence[tuple[fm.Watched, Machine]]) -> None:
        timings, now_s = self._provider.training.timings, self.ctx.clock.monotonic()
        look_s, observe = self._looks.interval_s(), self._ailments.observe
        for watched, machine in present:
            heard_s = self._folders.heard_s(watched.job_id)
            ailing = observe(watched, machine, timings, now_s, heard_s=heard_s, look_interval_s=look_s)
            if ailing is not None:
                self._tell(watched.job_id, ailing)

    async def _look_then_tell(self, watched: fm.Watched, listing: Listing, machines: tuple[Machine, ...]) -> None:
        """An ambiguous create is only called never seen when its folder, read after the listing, is empty too."""
        view = await self._folders.view(watched)
        if view is not None and (view.started or view.marker):
            self._folders.note(watched, view, self.ctx.clock)
        empty = view is not None and view.started is None and view.marker is None
        self._tell(watched.job_id, sighted(watched, listing, machines, folder_empty=empty))

    async def _look_closer(self, watched: fm.Watched) -> None:
        """A machine is missing from a complete listing: read its folder, then look for it by id, twice.

        Whose heartbeat is new since then has not vanished, whatever the provider says.
        """
        view = await self._folders.view(watched)
        if view is not None and view.marker:
            self._folders.note(watched, view, self.ctx.clock)
            return
        began_s = self.ctx.clock.monotonic()
        vanished = await self._absences.confirmed(watched, self.ctx.clock)
        heard_s = self._folders.heard_s(watched.job_id)
        if vanished is not None and (heard_s is None or heard_s <= began_s):
            self._tell(watched.job_id, vanished)

    async def _reap_orphans(self, listing: Listing) -> None:
        """End what nobody owns. A name whose hard deadline has passed is evidence by itself, also in a cut listing."""
        names = {watched.name for watched in self._watched.values()}
        now = self.ctx.clock.now() if self._clock_sure() else None
        self._names.begin()
        async for some in in_slices(self.ctx.clock, listing.machines, SLICE_JOBS):
            for machine in some:
                name = self._names.of(machine)
                overdue = name is not None and now is not None and now >= name.hard_deadline
                if name is None or not (overdue or (listing.complete and machine.name not in names)):
                    continue
                try:
                    await self._judge(machine, name, listing, now)
                except JournalUnavailable as error:
                    self._log("orphans_not_judged", error=str(error))
                    return

    async def _judge(self, machine: Machine, name: MachineName, listing: Listing, now: datetime | None) -> None:
        """End a machine if its job's journal says that nobody owns it. Raises JournalUnavailable."""
        recorded = await self._journal.read(f"job/{name.job_id}")
        verdict = claim(machine, listing, self._naming, fold(r.event for r in recorded), now)
        if verdict.whose is Whose.SECOND_WRITER:
            self._second_writer = machine.name
            self._suspect(machine.name)
        elif verdict.whose is Whose.ORPHAN:
            self._chores.once(f"{REAP}{machine.id}", self._reap(machine, verdict.reason, name.job_id))

    async def _reap(self, machine: Machine, reason: str, job_id: JobId) -> None:
        await reap(self._provider, self._journal, self.ctx.clock, machine, reason, self._log, job_id)

    # ------------------------------------------------------------------------------------------- folders

    def _next_round(self) -> None:
        self._round_s = min(ROUND_S_MAX, max(ROUND_S_MIN, self._looks.interval_s() / 5))
        self.ctx.after(self._round_s, fm.LookRound(), key="round")

    def _round(self) -> None:
        now_s = self.ctx.clock.monotonic()
        self._confirm_account(now_s)
        for job_id in self._looks.take(self._watched, now_s, self._round_s):
            self._chores.once(f"look {job_id}", self._folders.look(self._watched[job_id], self.ctx.clock))
        self._next_round()

    def _confirm_account(self, now_s: float) -> None:
        """Raise the alarm of an account that has shown no complete list for long."""
        if ACCOUNT_ALARM in self._chores:  # one after the other, so that what is raised is ended
            return
        open_ = bool(self._watched) or self._chores.count(REAP) > 0
        if self._confirmation.overdue(now_s, self._provider.training.timings.list_interval_s, open_=open_):
            told = self._confirmation.tell(self._watched.values(), self._journal, self.ctx.clock, self._log)
            self._chores.once(ACCOUNT_ALARM, told)

    async def _exits(self, training: ExitEvents) -> None:
        while True:
            machine_id = await training.next_exit()
            self.ctx.ref.tell(fm.Exited(machine_id=machine_id))

    def _exited(self, machine_id: str) -> None:
        for watched in self._watched.values():
            if watched.machine_id == machine_id and watched.phase in (JobState.STARTING, JobState.RUNNING):
                self._chores.once(f"exited {watched.job_id}", self._folders.look(watched, self.ctx.clock))
