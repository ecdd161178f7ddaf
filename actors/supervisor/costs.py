"""What an attempt cost, once it is over. Pure."""

from __future__ import annotations

from decimal import Decimal

from actors.supervisor.state import Attempt
from messages import events as ev
from messages.machines import Offer
from messages.money import ZERO


def attempt_ended(attempt: Attempt) -> ev.AttemptEnded:
    """Return the end of an attempt's books: billed from the intent to the accepted delete or the first absence."""
    surplus = attempt.surplus_usd
    if attempt.machine is None or attempt.intent is None or attempt.billed_until is None:
        return ev.AttemptEnded(
            attempt=attempt.number, rate_usd_per_hour=ZERO, fixed_usd=ZERO, surplus_usd=surplus, cost_usd=surplus
        )
    offer = attempt.intent.request.offer
    rate = attempt.rate_usd_per_hour + offer.disk_usd_per_hour
    began = attempt.intent.at
    until = max(began, attempt.billed_until)
    fixed_usd = offer.fixed_usd + _log_usd(attempt, offer, (until - began).total_seconds())
    cost = attempt.billed_usd(until) + fixed_usd + surplus
    return ev.AttemptEnded(
        attempt=attempt.number,
        billed_from=began,
        billed_until=until,
        rate_usd_per_hour=rate,
        fixed_usd=fixed_usd,
        surplus_usd=surplus,
        cost_usd=cost,
    )


def _log_usd(attempt: Attempt, offer: Offer, lived_s: float) -> Decimal:
    """Return what the attempt's log cost: as the wrapper counted it, or else as it lies in the job folder.

    Where nobody counted it is the most it can be.
    """
    if offer.log is None or attempt.started is None:
        return ZERO
    most = offer.log.usd_max(lived_s)
    counted = attempt.marker or attempt.marker_absent
    if counted is None or counted.log_files is None or counted.log_bytes is None:
        return most
    return min(most, offer.log.usd(counted.log_files, counted.log_bytes))
