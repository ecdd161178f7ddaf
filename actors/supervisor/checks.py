"""Is it the machine that was asked for, and how long does the money last at its price? Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from actors.ledger.holds import Terms, seconds_affordable
from actors.supervisor.state import Attempt
from messages.base import seconds
from messages.machines import LaunchRequest, Machine, Offer, Timings

_NEVER = datetime.max.replace(tzinfo=UTC)


def mismatch(machine: Machine, offer: Offer) -> str | None:
    """Return in one sentence how a machine as it was made differs from its offer, or ``None``.

    What the provider does not say is not held against the machine.
    """
    rate = machine.rate_usd_per_hour
    if rate is not None and rate > offer.rate_usd_per_hour:
        return f"It costs ${rate}/h where ${offer.rate_usd_per_hour}/h was agreed."
    if machine.machine_type is not None and machine.machine_type != offer.machine_type:
        return f"It is {machine.machine_type} where {offer.machine_type} was asked for."
    if offer.gpu and machine.gpu_count is not None and machine.gpu_count != offer.gpu_count:
        return f"It has {machine.gpu_count} GPUs where {offer.gpu_count} were asked for."
    if machine.place is not None and machine.place != offer.place:
        return f"It is in {machine.place} where {offer.place} was asked for."
    return None


def money_deadline(attempt: Attempt, request: LaunchRequest, timings: Timings) -> datetime:
    """Return until when the hold pays for the work since the price last changed; never while it has not.

    The price at which a machine was made is held by its soft deadline already.
    """
    if not attempt.rates:
        return _NEVER
    changed = attempt.rates[-1]
    offer = request.offer.model_copy(update={"rate_usd_per_hour": changed.rate_usd_per_hour})
    left_usd = attempt.hold_usd - attempt.accrued_usd(changed.at)
    span_s = seconds_affordable(Terms.of(offer, timings), left_usd)
    hard = request.hard_deadline
    return min(hard, changed.at + seconds(min(span_s, (hard - changed.at).total_seconds())))
