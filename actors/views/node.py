"""The node as people see it: status, machines, costs, plans, events, configuration. Implements the gateway's views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from actors.fleet.messages import FleetFacts, FleetState, ListNow
from actors.fleet.orphans import Whose, claim
from actors.journal.interface import START, Journal, Position, Recorded
from actors.journal.rows import from_micros
from actors.ledger.requests import BudgetsLeft
from actors.runtime.actor import Ref
from actors.runtime.system import ActorInfo, ActorSystem
from actors.runtime.world import Clock
from actors.supervisor.rules import Naming
from actors.supervisor.state import Job, fold
from actors.views.again import order_again
from actors.views.billed import BillViews
from actors.views.comparing import compare
from actors.views.jobs import JobViews
from actors.views.money import MoneyViews
from actors.views.ownership import ANOTHER, Owners
from messages.admin import FindDataset, TrainOrder
from messages.comparing import CompareDocument, DescribedModel, OrderDocument
from messages.documents import (
    ActorRow,
    AlarmRow,
    BilledDocument,
    BillPriceDocument,
    ConsoleOut,
    CostDocument,
    EventLine,
    JobPart,
    LogLineOut,
    MachineRow,
    MachinesDocument,
    PlanDocument,
    PsDocument,
    StatusDocument,
    TrainDocument,
)
from messages.errors import Refusal
from messages.ids import CommandId, JobId, UserId
from messages.jobs import Plan, Requester
from messages.machines import Listing, Machine, MachineState, ProviderKind
from messages.storage import DatasetInfo
from providers.interface import ProviderError

ASK_S = 5.0
LIST_ASK_S = 60.0
ALARMS_SHOWN_MAX = 20

SUPERVISORS = "supervisors"
"""The one row that stands for the supervisors of all jobs."""

_OURS: dict[Whose, Literal["ours", "orphan", "other_installation", "foreign"]] = {
    Whose.OURS: "ours",
    Whose.ORPHAN: "orphan",
    Whose.SECOND_WRITER: "orphan",
    Whose.OTHER_GENERATION: "ours",
    Whose.FOREIGN: "foreign",
}


class NodeFacts(NamedTuple):
    """What does not change while the daemon runs."""

    version: str
    run: str
    started_at: datetime
    provider: ProviderKind
    """Where new jobs go."""
    naming: Naming


class NodeRefs(NamedTuple):
    """The actors that are asked."""

    storage: Ref[Any]
    ledger: Ref[Any]
    fleets: Mapping[ProviderKind, Ref[Any]]
    """One for each provider that is rented from."""


class NodeViews:
    """The read side of the node; jobs are left to ``JobViews``."""

    def __init__(
        self,
        facts: NodeFacts,
        refs: NodeRefs,
        jobs: JobViews,
        journal: Journal,
        clock: Clock,
        system: ActorSystem,
        safe_mode: Callable[[], str | None],
        config: Callable[[], dict[str, Any]],
        bills: BillViews,
    ) -> None:
        self._facts = facts
        self._refs = refs
        self._jobs = jobs
        self._journal = journal
        self._clock = clock
        self._system = system
        self._safe_mode = safe_mode
        self._config = config
        self._bills = bills
        self._money = MoneyViews(journal, clock, refs.ledger)
        self._owners = Owners(journal)

    # ------------------------------------------------------------------------------------------- jobs

    async def job(self, requester: Requester, ref: str) -> TrainDocument:
        """Return one job."""
        return await self._jobs.job(requester, ref)

    async def ps(self, requester: Requester, limit: int, cursor: str | None, all: bool) -> PsDocument:
        """Return a page of jobs."""
        return await self._jobs.ps(requester, limit, cursor, all)

    def changes(self, requester: Requester, ref: str) -> AsyncIterator[TrainDocument]:
        """Stream a job's changes."""
        return self._jobs.changes(requester, ref)

    def log(
        self, requester: Requester, ref: str, after_file: int, after_line: int, follow: bool
    ) -> AsyncIterator[LogLineOut]:
        """Stream a job's log."""
        return self._jobs.log(requester, ref, after_file, after_line, follow)

    def console(
        self, requester: Requester, ref: str, attempt: int, position: int, follow: bool
    ) -> AsyncIterator[ConsoleOut]:
        """Stream the console of a job's machine."""
        return self._jobs.consoles.read(requester, ref, attempt, position, follow)

    async def plan(self, requester: Requester, order: TrainOrder, plan: Plan) -> PlanDocument:
        """Return a plan with the file it is about and the budget that is left."""
        dataset = await self._refs.storage.ask(FindDataset(requester=requester, ref=order.dataset), ASK_S)
        budgets = await self._refs.ledger.ask(BudgetsLeft(user_id=requester.user_id), ASK_S)
        return PlanDocument(
            plan=plan,
            dataset_name=dataset.name,
            rows=dataset.profile.rows,
            columns=len(dataset.profile.columns),
            budget_left_usd=min((b.left_usd for b in budgets), default=None),
        )

    async def again(
        self,
        requester: Requester,  # noqa: ARG002 (whose job it is was asked before)
        job_id: JobId,
        model: DescribedModel,
        datasets: Sequence[DatasetInfo],
    ) -> OrderDocument:
        """Return the order that does a job's work once more."""
        return order_again(await self._jobs.folded(job_id), model, datasets)

    def compare(
        self, models: tuple[DescribedModel, DescribedModel], jobs: tuple[JobPart | None, JobPart | None]
    ) -> CompareDocument:
        """Return two models beside each other."""
        return compare(models, jobs)

    # ------------------------------------------------------------------------------------------- machines

    async def machines(self, requester: Requester) -> MachinesDocument:
        """Return the providers' own listings, begun after this call. Foreign machines are listed, never touched.

        Machines of other users' jobs are counted and not named. One provider that gives no listing keeps nobody from
        seeing the others'; when none does, what the last one raised is raised.
        """
        listings, silent = await self._listings()
        if not listings and silent is not None:
            raise silent
        rows = [
            await self._machine(requester.user_id, kind, machine, listing)
            for kind, listing in listings.items()
            for machine in listing.machines
        ]
        ours = [row for row in rows if row.ours in ("ours", "orphan") and row.state is not MachineState.GONE]
        return MachinesDocument(
            provider=self._facts.provider,
            listed_at=min(listing.began for listing in listings.values()),
            complete=silent is None and all(listing.complete for listing in listings.values()),
            machines=tuple(rows),
            running=len(ours),
        )

    async def _listings(self) -> tuple[dict[ProviderKind, Listing], Exception | None]:
        """Return every listing that was given, and what went wrong with the last one that was not."""
        found: dict[ProviderKind, Listing] = {}
        silent: Exception | None = None
        for kind, fleet in self._refs.fleets.items():
            try:
                found[kind] = await fleet.ask(ListNow(), LIST_ASK_S)
            except (ProviderError, Refusal) as error:
                silent = error
        return found, silent

    async def _machine(self, user: UserId, kind: ProviderKind, machine: Machine, listing: Listing) -> MachineRow:
        naming, now = self._facts.naming, self._clock.now()
        job: Job | None = None
        verdict = claim(machine, listing, naming, None, now)
        if verdict.name is not None:
            job = fold(r.event for r in await self._journal.read(f"job/{verdict.name.job_id}"))
            verdict = claim(machine, listing, naming, job, now)
        ours = _OURS[verdict.whose]
        row = MachineRow(
            id=machine.id,
            name=machine.name,
            state=machine.state,
            rate_usd_per_hour=machine.rate_usd_per_hour,
            job_id=verdict.name.job_id if verdict.name else None,
            ours=ours,
            first_seen=machine.first_seen,
            hard_deadline=verdict.name.hard_deadline if verdict.name else None,
            provider=kind,
        )
        abandoned = ours == "orphan" and job is not None and job.closed is not None
        if job is None or job.user_id == user or abandoned:
            return row
        return row.model_copy(update={"id": "", "name": ANOTHER, "job_id": None})

    # ------------------------------------------------------------------------------------------- money, status

    async def costs(self, requester: Requester, by: str) -> CostDocument:
        """Return the cost report."""
        return await self._money.costs(requester.user_id, by)

    async def bill_price(self, requester: Requester, since: date | None, until: date | None) -> BillPriceDocument:  # noqa: ARG002
        """Return what asking the provider for its bill would cost."""
        return await self._bills.price(since, until)

    async def billed(
        self, requester: Requester, command: CommandId, since: date | None, until: date | None
    ) -> BilledDocument:
        """Ask the provider for its bill, which costs, and hold it against the books."""
        return await self._bills.ask(requester, command, since, until)

    async def status(self, requester: Requester) -> StatusDocument:
        """Return the node's health, and the requester's jobs, machines and money, on one screen."""
        user = requester.user_id
        fleets: dict[ProviderKind, FleetFacts] = {
            kind: await fleet.ask(FleetState(), ASK_S) for kind, fleet in self._refs.fleets.items()
        }
        purse, billing = await self._money.purse(user), await self._money.billing(user)
        safe_mode = self._safe_mode()
        return StatusDocument(
            version=self._facts.version,
            run=self._facts.run,
            started_at=self._facts.started_at,
            provider=self._facts.provider,
            account=fleets[self._facts.provider].account,
            safe_mode=await self._owners.masked(user, safe_mode) if safe_mode else None,
            jobs=await self._counts(user),
            machines_running=billing.machines,
            rate_usd_per_hour=billing.rate_usd_per_hour,
            spent_today_usd=purse.spent_today_usd,
            spent_month_usd=purse.spent_month_usd,
            reserved_usd=purse.reserved_usd,
            last_complete_listing=fleets[self._facts.provider].last_complete,
            dead_letters=self._system.dead_letters_total,
            alarms=await self._alarms(user, fleets),
            actors=actor_rows(self._system.inspect()),
        )

    async def _counts(self, user: UserId) -> dict[str, int]:
        rows = await self._journal.query("SELECT state, count(*) FROM jobs WHERE user_id = ? GROUP BY state", (user,))
        return {str(state): int(count) for state, count in rows}

    async def _alarms(self, user: UserId, fleets: Mapping[ProviderKind, FleetFacts]) -> tuple[AlarmRow, ...]:
        """Return the newest alarms that name no job or machine of another user."""
        rows = await self._journal.query("SELECT alarm, detail, code, last FROM alarms ORDER BY last DESC")
        alarms: list[AlarmRow] = []
        for kind, fleet in fleets.items():
            if not fleet.listing_failed:
                continue
            detail = await self._owners.masked(user, fleet.listing_failed)
            if len(fleets) > 1:
                detail = f"{kind}: {detail}"
            alarms.append(AlarmRow(alarm="provider_unreachable", detail=detail, at=self._clock.now()))
        for name, detail, code, last in rows:
            if len(alarms) >= ALARMS_SHOWN_MAX:
                break
            if await self._owners.masked(user, detail) == detail:
                alarms.append(AlarmRow(alarm=name, detail=detail, code=code, at=from_micros(last)))
        return tuple(alarms)

    async def config(self, requester: Requester) -> dict[str, Any]:  # noqa: ARG002 (no secrets in it)
        """Return the effective configuration, secrets left out."""
        return self._config()

    # ------------------------------------------------------------------------------------------- events

    async def events(self, requester: Requester, after: int, follow: bool) -> AsyncIterator[EventLine]:
        """Stream what concerns the requester, past a position."""
        head = await self._journal.query("SELECT coalesce(max(position), 0) FROM events")
        last = int(head[0][0])
        if not follow and after >= last:
            return
        async for recorded in self._journal.follow(Position(max(after, START))):
            if await self._owners.concerns(requester.user_id, recorded):
                yield _line(recorded)
            if not follow and recorded.position >= last:
                return


def actor_rows(actors: list[ActorInfo]) -> tuple[ActorRow, ...]:
    """Return a row for every actor of the node, and one for the supervisors of all jobs together."""
    rows: dict[str, ActorRow] = {}
    for actor in actors:
        name = SUPERVISORS if actor.name.startswith(f"{JobId.prefix}_") else actor.name
        before = rows.get(name) or ActorRow(name=name, depth=0, oldest_s=0.0, restarts=0, handled=0, parked=False)
        rows[name] = ActorRow(
            name=name,
            depth=before.depth + actor.depth,
            oldest_s=max(before.oldest_s, round(actor.age_s, 3)),
            restarts=before.restarts + actor.restarts,
            handled=before.handled + actor.handled,
            parked=before.parked or actor.parked,
        )
    return tuple(rows.values())


def _line(recorded: Recorded) -> EventLine:
    return EventLine(
        position=recorded.position,
        at=recorded.at,
        stream=recorded.stream,
        kind=recorded.event.kind,
        actor=recorded.actor,
        cause=recorded.cause,
        body=recorded.event.model_dump(mode="json"),
    )
