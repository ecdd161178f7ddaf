"""Bills on their way into the books: a few at a time, so that nobody's reservation waits for a whole reading."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime

from actors.ledger.billing import corrections
from actors.ledger.requests import JobBill
from actors.ledger.state import LedgerState
from messages import events as ev
from messages.ids import JobId

SLICE_BILLS = 32
"""Bills booked between two other messages, in one append: whole, or not at all."""


class Bookings:
    """The bills of one reading that are not booked yet, and who waits for them.

    What is booked of a bill follows from it and from the books as they are then. So a reading that was broken off, by a
    crash or by a disk that takes nothing, is booked by the next one: what was booked of it already adds nothing.
    """

    def __init__(self, bills: Iterable[JobBill]) -> None:
        self._left = deque(bills)
        self._corrected = 0
        self._done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def over(self) -> int:
        """Wait until all is booked and return the number of corrections. Raises what broke it off."""
        return await asyncio.shield(self._done)

    def next(self, state: LedgerState, now: datetime) -> list[ev.LedgerEvent]:
        """Take the next few bills, no job twice among them, and return what to append for them."""
        events: list[ev.LedgerEvent] = []
        taken: set[JobId] = set()
        while self._left and len(taken) < SLICE_BILLS and self._left[0].job_id not in taken:
            bill = self._left.popleft()
            taken.add(bill.job_id)
            events += corrections(state, bill, now)
        return events

    def booked(self, events: Iterable[ev.LedgerEvent]) -> bool:
        """Take note that these were appended; return whether that was all."""
        self._corrected += sum(1 for event in events if isinstance(event, ev.Corrected))
        if not self._left:
            self._done.set_result(self._corrected)
        return not self._left

    def broken(self, error: Exception) -> None:
        """Take note that the rest will not be booked, and why."""
        self._left.clear()
        self._done.set_exception(error)
        self._done.exception()  # who asked may be gone
