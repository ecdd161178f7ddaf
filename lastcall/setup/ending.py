"""Ends a pod of setup or of a live test, whatever interrupts: asked again and again, until its absence is proven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from messages.base import seconds
from messages.machines import Gone, Machine
from providers.interface import CloudTrainingProvider, ProviderError
from providers.seams import ProviderClock

TRIES_MAX: Final = 12
PAUSE_S: Final = 5.0
INTERRUPTED: Final = "interrupted: seeing first that the pod is gone; once more leaves it as it is, running or not"
UNANSWERED_S: Final = 180.0
"""A create without an answer may still show in lists for so long (design.md 6, quiet time)."""


class StillRuns(Exception):
    """A pod could not be proven gone. The text says its name and what to do."""


async def end_for_sure(
    training: CloudTrainingProvider,
    clock: ProviderClock,
    name: str,
    machine: Machine | None,
    measured: dict[str, float | None],
    waits: Callable[[str], None] = lambda _: None,
) -> None:
    """End every pod of this name and prove it gone, also while the caller is being cancelled, which ``waits`` hears of.

    ``machine`` is ``None`` after a create without an answer: lists are asked until it shows or cannot any more. A
    second cancellation ends the work itself, and nothing is known of the pod. Raises StillRuns.
    """
    work = asyncio.ensure_future(_end(training, clock, name, machine, measured))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        waits(INTERRUPTED)
        await work
        raise


async def _end(
    training: CloudTrainingProvider,
    clock: ProviderClock,
    name: str,
    machine: Machine | None,
    measured: dict[str, float | None],
) -> None:
    found = [machine] if machine is not None else await _search(training, clock, name)
    for one in found:
        await _end_one(training, clock, one, measured)


async def _search(training: CloudTrainingProvider, clock: ProviderClock, name: str) -> list[Machine]:
    """Return what a lost create made; complete listings after the quiet time that lack it say: nothing."""
    give_up, shown_by = clock.monotonic() + UNANSWERED_S, clock.now() + seconds(UNANSWERED_S)
    while True:
        with suppress(ProviderError):
            listing = await training.list_machines()
            if found := list(listing.named(name)):
                return found
            absent_since = listing.absent_since(name)
            if absent_since is not None and absent_since >= shown_by:
                return []
        if clock.monotonic() >= give_up + UNANSWERED_S:
            raise StillRuns(words(name))
        await clock.sleep(PAUSE_S)


async def _end_one(
    training: CloudTrainingProvider, clock: ProviderClock, machine: Machine, measured: dict[str, float | None]
) -> None:
    began = clock.monotonic()
    for _ in range(TRIES_MAX):
        with suppress(ProviderError):
            await training.terminate(machine.id)
        if isinstance(await training.prove_gone(machine), Gone):
            measured["ended_and_proven_s"] = clock.monotonic() - began
            return
        await clock.sleep(PAUSE_S)
    raise StillRuns(words(machine.name))


def words(name: str) -> str:
    """Say what is to be done about a pod that could not be proven gone."""
    return f"pod {name} could not be proven gone: it may still run and cost money; end it in RunPod's console, Pods"
