"""Whose account the provider answers for: asked until it answers, because machines wait for their supervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from actors.runtime.world import Clock
from providers.interface import CloudTrainingProvider, ProviderError, Refused, Unavailable

PAUSE_FIRST_S = 1.0
"""Before the second question; doubled after each."""
PAUSE_MAX_S = 60.0
"""Longest pause between two questions: a provider that is back is noticed within it."""

T = TypeVar("T")


class Stopped(Exception):
    """The daemon was told to stop before it was up."""


async def account_of(
    training: CloudTrainingProvider, clock: Clock, stop: asyncio.Event, log: Callable[..., Any]
) -> str:
    """Return the account's fingerprint; ask for ever while the provider does not answer.

    Raises Stopped once ``stop`` is set, and Refused, which asking again does not help.
    """
    return await until_answered(training.fingerprint, clock, stop, log, (ProviderError, OSError))


async def until_answered(
    question: Callable[[], Coroutine[Any, Any, T]],
    clock: Clock,
    stop: asyncio.Event,
    log: Callable[..., Any],
    patient_with: tuple[type[Exception], ...] = (Unavailable,),
) -> T:
    """Return the answer to ``question``; ask again, ever more slowly, after what ``patient_with`` names.

    Raises Stopped once ``stop`` is set, Refused, and what else the question raises.
    """
    pause_s = PAUSE_FIRST_S
    while True:
        try:
            return await unless(stop, question())
        except Refused:
            raise
        except patient_with as error:
            wished_s = error.retry_after_s if isinstance(error, Unavailable) else 0.0
            wait_s = min(PAUSE_MAX_S, max(pause_s, wished_s))
            log("provider_does_not_answer", error=str(error), again_in_s=wait_s)
        await unless(stop, clock.sleep(wait_s))
        pause_s = min(PAUSE_MAX_S, pause_s * 2)


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; raises Stopped, with the work cancelled, when ``stop`` is set first."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            raise Stopped
        return doing.result()
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
