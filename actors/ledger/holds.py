"""How much is held, and how long that lasts (design.md 8).

With r' the price per second of machine and disk, G what a surplus machine could cost before it is found (nothing
where creates are idempotent) and F fixed costs, the log's at their most among them (its files in r', its bytes in F)::

    hold = r' × (S − now + 300 s) + G + F            S = soft deadline

Its inverse turns a cap into the longest time the work may get, so that a cap holds even with the daemon dead
where the machine ends itself.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

from messages.machines import LogPrice, Offer, Timings
from messages.money import HOUR_SECONDS, ceil_micro

AFTER_SOFT_S = 300.0
"""From the soft to the hard deadline: everything a machine may still bill after its work must have stopped."""
SURPLUS_FOUND_S = 90.0
"""A surplus machine is dead this long after it becomes visible."""
TRAIN_AT_LEAST_S = 120.0
CHECKPOINT_S = 60.0
"""Time to write a checkpoint before the kill; also the longest SIGTERM lead."""


class Terms(NamedTuple):
    """What an offer costs and how its provider behaves, as far as money is concerned."""

    rate_usd_per_hour: Decimal
    """Machine and disk."""
    fixed_usd: Decimal
    surplus_s: float
    """How long an unnoticed second machine could bill; 0 where creates are idempotent."""
    expected_start_s: float
    log: LogPrice | None = None
    """Held at its most; what is expected and settled has nothing of it, or what was measured."""
    least_s: float = 0.0
    """What lives shorter is billed for so long."""

    @classmethod
    def of(cls, offer: Offer, timings: Timings) -> Terms:
        """Return the terms of ``offer`` at a provider with ``timings``."""
        surplus_s = 0.0 if timings.creates_are_idempotent else timings.quiet_s + SURPLUS_FOUND_S
        rate = offer.rate_usd_per_hour + offer.disk_usd_per_hour
        return cls(rate, offer.fixed_usd, surplus_s, timings.expected_start_s, offer.log, offer.least_s)

    @property
    def rate_max(self) -> Decimal:
        """Dollars an hour, at most."""
        return self.rate_usd_per_hour + (self.log.usd_per_hour_max if self.log else 0)

    @property
    def fixed_max(self) -> Decimal:
        """What does not depend on time, at most."""
        return self.fixed_usd + (self.log.bytes_usd_max if self.log else 0)


def _cost(terms: Terms, seconds: float) -> Decimal:
    return terms.rate_max * Decimal(str(seconds)) / HOUR_SECONDS


def hold(terms: Terms, seconds_to_soft: float) -> Decimal:
    """Return what must be held so that the work may run until ``seconds_to_soft`` from now."""
    return ceil_micro(_cost(terms, seconds_to_soft + AFTER_SOFT_S + terms.surplus_s) + terms.fixed_max)


def seconds_affordable(terms: Terms, available_usd: Decimal) -> float:
    """Return how far away the soft deadline may lie when ``available_usd`` is all there is; may be negative."""
    left = available_usd - terms.fixed_max - _cost(terms, terms.surplus_s)
    if terms.rate_max == 0:
        return math.inf if left >= 0 else -math.inf
    return float(left * HOUR_SECONDS / terms.rate_max) - AFTER_SOFT_S


def seconds_needed(terms: Terms) -> float:
    """Return the least time that is worth renting for: start, some training, a checkpoint."""
    return terms.expected_start_s + TRAIN_AT_LEAST_S + CHECKPOINT_S


def smallest_cap(terms: Terms) -> Decimal:
    """Return the smallest cost limit that leaves ``seconds_needed``; named in E-CAPTOOSMALL."""
    return hold(terms, seconds_needed(terms))
