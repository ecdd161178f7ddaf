"""What is kept in stores that charge for it: paid day by day, and held until the month ends. Pure.

A store charges for what lies in it at each moment; it is measured once a day, and a day costs what was measured at its
size. Days that nobody measured cost what the day before them did.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from actors.ledger.requests import BookStored
from actors.ledger.state import LedgerState
from messages import events as ev
from messages.ids import UserId
from messages.machines import GIGABYTE
from messages.money import ZERO, ceil_micro, usd

DAYS_MAX: Final = 31
"""Days that are paid for late, where nobody measured for longer."""


class Space(NamedTuple):
    """How much is kept, and what a gigabyte costs a month."""

    size_bytes: int
    usd_per_gb_month: Decimal

    @property
    def usd_per_month(self) -> Decimal:
        """Dollars a month, exact."""
        return self.usd_per_gb_month * self.size_bytes / GIGABYTE

    def usd_on(self, day: date) -> Decimal:
        """Return what it costs on one day, exact."""
        return self.usd_per_month / monthrange(day.year, day.month)[1]


def stored_entries(state: LedgerState, asked: BookStored, now: datetime) -> list[ev.LedgerEvent]:
    """Return what to append for one measuring of a store: nothing for who keeps nothing, or has paid for today."""
    sizes: dict[UserId, int] = {user: 0 for user, provider in state.stored if provider == asked.provider}
    sizes |= {kept.user_id: kept.size_bytes for kept in asked.users}
    return [event for user, size in sorted(sizes.items()) for event in _stored(state, asked, user, size, now)]


def _stored(state: LedgerState, asked: BookStored, user: UserId, size_bytes: int, now: datetime) -> Iterator[ev.Stored]:
    today = state.day(now)
    last = state.stored.get((user, asked.provider))
    if last is not None and (last.day >= today or last.size_bytes == size_bytes == 0):
        return
    before = _unpaid(last, today - timedelta(days=1)) if last else ZERO
    yield ev.Stored(
        user_id=user,
        provider=asked.provider,
        day=today,
        size_bytes=size_bytes,
        usd_per_gb_month=asked.usd_per_gb_month,
        prices_as_of=asked.prices_as_of,
        amount_usd=usd(before + Space(size_bytes, asked.usd_per_gb_month).usd_on(today)),
        rented=asked.rented,
        at=now,
    )


def held_usd(stored: Mapping[tuple[UserId, str], ev.Stored], user: UserId | None, last: date) -> Decimal:
    """Return what one user's storage, or everybody's, will have cost until the end of ``last`` and is not paid yet."""
    mine: Iterable[ev.Stored] = (event for (who, _), event in stored.items() if user in (None, who))
    return sum((ceil_micro(_unpaid(event, last)) for event in mine), ZERO)


def _unpaid(event: ev.Stored, last: date) -> Decimal:
    """Return what the days after the one paid for cost, until the end of ``last``."""
    space = Space(event.size_bytes, event.usd_per_gb_month)
    days = min(max(0, (last - event.day).days), DAYS_MAX)
    return sum((space.usd_on(last - timedelta(days=back)) for back in range(days)), ZERO)
