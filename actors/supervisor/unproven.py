"""An end that was asked for and is not proven: what people are told of it, and its alarm beside the end itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from actors.alarms import raise_alarm
from actors.journal.interface import Journal
from actors.runtime.world import Clock
from messages import events as ev
from messages.machines import Machine
from messages.money import accrued, human

CODE = "E-UNPROVEN"
WORDS_CHARS_MAX = 200
"""Of a provider's own words."""


class Unproven(NamedTuple):
    """A machine that was asked to end and is not proven gone."""

    machine: Machine
    asked_s: float
    """How long ago it was first asked to end."""
    looked: str
    """What the last look showed; empty while none is done."""
    trouble: str
    """Why the last call was not answered; empty when it was."""

    @property
    def words(self) -> str:
        """What happened, what it costs, whether it runs, and what to do."""
        rate, minutes = self.machine.rate_usd_per_hour, max(1, round(self.asked_s / 60))
        seen = self.looked[:WORDS_CHARS_MAX] or "the look is not done"
        call = f"; the last call failed: {self.trouble[:WORDS_CHARS_MAX]}" if self.trouble else ""
        cost = "at a price nobody told"
        if rate is not None:
            cost = f"at {human(rate)}/h, {human(accrued(rate, self.asked_s))} since then"
        return (
            f"Machine {self.machine.name} (id {self.machine.id}) was told to end {minutes} min ago and is not proven "
            f"gone: {seen}{call}. It counts as running and billing, {cost}. Lastcall goes on asking and proving; "
            "if it shows in the provider's console, end it there."
        )


class EndAlarm:
    """The alarm of one end, written beside it: ends never wait for the disk. The proof ends it."""

    def __init__(self, journal: Journal, clock: Clock, log: Callable[..., Any], actor: str) -> None:
        self._journal = journal
        self._clock = clock
        self._log = log
        self._actor = actor
        self._writing: list[asyncio.Task[None]] = []

    def __call__(self, found: Unproven) -> None:
        """Raise it, or say anew how it stands."""
        alarm = ev.AlarmRaised(
            alarm=ev.END_UNPROVEN,
            subject=found.machine.id,
            code=CODE,
            detail=found.words,
            at=self._clock.now(),
        )
        writing = raise_alarm(self._journal, self._clock, self._log, alarm, self._actor)
        self._writing.append(asyncio.create_task(writing, name=f"alarm {found.machine.id}"))

    async def written(self) -> None:
        """Wait until all that was raised is in the journal, so that the proof comes after it."""
        await asyncio.gather(*self._writing)

    def close(self) -> None:
        """Give up what is not written."""
        for writing in self._writing:
            writing.cancel()
