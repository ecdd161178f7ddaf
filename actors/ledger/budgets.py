"""Budgets: what a day, a month, a user and the whole may cost. Pure.

A reservation is only made when, for every budget, spent + reserved + the new hold stays within the limit: so the
limit holds at every commit, whatever the machines do.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from actors.ledger.standing import held_usd
from actors.ledger.state import LedgerState
from messages.base import Record
from messages.ids import UserId
from messages.money import ZERO, Usd, human

WARNING_SHARE = Decimal("0.8")
"""Share of a budget at which people are warned, unless the configuration names another; at 100 % nothing new starts."""
HALF = Decimal("0.5")
"""A budget half used is always said."""


class Budgets(Record):
    """Limits in US dollars; ``None`` means no limit."""

    per_day_usd: Usd | None = None
    per_month_usd: Usd | None = None
    total_usd: Usd | None = None
    per_user_per_day_usd: Usd | None = None
    per_user_per_month_usd: Usd | None = None
    per_user_total_usd: Usd | None = None
    warning_share: Decimal = WARNING_SHARE
    """Spent and held as a share of a limit, from which on it is called nearly used up."""


class Window(NamedTuple):
    """One budget as it stands."""

    name: str
    limit_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    warning_share: Decimal = WARNING_SHARE

    @property
    def left_usd(self) -> Decimal:
        """What may still be reserved."""
        return max(ZERO, self.limit_usd - self.spent_usd - self.reserved_usd)

    @property
    def warning(self) -> str:
        """Say which share is used up, from the half or the warning share on; empty before."""
        if self.limit_usd == 0:
            return "no money is allowed"
        used = (self.spent_usd + self.reserved_usd) / self.limit_usd
        if used >= 1:
            return "used up"
        shares = sorted((self.warning_share, HALF), reverse=True)
        return next((f"{share:.0%} used or more" for share in shares if used >= share), "")


def windows(state: LedgerState, budgets: Budgets, user: UserId, now: datetime) -> list[Window]:
    """Return every budget that applies to ``user`` at ``now``; what is stored is held until the month ends."""
    today = state.day(now)
    first = today.replace(day=1)
    last = _month_end(first)
    rows = (
        ("day", budgets.per_day_usd, today, today, None),
        ("month", budgets.per_month_usd, first, last, None),
        ("total", budgets.total_usd, date.min, date.max, None),
        ("your day", budgets.per_user_per_day_usd, today, today, user),
        ("your month", budgets.per_user_per_month_usd, first, last, user),
        ("your total", budgets.per_user_total_usd, date.min, date.max, user),
    )
    return [
        Window(
            name,
            limit,
            state.spent_between(begin, end, who),
            state.reserved_for(who) + held_usd(state.stored, who, min(end, last)),
            budgets.warning_share,
        )
        for name, limit, begin, end, who in rows
        if limit is not None
    ]


def _month_end(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def refuse(
    state: LedgerState, budgets: Budgets, user: UserId, hold_usd: Decimal, now: datetime, needs: str = ""
) -> str | None:
    """Return why ``hold_usd`` may not be reserved or spent, or ``None`` when it may; ``needs`` says what for."""
    for window in windows(state, budgets, user, now):
        if hold_usd > window.left_usd:
            return (
                f"{needs or f'This job needs {human(hold_usd)} held'}, and the budget of {human(window.limit_usd)} "
                f"({window.name}) has {human(window.left_usd)} left."
            )
    return None
