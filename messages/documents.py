"""The documents the API answers with and ``--json`` prints unchanged. Money is a decimal string, time RFC 3339.

Every document names its ``schema``; a change that breaks a reader makes a new number. The JSON Schemas of
``train``, ``ps`` and ``cost`` are committed under ``docs/schemas`` and shared by both sides' golden tests.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import ConfigDict, Field

from messages.admin import ImportLook
from messages.base import Instant, Record
from messages.ids import DatasetId, JobId, ModelId
from messages.jobs import JobState, Outcome, Plan
from messages.machines import MachineState
from messages.money import Usd, UsdPerHour
from messages.storage import Artifact, Column, ModelInfo


class Document(Record):
    """A whole answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class JobPart(Record):
    """A job as people see it."""

    id: JobId
    name: str
    state: JobState
    outcome: Outcome | None = None
    code: str | None = None
    text: str = ""
    """What happened, in words; empty while all is well."""
    hint: str = ""
    """What to do next."""
    detail: str = ""
    dataset_id: DatasetId
    dataset_name: str
    target: str
    model_type: str
    attempt: int
    attempts: int
    """Attempts made so far."""
    created_at: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    cost_usd: Usd
    """Spent so far, or in all when closed."""
    max_cost_usd: Usd
    hold_usd: Usd
    max_runtime_s: int
    runtime_s: float | None = None
    """Since its work began, until its end when closed."""
    stage: str = ""
    percent: float | None = None
    message: str = ""
    left_s: float | None = None
    """About how long what it does now still takes; null where that is not known."""
    metric: dict[str, float] | None = None
    """How good it is so far, by the work's own names."""


class MachinePart(Record):
    """The job's last machine."""

    id: str | None = None
    name: str | None = None
    provider: str
    machine_type: str | None = None
    place: str | None = None
    spot: bool = False
    """Cheaper, and its owner may take it back."""
    rate_usd_per_hour: UsdPerHour | None = None
    state: MachineState | None = None
    soft_deadline: Instant | None = None
    hard_deadline: Instant | None = None
    rss_bytes: int | None = None
    """Memory of the work, from the last heartbeat, as are the next two; null where the machine does not say."""
    memory_limit_bytes: int | None = None
    gpu_use_percent: float | None = None
    terminate_accepted_at: Instant | None = None
    terminated_confirmed_at: Instant | None = None
    """When the proof was complete; the promise of the product."""
    proof: tuple[str, ...] = ()


class AttemptPart(Record):
    """An attempt before the last one: what was tried, and what became of it."""

    attempt: int
    machine_type: str
    place: str
    spot: bool
    outcome: Literal["refused", "no_capacity", "not_made"] | Outcome
    """``not_made``: the provider did not answer, and nothing was started. Else how the machine's work ended."""
    detail: str = ""
    cost_usd: Usd


class ModelPart(Record):
    """The job's model, when there is one."""

    id: ModelId | None = None
    name: str | None = None


class TrainDocument(Document):
    """One job, whole: ``lastcall train --json``, ``GET /v1/jobs/{id}``."""

    schema_: Literal["train/v1"] = Field(alias="schema", default="train/v1")
    job: JobPart
    machine: MachinePart
    earlier: tuple[AttemptPart, ...] = ()
    """Attempts before the one that ``machine`` is of, in order."""
    model: ModelPart
    metrics: dict[str, object] | None = None


class PlanDocument(Document):
    """A priced, not yet confirmed job: ``POST /v1/jobs?dry_run=1``."""

    schema_: Literal["plan/v1"] = Field(alias="schema", default="plan/v1")
    plan: Plan
    dataset_name: str
    rows: int
    columns: int
    budget_left_usd: Usd | None = None
    """What the tightest budget has left, or null where none is set."""


class AcceptedDocument(Document):
    """A job was queued: ``POST /v1/jobs``."""

    schema_: Literal["accepted/v1"] = Field(alias="schema", default="accepted/v1")
    job_id: JobId
    name: str


class PsRow(Record):
    """One line of ``ps``."""

    id: JobId
    name: str
    state: JobState
    outcome: Outcome | None = None
    code: str | None = None
    model_type: str
    target: str
    provider: str
    machine_type: str | None = None
    age_s: float
    runtime_s: float | None = None
    cost_usd: Usd
    max_cost_usd: Usd
    stage: str = ""
    percent: float | None = None
    rss_bytes: int | None = None
    """Memory of the work, from the last heartbeat, as are the next two; null where the machine does not say."""
    memory_limit_bytes: int | None = None
    gpu_use_percent: float | None = None
    why: str = ""
    """Why it does not run, one line; empty when it does."""


