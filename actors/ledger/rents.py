"""What the provider's bill says of a store that is rented at a size: day by day, as its hours come. Pure.

What was booked for a day is the list price; the bill is the last word, but only where it speaks: days without lines
keep what was booked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from actors.ledger.billing import BILL_LAG_S, CHANGES_S, PARTIAL_AFTER_S
from actors.ledger.requests import BookRentBill, RentLine
from actors.ledger.state import LedgerState, Rent
from messages import events as ev
from messages.base import seconds
from messages.money import usd


def bill_from(state: LedgerState, provider: str, now: datetime) -> datetime | None:
    """Return from when on the bill must be read for all days that it may be new for; ``None``: for none."""
    return min((_midnight(state, rent.first) for rent in _open(state, provider, now)), default=None)


def rent_entries(state: LedgerState, asked: BookRentBill, now: datetime) -> list[ev.LedgerEvent]:
    """Return what to append for a reading of the bill; nothing for days whose bill is not whole or says the same."""
    found: list[ev.LedgerEvent] = []
    for rent in _open(state, asked.provider, now):
        ended = _midnight(state, rent.last + timedelta(days=1))
        lines = [line for line in asked.lines if _midnight(state, rent.first) <= line.began < ended]
        if not _is_whole(lines, ended, now):
            continue
        billed_usd = usd(sum((line.amount_usd for line in lines), Decimal(0)))
        if billed_usd == rent.billed_usd:
            continue
        event = ev.StoredBilled(
            user_id=rent.user_id,
            provider=asked.provider,
            first=rent.first,
            last=rent.last,
            billed_usd=billed_usd,
            difference_usd=billed_usd - rent.booked_usd,
            at=now,
        )
        found.append(event)
    return found


def _open(state: LedgerState, provider: str, now: datetime) -> Iterator[Rent]:
    """Yield the days whose bill may be complete by now, or may have changed."""
    for rent in state.rents.get(provider, ()):
        age_s = (now - _midnight(state, rent.last + timedelta(days=1))).total_seconds()
        if age_s >= BILL_LAG_S and (rent.billed_usd is None or age_s <= CHANGES_S):
            yield rent


def _is_whole(lines: Sequence[RentLine], ended: datetime, now: datetime) -> bool:
    """Nothing can come any more: the last hour is there, or is so late that the store was gone by then."""
    if not lines:
        return False
    return max(line.ended for line in lines) >= ended or now >= ended + seconds(PARTIAL_AFTER_S)


def _midnight(state: LedgerState, day: date) -> datetime:
    """Return when a day of the budgets begins."""
    return datetime.combine(day, time(), state.zone).astimezone(UTC)
