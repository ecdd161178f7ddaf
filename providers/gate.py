"""The way out to one surface of a provider: terminate > list > proof > rest. Who may not go is not sent at all.

Terminates wait for nothing: neither for a turn nor for a breaker. Nor do their failures count for it, since they go out
however often and would keep it shut for everybody else.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from providers.breaker import Breaker
from providers.seams import ProviderClock
from providers.transport import TransportError


class Priority(IntEnum):
    """What a call is for; lower goes first."""

    TERMINATE = 0
    LIST = 1
    PROOF = 2
    REST = 3


class NotAdmitted(TransportError):
    """The call was not sent: something holds it back for ``wait_s``. Nothing left this computer."""

    def __init__(self, detail: str, wait_s: float) -> None:
        super().__init__(detail)
        self.wait_s = wait_s


class Pacer(Protocol):
    """Knows what the surface lets through."""

    def wait_s(self, priority: Priority, now: float) -> float:
        """Return 0 when a call of this priority may go out now (monotonic), else the seconds until it may."""
        ...


class Gate:
    """One surface's breaker and pacer."""

    def __init__(self, clock: ProviderClock, pacer: Pacer, busy: str) -> None:
        """``busy`` says in words why a call that came too late for its patience was held back."""
        self._clock = clock
        self._pacer = pacer
        self._busy = busy
        self._breaker = Breaker()

    async def admitted(self, priority: Priority, patience_s: float) -> None:
        """Wait for a call's turn, so long at most. Raises NotAdmitted."""
        give_up = self._clock.monotonic() + patience_s
        while priority is not Priority.TERMINATE:
            now = self._clock.monotonic()
            held_s = self._breaker.wait_s(now)
            if held_s > 0:
                raise NotAdmitted("it has not answered for a while", held_s)
            wait_s = self._pacer.wait_s(priority, now)
            if wait_s <= 0:
                return
            if now + wait_s > give_up:
                raise NotAdmitted(self._busy, wait_s)
            await self._clock.sleep(wait_s)

    def wait_s(self, priority: Priority) -> float:
        """Return 0 when a call of this priority may go out now, else the seconds until it may be asked again."""
        now = self._clock.monotonic()
        return max(self._breaker.wait_s(now), self._pacer.wait_s(priority, now))

    def sending(self, priority: Priority) -> None:
        """Say that an admitted call goes out now."""
        if priority is not Priority.TERMINATE:
            self._breaker.sending(self._clock.monotonic())

    def failed(self, priority: Priority) -> None:
        """Say that no answer came."""
        if priority is not Priority.TERMINATE:
            self._breaker.failed(self._clock.monotonic())

    def succeeded(self) -> None:
        """Say that an answer came, whatever it was."""
        self._breaker.succeeded()