class PsDocument(Document):
    """``lastcall ps``: jobs, newest first."""

    schema_: Literal["ps/v1"] = Field(alias="schema", default="ps/v1")
    jobs: tuple[PsRow, ...]
    next: str | None = None
    """Cursor of the next page."""


class MachineRow(Record):
    """One line of ``machines ls``.

    The machine of another user's job has an empty ``id``, no ``job_id`` and a name that only says whose it is.
    """

    id: str
    name: str
    state: MachineState
    rate_usd_per_hour: UsdPerHour | None
    job_id: JobId | None
    ours: Literal["ours", "orphan", "other_installation", "foreign"]
    first_seen: Instant
    hard_deadline: Instant | None = None
    provider: str
    """Where it is rented."""


class MachinesDocument(Document):
    """``lastcall machines ls``: the provider's own listing, begun after the request."""

    schema_: Literal["machines/v1"] = Field(alias="schema", default="machines/v1")
    provider: str
    """Where new jobs go; rows may be of others, where jobs are still open."""
    listed_at: Instant
    """When the first of the listings began."""
    complete: bool
    """False where a listing was cut, or a provider gave none."""
    machines: tuple[MachineRow, ...]
    running: int
    """How many of ours exist, in any state but gone."""


class CostRow(Record):
    """One group of the cost report."""

    key: str
    jobs: int
    cost_usd: Usd
    difference_usd: Usd | None = None
    """Part of the cost: what the provider billed over what was observed; absent where no bill differs."""


class BudgetRow(Record):
    """One budget and what is left of it."""

    name: str
    limit_usd: Usd
    spent_usd: Usd
    reserved_usd: Usd
    left_usd: Usd
    warning: str = ""


class StoredRow(Record):
    """What somebody keeps in a store that charges for it."""

    provider: str
    size_bytes: int
    """As last measured: data sets, models, predictions and job folders; old versions of a bucket do not count."""
    usd_per_month: Usd
    """What it costs as it is; booked day by day."""
    prices_as_of: date
    rented: bool = False
    """The store is rented at this size, whatever lies in it, and shown to whoever runs Lastcall."""


class CostDocument(Document):
    """``lastcall cost``."""

    schema_: Literal["cost/v1"] = Field(alias="schema", default="cost/v1")
    by: Literal["day", "user", "model", "provider", "job"]
    rows: tuple[CostRow, ...]
    total_usd: Usd
    """Settled and corrected."""
    difference_usd: Usd | None = None
    """Part of the total: what the provider billed over what was observed; absent where no bill differs."""
    unbilled_jobs: int = 0
    """Jobs that cost something, should be on the provider's bill by now and are not; they count as observed."""
    running_usd: Usd
    """Of open jobs: accrued by their machines, and what their ended attempts cost."""
    reserved_usd: Usd
    budgets: tuple[BudgetRow, ...] = ()
    stored: tuple[StoredRow, ...] = ()
    """Part of the total as far as it is booked; what is to come this month is held in the budgets."""


class BillPriceDocument(Document):
    """What it costs to see a provider's bill: ``GET /v1/costs/billed``. Nothing is asked for it."""

    schema_: Literal["bill_price/v1"] = Field(alias="schema", default="bill_price/v1")
    provider: str
    since: date
    until: date
    """The day after the last."""
    question_usd: Usd
    most_usd: Usd
    """The answer may take several questions; never more than this."""


class BilledRow(Record):
    """One job or day: what the books have, and what the provider says it billed."""

    key: str
    booked_usd: Usd
    billed_usd: Usd
    difference_usd: Usd
    """Over what is booked; negative where less was billed."""


class ServiceCost(Record):
    """What the provider billed for one of its services."""

    service: str
    billed_usd: Usd


class BilledDocument(Document):
    """``lastcall cost --billed``: the provider's bill beside the books, which it does not change."""

    schema_: Literal["billed/v1"] = Field(alias="schema", default="billed/v1")
    provider: str
    since: date
    until: date
    """The day after the last."""
    asked_at: Instant
    questions: int
    cost_usd: Usd
    """Of asking; booked."""
    estimated: bool
    """The provider may still change some of it."""
    jobs: tuple[BilledRow, ...]
    """Yours that ended in these days or are billed in them. The bill names machines and their disks only; what else a
    job costs is among what has no name."""
    days: tuple[BilledRow, ...]
    """The same by day, UTC: booked on the day a job closed, billed on the day it ran."""
    nameless: tuple[ServiceCost, ...]
    """The account's cost by service, as far as it names no machine: objects, logs, addresses, and all that is not
    Lastcall's. The books have nothing to hold against it."""


