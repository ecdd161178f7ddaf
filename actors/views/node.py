"""The node as people see it: status, machines, costs, plans, events, configuration. Implements the gateway's views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, cast

from actors.fleet.messages import FleetFacts, FleetState, ListNow
from actors.fleet.orphans import Whose, claim
from actors.journal.interface import START, Journal, Position, Recorded
from actors.journal.rows import from_micros
from actors.ledger.requests import BudgetsLeft, CostReport, MoneyTotals
from actors.runtime.actor import Ref
from actors.runtime.system import ActorSystem
from actors.runtime.world import Clock
from actors.supervisor.rules import Naming
from actors.supervisor.state import Job, fold
from actors.views.jobs import JobViews
from messages.admin import FindDataset, TrainOrder
from messages.documents import (
    ActorRow,
    AlarmRow,
    CostDocument,
    EventLine,
    LogLineOut,
    MachineRow,
    MachinesDocument,
    PlanDocument,
    PsDocument,
    StatusDocument,
    TrainDocument,
)
from messages.errors import Refusal
from messages.ids import UserId
from messages.jobs import Plan, Requester
from messages.machines import Listing, Machine, MachineState

ASK_S = 5.0
LIST_ASK_S = 60.0
ALARMS_SHOWN_MAX = 20

_GROUPS = ("day", "user", "model", "provider", "job")
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
    provider: str
    naming: Naming


class NodeRefs(NamedTuple):
    """The actors that are asked."""

    storage: Ref[Any]
    ledger: Ref[Any]
    fleet: Ref[Any]


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
    ) -> None:
        self._facts = facts
        self._refs = refs
        self._jobs = jobs
        self._journal = journal
        self._clock = clock
        self._system = system
        self._safe_mode = safe_mode
        self._config = config

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

    # ------------------------------------------------------------------------------------------- machines

    async def machines(self, requester: Requester) -> MachinesDocument:  # noqa: ARG002 (everyone sees all)
        """Return the provider's own listing, begun after this call. Foreign machines are listed, never touched."""
        listing: Listing = await self._refs.fleet.ask(ListNow(), LIST_ASK_S)
        rows = [await self._machine(machine, listing) for machine in listing.machines]
        ours = [row for row in rows if row.ours in ("ours", "orphan") and row.state is not MachineState.GONE]
        return MachinesDocument(
            provider=self._facts.provider,
            listed_at=listing.began,
            complete=listing.complete,
            machines=tuple(rows),
            running=len(ours),
        )

    async def _machine(self, machine: Machine, listing: Listing) -> MachineRow:
        naming, now = self._facts.naming, self._clock.now()
        verdict = claim(machine, listing, naming, None, now)
        if verdict.name is not None:
            job: Job | None = fold(r.event for r in await self._journal.read(f"job/{verdict.name.job_id}"))
            verdict = claim(machine, listing, naming, job, now)
        return MachineRow(
            id=machine.id,
            name=machine.name,
            state=machine.state,
            rate_usd_per_hour=machine.rate_usd_per_hour,
            job_id=verdict.name.job_id if verdict.name else None,
            ours=_OURS[verdict.whose],
            first_seen=machine.first_seen,
            hard_deadline=verdict.name.hard_deadline if verdict.name else None,
        )

    # ------------------------------------------------------------------------------------------- money, status

    async def costs(self, requester: Requester, by: str) -> CostDocument:
        """Return the cost report."""
        if by not in _GROUPS:
            raise Refusal("E-BADREQUEST", f"Costs are grouped by one of {', '.join(_GROUPS)}.")
        group = cast(Literal["day", "user", "model", "provider", "job"], by)
        document: CostDocument = await self._refs.ledger.ask(CostReport(user_id=requester.user_id, by=group), ASK_S)
        return document

    async def status(self, requester: Requester) -> StatusDocument:
        """Return health, jobs, machines and money on one screen."""
        fleet: FleetFacts = await self._refs.fleet.ask(FleetState(), ASK_S)
        totals = await self._refs.ledger.ask(MoneyTotals(), ASK_S)
        machines, rate = await self._rate()
        return StatusDocument(
            version=self._facts.version,
            run=self._facts.run,
            started_at=self._facts.started_at,
            provider=self._facts.provider,
            account=fleet.account,
            safe_mode=self._safe_mode(),
            jobs=await self._counts(requester.user_id),
            machines_running=machines,
            rate_usd_per_hour=rate,
            spent_today_usd=totals.spent_today_usd,
            spent_month_usd=totals.spent_month_usd,
            reserved_usd=totals.reserved_usd,
            last_complete_listing=fleet.last_complete,
            dead_letters=self._system.dead_letters_total,
            alarms=await self._alarms(fleet),
            actors=self._actors(),
        )

    async def _counts(self, user: UserId) -> dict[str, int]:
        rows = await self._journal.query("SELECT state, count(*) FROM jobs WHERE user_id = ? GROUP BY state", (user,))
        return {str(state): int(count) for state, count in rows}

    async def _rate(self) -> tuple[int, Decimal]:
        """Return how many machines count as billing, by our own books, and their rate."""
        rows = await self._journal.query(
            "SELECT rate FROM jobs WHERE machine_id IS NOT NULL AND state IN"
            " ('starting', 'running', 'ending', 'confirming')"
        )
        return len(rows), sum((Decimal(row[0] or 0) for row in rows), Decimal(0))

    async def _alarms(self, fleet: FleetFacts) -> tuple[AlarmRow, ...]:
        sql = "SELECT alarm, detail, last FROM alarms ORDER BY last DESC LIMIT ?"
        rows = await self._journal.query(sql, (ALARMS_SHOWN_MAX,))
        alarms = [AlarmRow(alarm=name, detail=detail, at=from_micros(last)) for name, detail, last in rows]
        if fleet.listing_failed:
            alarms.insert(0, AlarmRow(alarm="provider_unreachable", detail=fleet.listing_failed, at=self._clock.now()))
        return tuple(alarms)

    def _actors(self) -> tuple[ActorRow, ...]:
        return tuple(
            ActorRow(
                name=a.name,
                depth=a.depth,
                oldest_s=round(a.age_s, 3),
                restarts=a.restarts,
                handled=a.handled,
                parked=a.parked,
            )
            for a in self._system.inspect()
        )

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
        mine: dict[str, bool] = {}
        async for recorded in self._journal.follow(Position(max(after, START))):
            if await self._concerns(requester, recorded, mine):
                yield _line(recorded)
            if not follow and recorded.position >= last:
                return

    async def _concerns(self, requester: Requester, recorded: Recorded, mine: dict[str, bool]) -> bool:
        """Tell whether an event is the requester's: their jobs, data, models, and what they did."""
        kind, _, job_id = recorded.stream.partition("/")
        if kind == "ledger":
            job_id = str(getattr(recorded.event, "reservation", "")).partition("/")[0]
        if kind == "job" or (kind == "ledger" and job_id):
            if job_id not in mine:
                sql = "SELECT 1 FROM jobs WHERE job_id = ? AND user_id = ?"
                mine[job_id] = bool(await self._journal.query(sql, (job_id, requester.user_id)))
            return mine[job_id]
        if kind in ("node", "fleet"):
            return True
        body = recorded.event.model_dump_json()
        return requester.user_id in body


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
