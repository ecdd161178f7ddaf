"""Is it the machine that was asked for, and how long does the money last at its price? Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from actors.ledger.holds import Terms, seconds_affordable
from actors.supervisor.state import Attempt
from messages.base import seconds
from messages.machines import LaunchRequest, Machine, Offer, Timings

PRICE_TOLERANCE = Decimal("1.1")
"""A machine up to a tenth dearer than agreed is kept: prices move by cents, and the held money still bounds it."""
_NEVER = datetime.max.replace(tzinfo=UTC)


def mismatch(machine: Machine, offer: Offer) -> str | None:
    """Return in one sentence how a machine as it was made differs from its offer, or ``None``.

    What the provider does not say is not held against the machine.
    """
    rate = machine.rate_usd_per_hour
    if rate is not None and rate > offer.rate_usd_per_hour * PRICE_TOLERANCE:
        return f"It costs ${rate}/h where ${offer.rate_usd_per_hour}/h was agreed."
    if machine.machine_type is not None and machine.machine_type != offer.machine_type:
        return f"It is {machine.machine_type} where {offer.machine_type} was asked for."
    if offer.gpu and machine.gpu_count is not None and machine.gpu_count != offer.gpu_count:
        return f"It has {machine.gpu_count} GPUs where {offer.gpu_count} were asked for."
    if machine.place is not None and machine.place != offer.place:
        return f"It is in {machine.place} where {offer.place} was asked for."
    return None


def money_deadline(attempt: Attempt, request: LaunchRequest, timings: Timings) -> datetime:
    """Return until when the hold pays for the work at a price that is not the offer's; never while it is.

    The offer's own price is held by the soft deadline already.
    """
    rate = attempt.rate_usd_per_hour
    if attempt.intent is None or (not attempt.rates and rate <= request.offer.rate_usd_per_hour):
        return _NEVER
    since = attempt.rates[-1].at if attempt.rates else attempt.intent.at
    offer = request.offer.model_copy(update={"rate_usd_per_hour": rate})
    left_usd = attempt.hold_usd - attempt.accrued_usd(since)
    span_s = seconds_affordable(Terms.of(offer, timings), left_usd)
    hard = request.hard_deadline
    return min(hard, since + seconds(min(span_s, (hard - since).total_seconds())))
