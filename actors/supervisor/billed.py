"""Until when a machine is taken to have billed, once it is proven gone. Pure.

To the accepted delete or the first absence (design.md 8). Nobody can have seen the end of a machine that ended itself
while the daemon was down, and its first absence may be days later. Where machines are proven to end themselves it was
gone by its own timer, and no call of ours ended it, so it is booked no longer than that: this is what its hold pays
for. Where that is unproven it may have billed to the day it was looked for, so it is booked to that day, beyond the
hold and even the budget (ADR 0015). The provider's bill has the last word either way.
"""

from __future__ import annotations

from datetime import datetime

from actors.ledger.holds import AFTER_SOFT_S
from messages.base import seconds
from messages.events import GoneProved, SurplusGone
from messages.machines import LaunchRequest


def own_end(request: LaunchRequest) -> datetime:
    """Return when a machine that ends itself is gone at the latest: 300 s after its soft deadline (design.md 9.1)."""
    return min(request.hard_deadline, request.soft_deadline + seconds(AFTER_SOFT_S))


def billed_until(end: GoneProved | SurplusGone, request: LaunchRequest | None, *, ends_itself: bool) -> datetime:
    """Return until when the machine of ``end`` billed; ``request`` is its create, ``ends_itself`` whether that is
    proven for its account.
    """
    absent_since = end.proof.absent_since
    if end.accepted_at is not None:
        return min(end.accepted_at, absent_since)
    if request is None or not ends_itself:
        return absent_since
    by_itself = own_end(request)
    return min(absent_since, max(by_itself, end.alive_at or by_itself))
