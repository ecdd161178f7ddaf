"""The one way a machine ends, whoever asks for it: ask until it is answered, prove, ask again when it shows alive.

For ever, or as long as whoever asks can wait: only a proof is an end. What was answered is not asked again while
nothing shows the machine, since every call counts against the provider's quota, and proofs need calls too. Whoever ends
a machine is told while it is not proven gone for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from actors.runtime.world import Clock
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S
from actors.supervisor.unproven import Unproven
from messages.machines import Alive, Gone, Machine
from providers.interface import CloudTrainingProvider, EndAnswer, ProviderError, Unavailable

ASK_AGAIN_S: Final = 5.0
"""A machine still alive so long after its end was answered is asked to end anew: an answer can be a lie (fault 5)."""
UNPROVEN_S: Final = (120.0, 600.0)
"""So long after it was first asked to end, a machine that is not proven gone is told of (fault 5)."""
PROVEN_WITHIN_S: Final = 300.0
"""So long a program that is to end itself asks and proves: twice what RunPod's proof of a young pod takes."""


class Ended(NamedTuple):
    """A machine that is gone."""

    proof: Gone
    accepted_at: datetime | None
    """When the call that held was accepted; ``None`` when none was, so that it ended by itself."""
    first_accepted_at: datetime | None
    """When a call was accepted first. A second machine of a name counts as alive while the first one is."""
    alive_at: datetime | None
    """When it showed alive last; ``None`` when it never did while it was asked to end."""


class NotProven(NamedTuple):
    """A machine whose end is not proven though time is up."""

    looked: str
    """What the last look showed; empty while none was done."""
    trouble: str
    """Why the last call was not answered; empty when it was."""

    @property
    def words(self) -> str:
        """Both, for people."""
        call = f"; the last call failed: {self.trouble}" if self.trouble else ""
        return f"not proven gone: {self.looked or 'the look is not done'}{call}"


class Asked(NamedTuple):
    """A call that was answered."""

    at: datetime
    accepted: bool
    """``False``: there was no machine to end."""

    @property
    def accepted_at(self) -> datetime | None:
        """When it was accepted."""
        return self.at if self.accepted else None


async def ask(training: CloudTrainingProvider, clock: Clock, machine: Machine) -> Asked:
    """Ask for the end of ``machine`` once. Raises ProviderError, OSError, TimeoutError where nothing was answered."""
    answer = await training.terminate(machine.id)
    return Asked(clock.now(), answer is EndAnswer.ACCEPTED)


async def until_gone(
    training: CloudTrainingProvider,
    clock: Clock,
    machine: Machine,
    log: Callable[..., Any],
    *,
    asked: Asked | None = None,
    accepted: Callable[[datetime], None] = lambda _: None,
    unproven: Callable[[Unproven], None] = lambda _: None,
) -> Ended:
    """Return once ``machine`` is proven gone. ``asked`` is an earlier answer, ``accepted`` hears of new acceptances.

    "There is none" answers a call as well, and is no acceptance: nobody knows since when there is none. ``unproven``
    hears of an end that takes long, at each time of ``UNPROVEN_S``.
    """
    return await _Course(training, clock, machine, log, asked, accepted).watched(unproven)


async def gone_within(
    training: CloudTrainingProvider,
    clock: Clock,
    machine: Machine,
    within_s: float = PROVEN_WITHIN_S,
    *,
    asked: Asked | None = None,
    unproven: Callable[[Unproven], None] = lambda _: None,
) -> Ended | NotProven:
    """Go on until ``machine`` is proven gone or ``within_s`` is up: the same, for a program that does not stay."""
    course = _Course(training, clock, machine, lambda *_, **__: None, asked, lambda _: None)
    ending = asyncio.create_task(course.watched(unproven), name=f"ends {machine.id}")
    late = asyncio.create_task(clock.sleep(max(0.0, within_s)), name=f"waits {machine.id}")
    try:
        await asyncio.wait({ending, late}, return_when=asyncio.FIRST_COMPLETED)
        return ending.result() if ending.done() else course.not_proven()
    finally:
        for task in (ending, late):
            task.cancel()
        await asyncio.gather(ending, late, return_exceptions=True)


