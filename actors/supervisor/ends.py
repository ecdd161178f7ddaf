"""The one way a machine ends, whoever asks for it: ask until it is answered, prove, ask again when it shows alive.

For ever: only a proof ends it. What was answered is not asked again while nothing shows the machine, since every call
counts against the provider's quota, and proofs need calls too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from actors.runtime.world import Clock
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S
from messages.machines import Alive, Gone, Machine
from providers.interface import CloudTrainingProvider, EndAnswer, ProviderError, Unavailable

ASK_AGAIN_S: Final = 5.0
"""A machine still alive so long after its end was answered is asked to end anew: an answer can be a lie (fault 5)."""


class Ended(NamedTuple):
    """A machine that is gone."""

    proof: Gone
    accepted_at: datetime | None
    """When the call that held was accepted; ``None`` when none was, so that it ended by itself."""
    first_accepted_at: datetime | None
    """When a call was accepted first. A second machine of a name counts as alive while the first one is."""
    alive_at: datetime | None
    """When it showed alive last; ``None`` when it never did while it was asked to end."""


class _Asked(NamedTuple):
    """A call that was answered."""

    at: datetime
    accepted: bool

    @property
    def accepted_at(self) -> datetime | None:
        return self.at if self.accepted else None


async def until_gone(
    training: CloudTrainingProvider,
    clock: Clock,
    machine: Machine,
    log: Callable[..., Any],
    *,
    accepted_at: datetime | None = None,
    accepted: Callable[[datetime], None] = lambda _: None,
) -> Ended:
    """Return once ``machine`` is proven gone. ``accepted_at`` is an earlier acceptance, ``accepted`` hears of new.

    "There is none" answers a call as well, and is no acceptance: nobody knows since when there is none.
    """
    wait_s = BACKOFF_FIRST_S
    first, alive_at = accepted_at, None
    asked = _Asked(accepted_at, accepted=True) if accepted_at else None
    while True:
        pause_s = wait_s
        if asked is None:
            asked, pause_s = await _ask(training, clock, machine, log, wait_s)
            if asked is not None and asked.accepted:
                first = first or asked.at
                accepted(asked.at)
        proof = await training.prove_gone(machine)
        if isinstance(proof, Gone):
            return Ended(proof, asked.accepted_at if asked else None, first, alive_at)
        log("not_gone_yet", machine=machine.id, detail=proof.detail)
        if isinstance(proof, Alive):
            alive_at = clock.now()
            if asked is not None and (alive_at - asked.at).total_seconds() >= ASK_AGAIN_S:
                asked = None
        await clock.sleep(pause_s)
        wait_s = min(BACKOFF_MAX_S, wait_s * 2)


async def _ask(
    training: CloudTrainingProvider, clock: Clock, machine: Machine, log: Callable[..., Any], wait_s: float
) -> tuple[_Asked | None, float]:
    """Ask once; return the answer, or ``None``, and how long to wait before asking again."""
    try:
        answer = await training.terminate(machine.id)
    except (ProviderError, OSError, TimeoutError) as error:
        log("terminate_failed", machine=machine.id, error=str(error))
        wished_s = error.retry_after_s if isinstance(error, Unavailable) else 0.0
        return None, min(BACKOFF_MAX_S, max(wait_s, wished_s))
    return _Asked(clock.now(), answer is EndAnswer.ACCEPTED), wait_s
