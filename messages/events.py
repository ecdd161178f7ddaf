"""Everything the journal can hold: one frozen class per fact, in the past tense.

``EVENTS`` maps each kind to its class; an unknown kind or schema refuses the start. The catalogue page
``docs/reference/events.md`` is generated from this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal

from messages.base import Instant, Record
from messages.ids import CommandId, DatasetId, JobId, ModelId, PredictionId, UserId
from messages.jobs import Binding, Outcome, Plan, ResultMarker, StopReason
from messages.machines import Gone, LaunchRequest, Machine
from messages.money import UnitPrice, Usd, UsdPerHour
from messages.storage import DatasetInfo, ModelInfo


class Event(Record):
    """A fact. ``kind`` names it in the journal, ``schema_version`` its shape, ``writer`` who may append it."""

    kind: ClassVar[str]
    schema_version: ClassVar[int] = 1
    stream: ClassVar[str]
    """Pattern of the streams it stands in, for the catalogue."""
    writer: ClassVar[str]


# ------------------------------------------------------------------------------------------------ commands


class CommandAccepted(Event):
    """A command was taken; the same id and body will be answered with the same answer."""

    kind = "command.accepted"
    stream = "command/<command id>"
    writer = "Dispatcher, StorageActor"

    command_id: CommandId
    name: str
    digest: str
    """SHA-256 of the canonical body."""
    answer: dict[str, object]
    """What the sender was told: the ids that follow from the command."""
    body: dict[str, object]
    """What is to happen, complete enough to do it after a restart."""


# ------------------------------------------------------------------------------------------------ jobs


class JobQueued(Event):
    """A confirmed plan waits for a machine slot."""

    kind = "job.queued"
    stream = "job/<job id>"
    writer = "Dispatcher, Reconciler (taken over)"

    job_id: JobId
    user_id: UserId
    name: str
    via: str
    dataset_name: str
    plan: Plan
    binding: Binding
    at: Instant


class MoneyReserved(Event):
    """The ledger holds money for the next attempt."""

    kind = "job.money_reserved"
    stream = "job/<job id>"
    writer = "EffectRunner, Reconciler (taken over)"

    attempt: int
    reservation: str
    hold_usd: Usd
    bundle: str | None = None
    """Storage key of the job bundle that the machine starts from, where it needs one."""
    at: Instant


class ReservationRefused(Event):
    """The ledger would not hold the money: nothing was rented."""

    kind = "job.reservation_refused"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    code: str
    detail: str


class LaunchIntended(Event):
    """The complete create request, durable before the call goes out."""

    kind = "job.launch_intended"
    stream = "job/<job id>"
    writer = "PodSupervisor, Reconciler (taken over)"

    attempt: int
    reservation: str
    request: LaunchRequest
    bound: Literal["runtime", "money"]
    """What set the soft deadline: decides between timed_out and over_budget."""
    run: str
    """The process run that committed this; only it may send the create."""
    at: Instant


class MachineCreated(Event):
    """The create call was answered cleanly."""

    kind = "job.machine_created"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    machine: Machine
    at: Instant


class LaunchRefused(Event):
    """A clean refusal: nothing was made."""

    kind = "job.launch_refused"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    reason: Literal["no_capacity", "denied", "refused", "not_sent"]
    """The first two end an offer, ``refused`` ends the walk over the offers, ``not_sent`` ends nothing."""
    detail: str
    at: Instant


class CreateAmbiguous(Event):
    """The create may have happened: listings decide, it is never repeated blindly."""

    kind = "job.create_ambiguous"
    stream = "job/<job id>"
    writer = "EffectRunner, PodSupervisor (after a restart)"

    attempt: int
    detail: str
    call_ended: Instant


class MachineFound(Event):
    """A listing showed the machine of an ambiguous create; it is adopted."""

    kind = "job.machine_found"
    stream = "job/<job id>"
    writer = "PodSupervisor, Reconciler (taken over)"

    attempt: int
    machine: Machine
    at: Instant


class RateChanged(Event):
    """The provider bills the machine at another price than before."""

    kind = "job.rate_changed"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    attempt: int
    rate_usd_per_hour: UsdPerHour
    """Machine alone, from ``at`` on."""
    at: Instant


class SurplusFound(Event):
    """A second machine carries the name of this attempt: it is ended, and what it cost counts with the attempt."""

    kind = "job.surplus_found"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    attempt: int
    machine: Machine
    at: Instant


class SurplusGone(Event):
    """A surplus machine is proven gone."""

    kind = "job.surplus_gone"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    machine_id: str
    accepted_at: Instant | None = None
    """When its terminate call was first accepted. Its proof may have to wait for the attempt's own machine, which has
    the same name."""
    alive_at: Instant | None = None
    """When it showed alive last, since it was asked to end; ``None`` when it never did."""
    proof: Gone


class NeverSeen(Event):
    """The quiet time closed and a complete listing begun after it does not show the name: nothing was made."""

    kind = "job.never_seen"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    attempt: int
    listing_began: Instant


class WorkStarted(Event):
    """``started.json`` was seen: the wrapper runs the work."""

    kind = "job.work_started"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    attempt: int
    nonce: str
    started_at: Instant
    machine_id: str | None = None
    """The provider's id of the machine, where the machine itself said it."""


