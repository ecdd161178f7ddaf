"""Jobs for tests: a plan, rules, and ``Story``, which tells a job's life event by event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from actors.supervisor.decide import decide
from actors.supervisor.inputs import FolderSeen, Input, Sighted, StopAsked, Vanished, Woke
from actors.supervisor.pending import Effect, pending
from actors.supervisor.rules import Naming, Rules
from actors.supervisor.state import Attempt, Job, evolve
from messages import events as ev
from messages.folder import Started
from messages.ids import CommandId, DatasetId, JobId, ModelId, UserId
from messages.jobs import Binding, Estimate, JobState, Limits, Plan, ResultMarker, TrainSpec
from messages.machines import Gone, Machine, MachineState, Offer, Timings

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
JOB = JobId("job_aaaaaaaaaa")
USER = UserId("usr_uuuuuuuuuu")
ACCOUNT = "account-1"
NAMING = Naming("instal", "gene", b"k" * 32)
TIMINGS = Timings(
    list_interval_s=5,
    absence_gap_s=15,
    quiet_s=180,
    min_age_s=120,
    start_allowance_s=1200,
    marker_interval_s=5,
    marker_gap_s=15,
    creates_are_idempotent=False,
    expected_start_s=300,
)
RULES = Rules(NAMING, TIMINGS, "run-1")


def offer(name: str = "a", rate: str = "0.27") -> Offer:
    return Offer(id=name, provider="fake", machine_type=name, place="here", rate_usd_per_hour=Decimal(rate))


def plan(offers: tuple[Offer, ...] = (), max_runtime_s: int = 7200, cap: str = "10", **limits: Any) -> Plan:
    return Plan(
        spec=TrainSpec(
            dataset_id=DatasetId("ds_dddddddddd"),
            dataset_key=f"datasets/user_{USER}/ds_dddddddddd",
            dataset_sha256="0" * 64,
            target="churn",
        ),
        limits=Limits(max_runtime_s=max_runtime_s, max_cost_usd=Decimal(cap), **limits),
        provider="fake",
        offers=offers or (offer("a"), offer("b"), offer("c")),
        estimate=Estimate(runtime_s_low=1, runtime_s_high=2, cost_usd_low=Decimal(0), cost_usd_high=Decimal(1)),
        hold_usd=Decimal(1),
        self_termination="proven",
    )


def queued(the_plan: Plan | None = None, job_id: JobId = JOB) -> ev.JobQueued:
    return ev.JobQueued(
        job_id=job_id,
        user_id=USER,
        name="churn-aaa",
        via="uid:0",
        dataset_name="churn.csv",
        plan=the_plan or plan(),
        binding=Binding(provider="fake", account=ACCOUNT, config_digest="c"),
        at=START,
    )


def machine(name: str, machine_id: str = "m1", rate: str | None = "0.27", seen: datetime = START) -> Machine:
    return Machine(
        id=machine_id,
        name=name,
        account=ACCOUNT,
        state=MachineState.RUNNING,
        rate_usd_per_hour=Decimal(rate) if rate is not None else None,
        first_seen=seen,
    )


def gone(at: datetime) -> Gone:
    return Gone(account=ACCOUNT, at=at, absent_since=at, listing_began=at, evidence=("twice not found",))


class Story:
    """A job's life: ``observe`` what a runner saw, ``hear`` what a supervisor hears, look at what follows."""

    def __init__(self, the_plan: Plan | None = None, rules: Rules = RULES) -> None:
        self.now = START
        self.rules = rules
        self.events: list[ev.Event] = []
        self.job: Job = evolve(None, queued(the_plan))

    # --- looking

    @property
    def phase(self) -> JobState:
        return self.job.phase

    def is_in(self, phase: JobState) -> bool:
        return self.phase is phase

    @property
    def attempt(self) -> Attempt:
        last = self.job.last
        if last is None:
            raise LookupError("no attempt yet")
        return last

    @property
    def number(self) -> int:
        return self.attempt.number

    @property
    def name(self) -> str:
        request = self.attempt.request
        if request is None:
            raise LookupError("no intent yet")
        return request.name

    def due(self, granted: bool = True) -> tuple[Effect, ...]:
        return pending(self.job, self.rules.run, granted=granted)

    def effects(self, granted: bool = True) -> list[str]:
        return [effect.key for effect in self.due(granted)]

    @property
    def closed(self) -> ev.JobClosed:
        if self.job.closed is None:
            raise LookupError(f"still {self.phase}")
        return self.job.closed

    # --- telling

    def after(self, seconds: float) -> Story:
        self.now += timedelta(seconds=seconds)
        return self

    def hear(self, heard: Input | None = None) -> list[ev.Event]:
        events = decide(self.job, heard or Woke(), self.now, self.rules)
        self._fold(events)
        return events

    def observe(self, *events: ev.Event) -> list[ev.Event]:
        self._fold(list(events))
        return self.hear()

    def _fold(self, events: list[ev.Event]) -> None:
        for event in events:
            self.events.append(event)
            self.job = evolve(self.job, event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    # --- chapters

    def reserved(self, hold: str = "1") -> Story:
        number = len(self.job.attempts) + 1
        self.observe(
            ev.MoneyReserved(attempt=number, reservation=f"{JOB}/{number}", hold_usd=Decimal(hold), at=self.now)
        )
        return self

    def created(self, machine_id: str = "m1", rate: str | None = "0.27") -> Story:
        self.reserved() if self.job.current is None else None
        made = machine(self.name, machine_id, rate, self.now)
        self.observe(ev.MachineCreated(attempt=self.number, machine=made, at=self.now))
        return self

    def ambiguous(self) -> Story:
        self.reserved() if self.job.current is None else None
        self.observe(ev.CreateAmbiguous(attempt=self.number, detail="timeout", call_ended=self.now))
        return self

    def refused(self, reason: str = "no_capacity") -> Story:
        self.reserved() if self.job.current is None else None
        self.observe(ev.LaunchRefused(attempt=self.number, reason=reason, detail="none free", at=self.now))
        return self

    def started(self) -> Story:
        begun = Started(attempt=self.number, nonce="n1", started_at=self.now, machine=self.name)
        self.hear(FolderSeen(attempt=self.number, started=begun))
        return self

    def unstarted(self) -> Story:
        """The folder, read after the start allowance, holds no trace of a start."""
        self.hear(FolderSeen(attempt=self.number, no_start=True))
        return self

    def running(self) -> Story:
        return self.created().started()

    def marker(self, outcome: str = "succeeded", code: str | None = None, **more: Any) -> ResultMarker:
        return ResultMarker(
            attempt=self.number,
            nonce="n1",
            outcome=outcome,
            code=code,
            ended_at=self.now,
            **more,
        )

    def marked(self, outcome: str = "succeeded", code: str | None = None) -> Story:
        self.hear(FolderSeen(attempt=self.number, marker=self.marker(outcome, code)))
        return self

    def accepted(self) -> Story:
        self.observe(ev.TerminateAccepted(attempt=self.number, machine_id="m1", at=self.now))
        return self

    def proved(self, machine_id: str = "m1") -> Story:
        accepted_at = self.attempt.terminate_accepted
        proved = ev.GoneProved(
            attempt=self.number, machine_id=machine_id, accepted_at=accepted_at, proof=gone(self.now)
        )
        self.observe(proved)
        return self

    def collected(self, code: str | None = None) -> Story:
        model_id = None if code else ModelId("mdl_mmmmmmmmmm")
        self.observe(ev.ResultCollected(attempt=self.number, model_id=model_id, code=code))
        return self

    def unmarked(self, log_files: int | None = None, log_bytes: int | None = None) -> Story:
        absent = ev.MarkerAbsent(attempt=self.number, log_files=log_files, log_bytes=log_bytes, at=self.now)
        self.observe(absent)
        return self

    def stop(self) -> Story:
        self.hear(StopAsked(by="uid:0", command_id=CommandId("api:0:stop")))
        return self

    def listed(self, *machines: Machine, complete: bool = True, account: str = ACCOUNT, empty: bool = True) -> Story:
        self.hear(
            Sighted(
                name=self.name,
                account=account,
                absent_since=self.now if complete and not machines else None,
                machines=machines,
                folder_empty=empty,
            )
        )
        return self

    def vanished(self, machine_id: str = "m1") -> Story:
        self.hear(Vanished(attempt=self.number, machine_id=machine_id, detail="not found"))
        return self

    def ended(self) -> Story:
        """Let whatever runs end in order: accepted, proven, read out."""
        if self.attempt.machine and not self.attempt.gone:
            self.accepted().after(1).proved()
        if not self.attempt.ended:
            self.collected() if self.attempt.marker else self.unmarked()
        return self