class _Course:
    """The end of one machine under way."""

    def __init__(
        self,
        training: CloudTrainingProvider,
        clock: Clock,
        machine: Machine,
        log: Callable[..., Any],
        asked: Asked | None,
        accepted: Callable[[datetime], None],
    ) -> None:
        self._training = training
        self._clock = clock
        self._machine = machine
        self._log = log
        self._accepted = accepted
        self._asked = asked
        self._first = asked.accepted_at if asked else None
        self._since = asked.at if asked else clock.now()
        self._alive_at: datetime | None = None
        self._trouble = ""
        """Why the last call was not answered; empty while the last one was."""
        self._looked = ""
        """What the last look showed."""
        self._resists = False
        """A call failed, or it showed alive after one that was answered: it is no mere matter of waiting."""

    async def watched(self, tell: Callable[[Unproven], None]) -> Ended:
        """Ask and prove, and tell of it while it takes long."""
        watch = asyncio.create_task(self._watch(tell), name=f"unproven {self._machine.id}")
        try:
            return await self._run()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    def not_proven(self) -> NotProven:
        """Return how it stands."""
        return NotProven(self._looked, self._trouble)

    async def _run(self) -> Ended:
        """Ask and prove."""
        wait_s = BACKOFF_FIRST_S
        while True:
            pause_s = wait_s
            if self._asked is None:
                pause_s = await self._ask(wait_s)
            proof = await self._training.prove_gone(self._machine)
            if isinstance(proof, Gone):
                return Ended(proof, self._asked.accepted_at if self._asked else None, self._first, self._alive_at)
            self._log("not_gone_yet", machine=self._machine.id, detail=proof.detail)
            self._looked = proof.detail
            if isinstance(proof, Alive):
                self._shows_alive()
            await self._clock.sleep(pause_s)
            wait_s = min(BACKOFF_MAX_S, wait_s * 2)

    async def _ask(self, wait_s: float) -> float:
        """Ask once; return how long to wait before asking again where it was not answered."""
        try:
            self._asked = await ask(self._training, self._clock, self._machine)
        except (ProviderError, OSError, TimeoutError) as error:
            self._log("terminate_failed", machine=self._machine.id, error=str(error))
            self._trouble, self._resists = str(error) or type(error).__name__, True
            wished_s = error.retry_after_s if isinstance(error, Unavailable) else 0.0
            return min(BACKOFF_MAX_S, max(wait_s, wished_s))
        self._trouble = ""
        if self._asked.accepted:
            self._first = self._first or self._asked.at
            self._accepted(self._asked.at)
        return wait_s

    def _shows_alive(self) -> None:
        self._alive_at = self._clock.now()
        if self._asked is not None and (self._alive_at - self._asked.at).total_seconds() >= ASK_AGAIN_S:
            self._asked, self._resists = None, True

    async def _watch(self, tell: Callable[[Unproven], None]) -> None:
        """Tell at each time that it is not proven gone.

        A machine whose end was answered and whose absence does not count yet, because it is young, gets that time more.
        """
        clock, began_s = self._clock, self._clock.monotonic()
        age_s = (clock.now() - self._machine.first_seen).total_seconds()
        young_s = max(0.0, self._training.timings.min_age_s - max(0.0, age_s))
        for after_s in UNPROVEN_S:
            await clock.sleep(began_s + after_s - clock.monotonic())
            if not self._resists and clock.monotonic() - began_s < after_s + young_s:
                await clock.sleep(young_s)
            asked_s = (clock.now() - self._since).total_seconds()
            tell(Unproven(self._machine, asked_s, self._looked, self._trouble))
