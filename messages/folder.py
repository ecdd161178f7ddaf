"""The job folder: the files daemon and machine exchange (design.md 7).

``spec.json`` and ``control.json`` go in; ``started.json``, ``heartbeat.json``, ``progress.json``, the numbered log
files, artifacts and ``result.json`` come out. The wrapper speaks these shapes with the standard library alone
(``containers/job``); here they are read tolerantly: a newer wrapper may say more.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from messages.base import Instant, Record

SPEC = "spec.json"
CONTROL = "control.json"
STARTED = "started.json"
HEARTBEAT = "heartbeat.json"
PROGRESS = "progress.json"
RESULT = "result.json"
CHECKPOINT = "checkpoint.json"
CHECKPOINT_FOLDER = "checkpoint"
LOG_FOLDER = "log"


def log_key(number: int) -> str:
    """Return the name of the ``number``-th log file (from 1) inside the job folder."""
    return f"{LOG_FOLDER}/{number:06d}.ndjson"


class Incoming(BaseModel):
    """Something a machine wrote: unknown fields are ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Started(Incoming):
    """``started.json``: the work of this attempt began; created exclusively with a nonce."""

    attempt: int
    nonce: str
    started_at: Instant
    machine: str
    """The machine's name."""
    machine_id: str | None = None
    """The provider's id of the machine, where the machine can know it."""
    host: str = ""
    pid: int | None = None


class Heartbeat(Incoming):
    """``heartbeat.json``: replaced whole every few seconds; information only, nothing depends on it."""

    attempt: int
    at: Instant
    rss_bytes: int | None = None
    memory_limit_bytes: int | None = None
    gpu_use_percent: float | None = None
    disk_free_bytes: int | None = None
    log_files: int = 0
    stage: str = ""


class Progress(Incoming):
    """``progress.json``: written by the work itself, replaced whole."""

    stage: str = ""
    percent: float | None = None
    message: str = ""
    metric: dict[str, float] | None = None
    left_s: float | None = None
    """About how long this stage still takes, at the pace so far."""
    at: Instant | None = None


class LogLine(Incoming):
    """One line of ``log/000001.ndjson``."""

    at: Instant
    stream: Literal["stdout", "stderr", "wrapper"]
    text: str


class Control(Record):
    """``control.json``: daemon to machine, written only on change; the highest ``seq`` counts."""

    seq: int
    soft_deadline: Instant
    stop_requested: bool = False


class Work(Record):
    """One command the wrapper runs."""

    argv: tuple[str, ...]
    environment: dict[str, str] = Field(default_factory=dict)
    limit_s: float | None = None
    """Own limit of a preparing step."""


class Spec(Record):
    """``spec.json``: what the wrapper runs. ``prepare`` builds the environment, ``work`` is the job."""

    schema_: Literal["spec/v1"] = Field(alias="schema", default="spec/v1")
    job_id: str
    attempt: int
    prepare: Work | None = None
    work: Work
    work_spec: dict[str, Any] = Field(default_factory=dict)
    """Written by the wrapper to ``work.json`` in the scratch directory before the work starts."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Local name in the scratch directory → path of a file the machine can read (relative to storage root)."""
    artifacts_required: tuple[str, ...] = ()
    """Files the work must leave in its output directory for an exit code of 0 to count as success."""
    resume: tuple[str, ...] = ()
    """Where earlier attempts say what they kept of the work (``checkpoint.json``, relative to storage root), newest
    first; the wrapper brings the newest whole one before the work starts."""