class MarkerSeen(Event):
    """The result marker was read."""

    kind = "job.marker_seen"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    attempt: int
    marker: ResultMarker


class StopAccepted(Event):
    """Somebody asked for the end of this job."""

    kind = "job.stop_accepted"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    by: str
    command_id: CommandId
    at: Instant


class EndDecided(Event):
    """The machine is to end, for this reason. The terminate call starts at once."""

    kind = "job.end_decided"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    attempt: int
    reason: StopReason
    detail: str = ""
    at: Instant


class TerminateAccepted(Event):
    """The provider accepted the terminate call. Not yet a proof."""

    kind = "job.terminate_accepted"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    machine_id: str
    at: Instant


class GoneProved(Event):
    """The machine is proven gone from the provider's own listing."""

    kind = "job.gone_proved"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    machine_id: str
    accepted_at: Instant | None = None
    """When the call that ended it was accepted; ``None`` when it ended by itself."""
    alive_at: Instant | None = None
    """When it showed alive last, since it was asked to end; ``None`` when it never did."""
    proof: Gone


class ResultCollected(Event):
    """The folder was read after the marker: artifacts verified, the model stored where there is one."""

    kind = "job.result_collected"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    model_id: ModelId | None = None
    metrics: dict[str, object] | None = None
    code: str | None = None
    """Set when the artifacts do not support the marker's claim (a missing file, a wrong digest, NaN metrics)."""
    detail: str = ""


class MarkerAbsent(Event):
    """Two storage reads, begun after Gone and far enough apart, say there is no marker."""

    kind = "job.marker_absent"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    log_files: int | None = None
    """How many log files lie in the folder, where a log costs something and they could be counted."""
    log_bytes: int | None = None
    at: Instant


class StorageUnreadable(Event):
    """Storage could not be read for an hour after the machine was gone: the job closes without its result."""

    kind = "job.storage_unreadable"
    stream = "job/<job id>"
    writer = "EffectRunner"

    attempt: int
    at: Instant


class AttemptEnded(Event):
    """One attempt is over and settled: refused, never seen, or gone with proof. Its held money is free again."""

    kind = "job.attempt_ended"
    stream = "job/<job id>"
    writer = "PodSupervisor, Reconciler (taken over)"

    attempt: int
    billed_from: Instant | None = None
    billed_until: Instant | None = None
    rate_usd_per_hour: UsdPerHour
    fixed_usd: Usd
    surplus_usd: Usd = Decimal(0)
    """What surplus machines of the attempt cost; part of ``cost_usd``."""
    cost_usd: Usd


class JobClosed(Event):
    """The job is over: outcome, cost, and the proof that nothing of it runs."""

    kind = "job.closed"
    stream = "job/<job id>"
    writer = "PodSupervisor"

    outcome: Outcome
    code: str | None = None
    detail: str = ""
    model_id: ModelId | None = None
    cost_usd: Usd
    at: Instant


class JobParked(Event):
    """The job's actor failed too often; FleetWatch ends its machine, money stays held until then."""

    kind = "job.parked"
    stream = "job/<job id>"
    writer = "Dispatcher"

    detail: str
    at: Instant


# ------------------------------------------------------------------------------------------------ ledger


