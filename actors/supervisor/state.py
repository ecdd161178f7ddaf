"""A job's state: nothing but the fold of its stream. ``phase`` is derived from the facts, never stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from actors.supervisor.billed import billed_until
from messages import events as ev
from messages.base import seconds
from messages.ids import JobId, UserId
from messages.jobs import Binding, JobState, Plan, ResultMarker
from messages.machines import Gone, LaunchRequest, Machine
from messages.money import ZERO, accrued


@dataclass(frozen=True, slots=True)
class Attempt:
    """Exactly one create call for one offer, and everything known of its machine."""

    number: int
    reservation: str
    hold_usd: Decimal
    reserved_at: datetime
    bundle: str | None = None
    intent: ev.LaunchIntended | None = None
    machine: Machine | None = None
    created_at: datetime | None = None
    ambiguous: ev.CreateAmbiguous | None = None
    refused: ev.LaunchRefused | None = None
    never_seen: bool = False
    surplus: tuple[Machine, ...] = ()
    """Second machines of this attempt's name that are not proven gone yet."""
    surplus_seen: frozenset[str] = frozenset()
    surplus_usd: Decimal = ZERO
    """What surplus machines cost until they were gone."""
    rates: tuple[ev.RateChanged, ...] = ()
    """Changes of the machine's price since it was made, in order."""
    started: ev.WorkStarted | None = None
    marker: ResultMarker | None = None
    marker_first: bool = False
    """The marker was journaled before any stop or decision to end: it alone says how the work ended."""
    end: ev.EndDecided | None = None
    terminate_accepted: datetime | None = None
    gone: Gone | None = None
    billed_until: datetime | None = None
    """Until when it is taken to have billed, once it is gone; a call that was ignored does not count."""
    collected: ev.ResultCollected | None = None
    marker_absent: ev.MarkerAbsent | None = None
    storage_unreadable: bool = False
    ended: ev.AttemptEnded | None = None

    @property
    def request(self) -> LaunchRequest | None:
        """The create request, once intended."""
        return self.intent.request if self.intent else None

    @property
    def rate_usd_per_hour(self) -> Decimal:
        """What the machine costs an hour now, without its disk; as offered where the provider does not say."""
        if self.rates:
            return self.rates[-1].rate_usd_per_hour
        known = self.machine.rate_usd_per_hour if self.machine else None
        offered = self.request.offer.rate_usd_per_hour if self.request else ZERO
        return offered if known is None else known

    def accrued_usd(self, until: datetime) -> Decimal:
        """Return what machine and disk have cost from the intent to ``until``, through every change of price."""
        if self.intent is None or self.request is None:
            return ZERO
        disk = self.request.offer.disk_usd_per_hour
        began, rate = self.intent.at, replace(self, rates=()).rate_usd_per_hour
        total = ZERO
        for change in self.rates:
            at = min(max(change.at, began), until)
            total += accrued(rate + disk, (at - began).total_seconds())
            began, rate = at, change.rate_usd_per_hour
        return total + accrued(rate + disk, (until - began).total_seconds())

    def billed_usd(self, until: datetime) -> Decimal:
        """Return what its provider takes for a life until ``until``: some bill a shortest time."""
        if self.intent is None or self.request is None:
            return ZERO
        return self.accrued_usd(max(until, self.intent.at + seconds(self.request.offer.least_s)))

    @property
    def unanswered(self) -> bool:
        """A create was intended and nothing is known of what became of it."""
        return self.intent is not None and not (self.machine or self.ambiguous or self.refused or self.never_seen)

    @property
    def resolved(self) -> bool:
        """No machine of this attempt exists: refused, never seen, or proven gone, and no surplus is left."""
        return bool(self.refused or self.never_seen or self.gone) and not self.surplus

    @property
    def read_out(self) -> bool:
        """Nothing more can be learned from the job folder."""
        return bool(self.collected or self.marker_absent or self.storage_unreadable) or not self.gone


@dataclass(frozen=True, slots=True)
class Job:
    """One job."""

    id: JobId
    user_id: UserId
    name: str
    via: str
    dataset_name: str
    plan: Plan
    binding: Binding
    queued_at: datetime
    attempts: tuple[Attempt, ...] = ()
    stop: ev.StopAccepted | None = None
    reservation_refused: ev.ReservationRefused | None = None
    parked: ev.JobParked | None = None
    closed: ev.JobClosed | None = None

    @property
    def current(self) -> Attempt | None:
        """The attempt that is not over, or ``None`` before the first and between two."""
        return self.attempts[-1] if self.attempts and not self.attempts[-1].ended else None

    @property
    def last(self) -> Attempt | None:
        """The last attempt, over or not."""
        return self.attempts[-1] if self.attempts else None

    @property
    def ends_itself(self) -> bool:
        """Whether its machines are proven to end themselves."""
        return self.plan.self_termination == "proven"

    @property
    def spent_usd(self) -> Decimal:
        """What the ended attempts cost."""
        return sum((a.ended.cost_usd for a in self.attempts if a.ended), ZERO)

    @property
    def phase(self) -> JobState:
        """Where the job is, from the facts alone."""
        if self.closed:
            return JobState.CLOSED
        attempt = self.last
        if attempt is None:
            return JobState.QUEUED
        return _attempt_phase(attempt)