class DatasetRow(Record):
    """One data set."""

    id: DatasetId
    name: str
    rows: int
    columns: tuple[Column, ...]
    size_bytes: int
    sha256: str
    added: Instant
    delimiter: str
    encoding: str
    provider: str | None = None
    """Whose store it was put into; null where that was not noted."""


class DatasetsDocument(Document):
    """``lastcall data ls``."""

    schema_: Literal["datasets/v1"] = Field(alias="schema", default="datasets/v1")
    datasets: tuple[DatasetRow, ...]


class DatasetDocument(Document):
    """``lastcall data add``, ``GET /v1/datasets/{id}``."""

    schema_: Literal["dataset/v1"] = Field(alias="schema", default="dataset/v1")
    dataset: DatasetRow


class ModelsDocument(Document):
    """``lastcall models ls``."""

    schema_: Literal["models/v1"] = Field(alias="schema", default="models/v1")
    models: tuple[ModelInfo, ...]


class ModelDocument(Document):
    """``lastcall models show``."""

    schema_: Literal["model/v1"] = Field(alias="schema", default="model/v1")
    model: ModelInfo
    files: tuple[Artifact, ...]


class ImportLookDocument(Document):
    """``POST /v1/imports`` without a confirmation: what ``lastcall models import`` shows before it asks."""

    schema_: Literal["import_look/v1"] = Field(alias="schema", default="import_look/v1")
    look: ImportLook


class PredictionDocument(Document):
    """``lastcall predict``."""

    schema_: Literal["prediction/v1"] = Field(alias="schema", default="prediction/v1")
    id: str
    model_id: ModelId
    rows: int
    size_bytes: int
    cost_usd: Usd


class StopDocument(Document):
    """``lastcall stop``."""

    schema_: Literal["stop/v1"] = Field(alias="schema", default="stop/v1")
    stopped: tuple[JobId, ...]


class RemovedDocument(Document):
    """``data rm`` and ``models rm``."""

    schema_: Literal["removed/v1"] = Field(alias="schema", default="removed/v1")
    id: str
    name: str


class AlarmRow(Record):
    """Something that needs a person."""

    alarm: str
    detail: str
    code: str | None = None
    """Its entry in ``messages.errors``; its page is ``docs/errors/<code>.md``."""
    at: Instant


class ActorRow(Record):
    """One actor, as ``inspect()`` sees it.

    The supervisors of all jobs are one row: ``oldest_s`` is the greatest of them, ``parked`` whether any is.
    """

    name: str
    depth: int
    oldest_s: float
    restarts: int
    handled: int
    parked: bool


class StatusDocument(Document):
    """``lastcall status``: health, jobs, machines, money, warnings on one screen."""

    schema_: Literal["status/v1"] = Field(alias="schema", default="status/v1")
    version: str
    run: str
    started_at: Instant
    provider: str
    account: str
    safe_mode: str | None = None
    """Why nothing is launched, or null."""
    jobs: dict[str, int]
    """By state. Jobs, machines and money are those of whoever asks."""
    machines_running: int
    """Not proven gone."""
    rate_usd_per_hour: UsdPerHour
    spent_today_usd: Usd
    """Days are UTC; a job counts on the day it closes, what an open one has paid for counts today."""
    spent_month_usd: Usd
    reserved_usd: Usd
    last_complete_listing: Instant | None
    """Of the provider new jobs go to; another one that gives none is an alarm."""
    dead_letters: int
    alarms: tuple[AlarmRow, ...]
    actors: tuple[ActorRow, ...]


class VersionDocument(Document):
    """``GET /v1/version``."""

    schema_: Literal["version/v1"] = Field(alias="schema", default="version/v1")
    version: str
    api: tuple[int, int] = (1, 1)
    """Oldest and newest API number this daemon speaks."""


class EventLine(Record):
    """One line of ``GET /v1/events`` (NDJSON): the audit and job history."""

    position: int
    at: Instant
    stream: str
    kind: str
    actor: str
    cause: str | None = None
    body: dict[str, object]


class LogLineOut(Record):
    """One line of ``GET /v1/jobs/{id}/logs`` (NDJSON). ``file`` and ``line`` resume after it."""

    file: int
    line: int
    at: Instant
    stream: str
    text: str


class ConsoleOut(Record):
    """A piece of ``GET /v1/jobs/{id}/console`` (NDJSON): the machine's console as its provider keeps it."""

    position: str
    """``ATTEMPT:PLACE``, which resumes after it; a place is the provider's own number, of any size."""
    text: str
    """Whole lines or parts of them, as they came."""


class Problem(Record):
    """RFC 9457 ``application/problem+json``."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    docs: str
    request_id: str