class Reserved(Event):
    """Money is held for an attempt."""

    kind = "ledger.reserved"
    stream = "ledger"
    writer = "CostLedger"

    reservation: str
    job_id: JobId
    user_id: UserId
    attempt: int
    hold_usd: Usd
    rate_usd_per_hour: UsdPerHour = Decimal(0)
    """As offered, machine alone."""
    disk_usd_per_hour: UsdPerHour = Decimal(0)
    fixed_usd: Usd = Decimal(0)
    least_s: float = 0
    """However short it lives, the machine is billed for so many seconds."""
    at: Instant


class AccrualStarted(Event):
    """A machine bills from here at this rate."""

    kind = "ledger.accrual_started"
    stream = "ledger"
    writer = "CostLedger"

    reservation: str
    rate_usd_per_hour: UsdPerHour
    fixed_usd: Usd
    at: Instant


class AccrualChanged(Event):
    """A machine bills at another rate from here."""

    kind = "ledger.accrual_changed"
    stream = "ledger"
    writer = "CostLedger"

    reservation: str
    rate_usd_per_hour: UsdPerHour
    accrued_usd: Usd
    """What had accrued until then."""
    at: Instant


class Released(Event):
    """An attempt ended: its hold is replaced by what it cost. Final."""

    kind = "ledger.released"
    stream = "ledger"
    writer = "CostLedger"

    reservation: str
    spent_usd: Usd
    at: Instant


class Settled(Event):
    """A job closed; its cost as observed. Once per job."""

    kind = "ledger.settled"
    stream = "ledger"
    writer = "CostLedger"

    job_id: JobId
    user_id: UserId
    provider: str
    model_id: ModelId | None
    observed_usd: Usd
    at: Instant


class Spent(Event):
    """Something cost money without a reservation: a prediction."""

    kind = "ledger.spent"
    stream = "ledger"
    writer = "CostLedger"

    prediction_id: PredictionId
    user_id: UserId
    provider: str
    model_id: ModelId
    amount_usd: Usd
    at: Instant


class Corrected(Event):
    """What a job cost is not what was observed: a machine was found late, or the provider billed otherwise."""

    kind = "ledger.corrected"
    stream = "ledger"
    writer = "CostLedger"

    job_id: JobId
    user_id: UserId
    delta_usd: Usd
    reason: str
    source: str = ""
    """What it follows from, each booked once: the id of a machine, or ``bill:<job id>:<which reading>``."""
    at: Instant


class Billed(Event):
    """The provider's bill of a closed job is complete, or has changed. A ``Corrected`` follows when it differs."""

    kind = "ledger.billed"
    stream = "ledger"
    writer = "CostLedger"

    job_id: JobId
    user_id: UserId
    billed_usd: Usd
    difference_usd: Usd
    """Over what the books had until then; negative when less was billed."""
    machines: tuple[str, ...] = ()
    """Ids of the machines the bill has lines for: what each of them cost is in it."""
    at: Instant


class Charged(Event):
    """Something that is no machine costs money: a question to the provider's bill, what leaves its store, a setup.

    Stands before what it is for.
    """

    kind = "ledger.charged"
    stream = "ledger"
    writer = "CostLedger"

    user_id: UserId
    provider: str
    what: str
    """In words, one line."""
    amount_usd: Usd
    source: str
    """What it is for, each charged once."""
    at: Instant


class Stored(Event):
    """What a user keeps in a store that charges for it was paid for, until the end of ``day``. Once per day, user and
    provider; the days to come are held at the same rate.
    """

    kind = "ledger.stored"
    stream = "ledger"
    writer = "CostLedger"

    user_id: UserId
    provider: str
    day: date
    """Of the budgets' zone."""
    size_bytes: int
    usd_per_gb_month: UnitPrice
    prices_as_of: date
    amount_usd: Usd
    """For every day since the last such event."""
    rented: bool = False
    """The store is rented at this size, whatever lies in it; whoever runs Lastcall pays for it."""
    at: Instant


class StoredBilled(Event):
    """The provider's bill of a rented store is complete for some days, or has changed; the difference is booked."""

    kind = "ledger.stored_billed"
    stream = "ledger"
    writer = "CostLedger"

    user_id: UserId
    provider: str
    first: date
    last: date
    """The days that a ``Stored`` paid for, of the budgets' zone."""
    billed_usd: Usd
    difference_usd: Usd
    """Over what the books had for them until then; negative when less was billed."""
    at: Instant


