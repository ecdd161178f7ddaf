"""Jobs: what a user asked for, what it may cost, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from messages.base import Instant, Record
from messages.ids import DatasetId, UserId
from messages.machines import Offer, ProviderKind, SelfEnding
from messages.money import Usd
from messages.storage import Artifact

Task = Literal["auto", "classification", "regression"]
HyperParameter = bool | int | float | str | None


class JobState(StrEnum):
    """Where a job is. It only ever moves down this list, but for the next attempt's return to Reserved."""

    QUEUED = "queued"
    RESERVED = "reserved"
    LAUNCHING = "launching"
    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"
    CONFIRMING = "confirming"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"
    INTERRUPTED = "interrupted"
    NO_CAPACITY = "no_capacity"
    REFUSED = "refused"
    LOST = "lost"


class HeldOut(Record):
    """How the rows were chosen that a model is judged on."""

    method: Literal["random", "group", "time"]
    column: str | None = None
    """By which rows were held out, where not at random."""
    share: float
    sha256: str
    """Of which rows of the file stand on which side."""


class LastRun(Record):
    """The headline of the user's newest model of the same data set and target, when a job was ordered."""

    model: str
    """Its name."""
    name: str
    """Of the metric."""
    value: float
    low: float
    high: float
    held_out: HeldOut | None = None


class TrainSpec(Record):
    """What to train."""

    dataset_id: DatasetId
    dataset_key: str
    dataset_sha256: str
    dataset_bytes: int = 0
    delimiter: str = ","
    encoding: str = "utf-8"
    target: str
    model: str = "auto"
    task: Task = "auto"
    features: tuple[str, ...] | None = None
    """Columns to learn from; all but the target when ``None``."""
    parameters: dict[str, HyperParameter] = Field(default_factory=dict)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Part of the rows that is held out to judge the model on."""
    seed: int = 42
    group: str | None = None
    """Column whose equal values stay on one side of the split."""
    time: str | None = None
    """Column by whose last values rows are held out."""
    last_run: LastRun | None = None


class Limits(Record):
    """What a job may use at most."""

    max_runtime_s: int = Field(ge=1, le=30 * 86_400)
    max_cost_usd: Usd = Field(gt=0)
    max_billed_attempts: int = Field(default=2, ge=1, le=20)
    """Machines that cost money before the job is closed."""


class Estimate(Record):
    """What a job is expected to take, as a range."""

    runtime_s_low: float
    runtime_s_high: float
    cost_usd_low: Usd
    cost_usd_high: Usd


class Plan(Record):
    """A priced, not yet confirmed job."""

    spec: TrainSpec
    limits: Limits
    provider: ProviderKind
    offers: tuple[Offer, ...]
    """Ranked; the first is tried first, each at most once."""
    estimate: Estimate
    hold_usd: Usd
    """What is held while the job runs: no more can be spent."""
    self_termination: SelfEnding
    """Whether the machine's own timer is known to end it; unproven means bounded only while Lastcall runs."""
    warnings: tuple[str, ...] = ()
    copied_from: ProviderKind | None = None
    """Whose store the data set lies in and is copied from first; ``None``: it is with ``provider`` already."""


class Binding(Record):
    """The provider, account and configuration a job began with and keeps."""

    provider: ProviderKind
    account: str
    config_digest: str


class WorkFailure(Record):
    """Why the work did not succeed, as a code of ``messages.errors`` and one sentence of detail."""

    code: str
    detail: str = ""


class ResultMarker(Record):
    """``result.json``: the file a job leaves when it ends, linked into place, never replaced."""

    schema_: Literal["result/v1"] = Field(alias="schema", default="result/v1")
    attempt: int
    nonce: str
    outcome: Literal["succeeded", "failed", "cancelled", "timed_out", "interrupted"]
    code: str | None = None
    detail: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: Instant | None = None
    ended_at: Instant
    max_rss_bytes: int | None = None
    log_files: int | None = Field(default=None, ge=0)
    """How many log files were written, and how many bytes they have together; ``None`` where the machine did not
    say."""
    log_bytes: int | None = Field(default=None, ge=0)
    artifacts: tuple[Artifact, ...] = ()


class StopReason(StrEnum):
    """Why a machine was told to end. Every kill is journaled with one of these."""

    MARKER = "marker"
    """The work ended and left its result marker."""
    STOP = "stop"
    DEADLINE = "deadline"
    BUDGET = "budget"
    NO_START = "no_start"
    """No ``started.json`` within the start allowance."""
    VANISHED = "vanished"
    """The provider no longer lists it: positive evidence, still to be proven."""
    CHECK_FAILED = "check_failed"
    """Not the machine that was asked for."""
    RESTARTED = "restarted"
    """Its work had started, and the machine was started again since: positive evidence that the work is over."""
    CRASH_LOOP = "crash_loop"
    """Started again and again, and the work never began."""
    BAD_HOST = "bad_host"
    """Said to be running for minutes, and nothing of it runs."""
    STOPPED = "stopped"
    """The provider stopped it; what is left of it still bills."""
    PARKED = "parked"


class Requester(Record):
    """Who asked: a user and where from."""

    user_id: UserId
    via: str
    """``uid:1000``, ``tg:42`` or ``sys``."""
