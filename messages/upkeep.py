"""Looking after what is there: machines that no open job owns, and what has lain in the store long enough."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from messages.base import Instant, Record, Request
from messages.documents import Document
from messages.ids import JobId
from messages.jobs import Requester
from messages.machines import MachineState
from messages.money import Usd, UsdPerHour

NAMES_MAX = 1_000
"""Machines that one order may name."""

MachineOwner = Literal["ours", "orphan", "second_writer", "other_generation", "foreign"]
MachineFate = Literal["nothing", "adopt", "reap"]


class ReconcileOrder(Record):
    """What is to be done with machines that no open job owns; without ``adopt`` and ``reap`` nothing is."""

    adopt: bool = False
    reap: bool = False
    all_ours: bool = False
    """With ``reap``: also every machine of this installation that this journal does not know."""
    names: tuple[str, ...] = Field(default=(), max_length=NAMES_MAX)
    """Full machine names. With ``reap`` they are ended; with ``adopt`` alone only they are taken over."""


class ReconcileRow(Record):
    """One listed machine, judged. Of another user's job nothing is said but that it is one."""

    id: str
    name: str
    state: MachineState
    whose: MachineOwner
    """``second_writer`` and ``other_generation`` are of this installation, and this journal does not know them."""
    reason: str
    job_id: JobId | None = None
    age_s: float
    """At least: since it was first seen, or since it started where the provider says."""
    rate_usd_per_hour: UsdPerHour | None
    cost_usd: Usd
    """At its rate for that long."""
    hard_deadline: Instant | None = None
    provider: str
    """Where it is rented."""
    does: MachineFate
    """What is done with it; in a dry run, what would be."""
    done: bool = False
    detail: str = ""


class ReconcileDocument(Document):
    """``lastcall machines reconcile``: listings begun after the request, every machine judged."""

    schema_: Literal["reconcile/v1"] = Field(alias="schema", default="reconcile/v1")
    provider: str
    """Where new jobs go; rows may be of others, where jobs are still open."""
    listed_at: Instant
    """When the first of the listings began."""
    complete: bool
    dry_run: bool
    machines: tuple[ReconcileRow, ...]
    unknown: int
    """Machines of this installation which this journal does not know, after what was done."""
    safe_mode: str | None = None
    """Why nothing is launched, after what was done; or null."""


class Reconcile(Request[ReconcileDocument]):
    """Judge every machine of a fresh listing and do what the order says.

    Refused: ``E-LISTING`` (not complete, nothing is done), ``E-NOTFOUND``, ``E-INUSE``, ``E-FORBIDDEN`` for a name.
    """

    requester: Requester
    order: ReconcileOrder = ReconcileOrder()


class Pruned(Record):
    """How much of one kind was deleted, or would be."""

    things: int = 0
    """Job folders, environments, bundles, or objects where there is no larger thing."""
    objects: int = 0
    size_bytes: int = 0


class PruneDocument(Document):
    """``lastcall data prune``. Data sets and models are never among it."""

    schema_: Literal["prune/v1"] = Field(alias="schema", default="prune/v1")
    dry_run: bool
    job_folders: Pruned
    logs: Pruned
    environments: Pruned
    bundles: Pruned
    leftovers: Pruned
    """Uploads that nobody will commit, and bytes of what was removed."""
    kept_in_use: int
    """Environments and bundles that are old enough and stay, because a job is open that may use them."""
    complete: bool
    """False when the work of one run was used up; the next run goes on."""


class PruneStorage(Request[PruneDocument]):
    """Delete what the settings ``retention.*`` no longer keep. Refused: ``E-BUSY`` while a prune runs."""

    requester: Requester
    dry_run: bool = False


class ReapRow(Record):
    """One machine of this installation whose hard deadline has passed."""

    id: str
    name: str
    hard_deadline: Instant
    gone: bool
    """Proven; in a dry run always false."""
    detail: str


class ReapDocument(Document):
    """``lastcall reap``: every machine of this installation that should be gone, from one listing."""

    schema_: Literal["reap/v1"] = Field(alias="schema", default="reap/v1")
    provider: str
    listed_at: Instant
    complete: bool
    dry_run: bool
    machines: tuple[ReapRow, ...]
    left: int
    """Those not proven gone."""
    running: int
    """Machines of this installation whose hard deadline has not passed; they are left alone."""