# ------------------------------------------------------------------------------------------------ storage


class DatasetAdded(Event):
    """A data set is stored and verified."""

    kind = "dataset.added"
    stream = "dataset/<dataset id>"
    writer = "StorageActor"

    dataset: DatasetInfo


class DatasetRemoved(Event):
    """A data set was deleted on request."""

    kind = "dataset.removed"
    stream = "dataset/<dataset id>"
    writer = "StorageActor"

    dataset_id: DatasetId
    by: UserId


class ModelStored(Event):
    """A model is complete: every file in place, manifest last."""

    kind = "model.stored"
    stream = "model/<model id>"
    writer = "StorageActor"

    model: ModelInfo


class ModelRemoved(Event):
    """A model was deleted on request."""

    kind = "model.removed"
    stream = "model/<model id>"
    writer = "StorageActor"

    model_id: ModelId
    by: UserId


class PredictionMade(Event):
    """A prediction file was written."""

    kind = "prediction.made"
    stream = "prediction/<prediction id>"
    writer = "StorageActor"

    prediction_id: PredictionId
    user_id: UserId
    model_id: ModelId
    key: str
    rows: int
    cost_usd: Usd


# ------------------------------------------------------------------------------------------------ node


class Audited(Event):
    """An operation on storage, machines, users, money or configuration was accepted or refused."""

    kind = "audit"
    stream = "audit"
    writer = "AdminGateway, StorageActor, FleetWatch, Dispatcher, Reconciler"

    who: str
    what: str
    resource: str
    success: bool
    provider: str
    code: str | None = None
    detail: str = ""
    at: Instant


class OrphanReaped(Event):
    """FleetWatch ended a machine of ours that no open job owns."""

    kind = "fleet.orphan_reaped"
    stream = "fleet"
    writer = "FleetWatch"

    machine: Machine
    reason: str
    at: Instant


class OrphanGone(Event):
    """A reaped machine is proven gone. What it cost beyond what its job had booked is a correction of that job."""

    kind = "fleet.orphan_gone"
    stream = "fleet"
    writer = "FleetWatch"

    machine: Machine
    job_id: JobId | None = None
    """The job it was rented for; ``None`` when this journal holds no such job."""
    reason: str
    accepted_at: Instant | None = None
    """When its terminate call was first accepted; ``None`` when nobody knows any more."""
    proof: Gone
    cost_usd: Usd
    at: Instant


END_UNPROVEN = "end_unproven"
"""The alarm of a machine that was told to end and is not proven gone; its subject is the machine's id."""
ACCOUNT_UNCONFIRMED = "account_unconfirmed"
"""The alarm of an account that shows no complete list of its machines; its subject is the account."""


class AlarmRaised(Event):
    """Something needs a person: shown in status, the newest first."""

    kind = "node.alarm_raised"
    stream = "node"
    writer = "any"

    alarm: str
    detail: str
    subject: str = ""
    """What it is about, where it ends by itself: one of a kind and subject stands, the last."""
    code: str | None = None
    """Its entry in ``messages.errors``: what it means, and what to do."""
    at: Instant


class AlarmEnded(Event):
    """What an alarm was about is over. ``end_unproven`` ends without this, with the proof."""

    kind = "node.alarm_ended"
    stream = "node"
    writer = "any"

    alarm: str
    subject: str
    at: Instant


class DaemonStarted(Event):
    """A daemon took the state directory."""

    kind = "node.started"
    stream = "node"
    writer = "daemon"

    run: str
    version: str
    pid: int
    at: Instant


class DaemonStopped(Event):
    """A daemon left the state directory in order; its machines keep running."""

    kind = "node.stopped"
    stream = "node"
    writer = "daemon"

    run: str
    machines_running: int
    at: Instant


LedgerEvent = (
    Reserved
    | AccrualStarted
    | AccrualChanged
    | Released
    | Settled
    | Spent
    | Corrected
    | Billed
    | Charged
    | Stored
    | StoredBilled
)


def _catalogue(base: type[Event]) -> dict[str, type[Event]]:
    return {cls.kind: cls for cls in base.__subclasses__()}


EVENTS: Mapping[str, type[Event]] = _catalogue(Event)
"""Every kind of event and its class."""
