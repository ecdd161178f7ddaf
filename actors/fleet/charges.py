"""What a machine that was found late cost, beyond what its job has booked for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from actors.supervisor.billed import billed_until
from messages import events as ev
from messages.base import seconds
from messages.machines import Machine
from messages.money import ZERO, accrued


def late_cost(job: Sequence[ev.Event], machine: Machine, seen_at: datetime, until: datetime) -> Decimal:
    """Return what ``machine``, as it was seen at ``seen_at``, cost until ``until``, in dollars.

    ``job`` is the stream of the job it was rented for. What that job paid for is not counted again: nothing while the
    attempt is still to be settled, and only the time after its proof where a machine comes back that was proven gone.
    A machine at no known price costs nothing here.
    """
    intent = next((e for e in job if isinstance(e, ev.LaunchIntended) and e.request.name == machine.name), None)
    began = _began(job, intent, machine, seen_at)
    booked = _booked_until(job, intent, machine, until)
    offer = intent.request.offer if intent else None
    rate = machine.rate_usd_per_hour or (offer.rate_usd_per_hour if offer else ZERO)
    disk = offer.disk_usd_per_hour if offer else ZERO
    return accrued(rate + disk, (until - max(began, booked or began)).total_seconds())


def _began(job: Sequence[ev.Event], intent: ev.LaunchIntended | None, machine: Machine, seen_at: datetime) -> datetime:
    """Return since when a machine is taken to bill.

    That is its intent, since it may have been made at once; or the last proof that nothing of its name was there.
    Without an intent there is only what was seen of it, and what the provider says of its age.
    """
    seen = min(machine.first_seen, seen_at - seconds(machine.uptime_s or 0.0))
    if intent is None:
        return min(seen, machine.made_at or seen)
    return max(intent.at, min(seen, max((intent.at, *_absences(job, intent.attempt)))))


def _absences(job: Sequence[ev.Event], attempt: int) -> Iterator[datetime]:
    """Yield when the complete listings began that showed nothing of an attempt's name."""
    for event in job:
        match event:
            case ev.NeverSeen(attempt=number) if number == attempt:
                yield event.listing_began
            case ev.GoneProved(attempt=number) | ev.SurplusGone(attempt=number) if number == attempt:
                yield event.proof.listing_began


def _booked_until(
    job: Sequence[ev.Event], intent: ev.LaunchIntended | None, machine: Machine, until: datetime
) -> datetime | None:
    """Return until when the job pays for the machine; ``None`` when it knows nothing of it."""
    adopted = {
        e.attempt for e in job if isinstance(e, ev.MachineCreated | ev.MachineFound) and e.machine.id == machine.id
    }
    surplus = any(isinstance(e, ev.SurplusFound) and e.machine.id == machine.id for e in job)
    for event in job:
        match event:
            case ev.AttemptEnded(attempt=number) if number in adopted:
                return event.billed_until
            case ev.SurplusGone(machine_id=machine.id):
                return billed_until(event, intent.request if intent else None, ends_itself=_ends_itself(job))
    return until if adopted or surplus else None


def _ends_itself(job: Sequence[ev.Event]) -> bool:
    return any(isinstance(e, ev.JobQueued) and e.plan.self_termination == "proven" for e in job)


def machines_of(job: Iterable[ev.Event]) -> tuple[str, ...]:
    """Return the ids of all machines that a job's stream knows, in the order they were seen."""
    made = (e.machine.id for e in job if isinstance(e, ev.MachineCreated | ev.MachineFound | ev.SurplusFound))
    return tuple(dict.fromkeys(made))