def _attempt_phase(attempt: Attempt) -> JobState:
    if attempt.ended or attempt.refused or attempt.never_seen or attempt.gone or attempt.terminate_accepted:
        return JobState.CONFIRMING
    if attempt.end:
        return JobState.ENDING
    if attempt.machine:
        return JobState.RUNNING if attempt.started else JobState.STARTING
    return JobState.LAUNCHING if attempt.intent else JobState.RESERVED


class UnknownJob(ValueError):
    """The stream does not begin with ``JobQueued``: it is not a job's stream."""


def fold(events: Iterable[ev.Event], job: Job | None = None) -> Job | None:
    """Return the state after ``events``; ``None`` for an empty stream."""
    for event in events:
        job = evolve(job, event)
    return job


def evolve(job: Job | None, event: ev.Event) -> Job:
    """Return the state after one event. Facts of an attempt go to that attempt, whichever is current."""
    if isinstance(event, ev.JobQueued):
        return Job(
            event.job_id,
            event.user_id,
            event.name,
            event.via,
            event.dataset_name,
            event.plan,
            event.binding,
            event.at,
        )
    if job is None:
        raise UnknownJob(f"a job's stream begins with job.queued, not with {event.kind}")
    match event:
        case ev.StopAccepted():
            return replace(job, stop=job.stop or event)
        case ev.ReservationRefused():
            return replace(job, reservation_refused=event)
        case ev.JobParked():
            return replace(job, parked=event)
        case ev.JobClosed():
            return replace(job, closed=event)
        case ev.MoneyReserved():
            attempt = Attempt(event.attempt, event.reservation, event.hold_usd, event.at, event.bundle)
            return replace(job, attempts=(*job.attempts, attempt), reservation_refused=None)
        case _:
            return _evolve_attempt(job, event)


def _evolve_attempt(job: Job, event: ev.Event) -> Job:
    number: int = getattr(event, "attempt", 0)
    attempts = tuple(_after(a, event, job) if a.number == number else a for a in job.attempts)
    return replace(job, attempts=attempts)


def _after(a: Attempt, event: ev.Event, job: Job) -> Attempt:
    match event:
        case ev.LaunchIntended():
            return replace(a, intent=event)
        case ev.MachineCreated() | ev.MachineFound():
            return replace(a, machine=a.machine or event.machine, created_at=a.created_at or event.at)
        case ev.RateChanged():
            return replace(a, rates=(*a.rates, event))
        case ev.LaunchRefused():
            return replace(a, refused=event)
        case ev.CreateAmbiguous():
            return replace(a, ambiguous=a.ambiguous or event)
        case ev.NeverSeen():
            return replace(a, never_seen=True)
        case ev.SurplusFound():
            seen = a.surplus_seen | {event.machine.id}
            return replace(a, surplus=(*a.surplus, event.machine), surplus_seen=seen)
        case ev.SurplusGone():
            until = billed_until(event, a.request, ends_itself=job.ends_itself)
            cost = sum((_surplus_cost(a, m, until) for m in a.surplus if m.id == event.machine_id), ZERO)
            left = tuple(m for m in a.surplus if m.id != event.machine_id)
            return replace(a, surplus=left, surplus_usd=a.surplus_usd + cost)
        case ev.AttemptEnded():
            return replace(a, ended=event)
        case ev.MarkerSeen():
            return a if a.marker else replace(a, marker=event.marker, marker_first=job.stop is None and a.end is None)
        case _:
            return _after_work(a, event, job)


def _surplus_cost(a: Attempt, machine: Machine, until: datetime) -> Decimal:
    offer = a.request.offer if a.request else None
    rate = machine.rate_usd_per_hour or (offer.rate_usd_per_hour if offer else ZERO)
    disk = offer.disk_usd_per_hour if offer else ZERO
    return accrued(rate + disk, (until - machine.first_seen).total_seconds())


def _after_work(a: Attempt, event: ev.Event, job: Job) -> Attempt:
    match event:
        case ev.WorkStarted():
            return replace(a, started=a.started or event)
        case ev.EndDecided():
            return replace(a, end=a.end or event)
        case ev.TerminateAccepted():
            return replace(a, terminate_accepted=a.terminate_accepted or event.at)
        case ev.GoneProved():
            until = billed_until(event, a.request, ends_itself=job.ends_itself)
            return a if a.gone else replace(a, gone=event.proof, billed_until=until)
        case ev.ResultCollected():
            return replace(a, collected=a.collected or event)
        case ev.MarkerAbsent():
            return replace(a, marker_absent=a.marker_absent or event)
        case ev.StorageUnreadable():
            return replace(a, storage_unreadable=True)
        case _:  # an event of another stream, or of a writer newer than this
            return a
