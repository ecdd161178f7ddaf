"""What a machine that was found late cost, beyond what its job has booked for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from messages import events as ev
from messages.machines import Machine, Offer
from messages.money import ZERO, accrued


def late_cost(job: Sequence[ev.Event], machine: Machine, until: datetime) -> Decimal:
    """Return what ``machine`` cost until ``until``, in dollars; ``job`` is the stream of the job it was rented for.

    What its job paid for is not counted again: nothing while the attempt is still to be settled, and only the time
    after its proof where a machine comes back that was proven gone. A machine at no known price costs nothing here.
    """
    began = max(machine.first_seen, _booked_until(job, machine, until) or machine.first_seen)
    offer = _offer(job, machine)
    rate = machine.rate_usd_per_hour or (offer.rate_usd_per_hour if offer else ZERO)
    disk = offer.disk_usd_per_hour if offer else ZERO
    return accrued(rate + disk, (until - began).total_seconds())


def _offer(job: Sequence[ev.Event], machine: Machine) -> Offer | None:
    intents = (e.request for e in job if isinstance(e, ev.LaunchIntended))
    return next((request.offer for request in intents if request.name == machine.name), None)


def _booked_until(job: Sequence[ev.Event], machine: Machine, until: datetime) -> datetime | None:
    """Return until when the job pays for the machine; ``None`` when it knows nothing of it."""
    known = any(
        isinstance(e, ev.MachineCreated | ev.MachineFound | ev.SurplusFound) and e.machine.id == machine.id for e in job
    )
    if not known:
        return None
    accepted_at: datetime | None = None
    for event in job:
        match event:
            case ev.TerminateAccepted(machine_id=machine.id):
                accepted_at = accepted_at or event.at
            case ev.GoneProved(machine_id=machine.id):
                return min(accepted_at or event.proof.absent_since, event.proof.absent_since)
            case ev.SurplusGone(machine_id=machine.id):
                return min(event.accepted_at or event.proof.absent_since, event.proof.absent_since)
    return until


def machines_of(job: Iterable[ev.Event]) -> tuple[str, ...]:
    """Return the ids of all machines that a job's stream knows, in the order they were seen."""
    made = (e.machine.id for e in job if isinstance(e, ev.MachineCreated | ev.MachineFound | ev.SurplusFound))
    return tuple(dict.fromkeys(made))
