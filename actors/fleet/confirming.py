"""Since when does an account show no complete list of its machines? Plain bookkeeping, told the time.

Blindness kills and proves nothing, and so it has to be told: machines go on and bill while nobody sees them (faults 6,
7, 8, 9 and 14).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from actors.alarms import end_alarm, raise_alarm
from actors.fleet.messages import Watched
from actors.journal.interface import Journal
from actors.runtime.world import Clock
from messages import events as ev
from messages.machines import Listing, ProviderKind
from messages.money import ZERO, human

UNCONFIRMED_S: Final = 60.0
"""Without a complete list for so long, while machines are open, people are told (fault 8)."""
INTERVALS_MIN: Final = 2.0
"""Where a provider may be asked only seldom: the alarm waits for so many intervals of its list."""
CODE: Final = "E-UNCONFIRMED"
WHY_CHARS_MAX: Final = 200
WRITER: Final = "FleetWatch"


class Confirmation:
    """One account."""

    def __init__(self, kind: ProviderKind, account: str) -> None:
        self._kind = kind
        self._account = account
        self._since_s: float | None = None
        """Since when (monotonic) there is no complete list although machines may be open."""
        self._why = "no list has come yet"
        self._may_stand = True
        """An alarm may stand that the next complete list ends: of this process, or of one before."""
        self._raised = False

    def listed(self, listing: Listing, now_s: float) -> bool:
        """Take a listing; return whether it confirms the account, and an alarm may stand that ends with it."""
        if listing.account != self._account:
            self._why = f"another account answers: {listing.account or 'it does not say which'}"
        elif not listing.complete:
            self._why = "its lists are cut"
        else:
            self._since_s, self._raised = now_s, False
            return self._may_stand
        return False

    def failed(self, detail: str) -> None:
        """Take note of why there was no listing."""
        self._why = detail[:WHY_CHARS_MAX]

    def overdue(self, now_s: float, interval_s: float, *, open_: bool) -> bool:
        """Tell once that no list has confirmed the account for long although machines may be ``open_`` there."""
        if not open_ or self._since_s is None:
            self._since_s = now_s
        span_s = now_s - self._since_s
        if self._raised or span_s < max(UNCONFIRMED_S, INTERVALS_MIN * interval_s):
            return False
        self._raised = self._may_stand = True
        return True

    async def confirm(self, journal: Journal, clock: Clock) -> None:
        """End the alarm, if one stands."""
        await end_alarm(journal, clock, ev.ACCOUNT_UNCONFIRMED, self._account, WRITER)
        self._may_stand = self._raised

    async def tell(self, watched: Iterable[Watched], journal: Journal, clock: Clock, log: Callable[..., Any]) -> None:
        """Raise the alarm."""
        alarm = ev.AlarmRaised(
            alarm=ev.ACCOUNT_UNCONFIRMED,
            subject=self._account,
            code=CODE,
            detail=self.words(tuple(watched), clock.monotonic()),
            at=clock.now(),
        )
        await raise_alarm(journal, clock, log, alarm, WRITER)

    def words(self, watched: tuple[Watched, ...], now_s: float) -> str:
        """Say what happened, what it costs, whether anything runs, and what to do."""
        span_s = now_s - (self._since_s or now_s)
        rates = [one.rate_usd_per_hour for one in watched if one.rate_usd_per_hour is not None]
        total: Decimal = sum(rates, ZERO)
        cost = f" at {human(total)}/h" if rates else ""
        many = f"{len(watched)} machines are" if len(watched) > 1 else "A machine is"
        return (
            f"{self._kind} has given no complete list of the account's machines for {span_s:.0f} s ({self._why}). "
            f"{many} open there{cost}, and what is open counts as running and billing. Nothing is ended or called gone "
            "for this; deadlines and stops are kept as far as calls get through, and Lastcall goes on asking. Check "
            "the provider's key and account: lastcall doctor."
        )
