"""Ends a machine of setup or of a live test, whatever interrupts: asked again and again, until its absence is proven.

The loop is that of every end (``actors/supervisor/ends.py``), bounded, since this program does not stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from actors.runtime.world import Clock
from actors.supervisor.ends import Ended, gone_within
from actors.supervisor.unproven import Unproven
from messages.base import seconds
from messages.machines import Machine, ProviderKind
from providers.interface import CloudTrainingProvider, ProviderError

PAUSE_S: Final = 5.0
"""Between two listings."""
INTERRUPTED: Final = "interrupted: seeing first that the machine is gone; once more leaves it as it is, running or not"
UNANSWERED_S: Final = 180.0
"""A create without an answer may still show in lists for so long (design.md 6, quiet time)."""
UNLISTED_S: Final = 180.0
"""So much longer a complete listing that says so is waited for."""
CONSOLES: Final[Mapping[ProviderKind, str]] = {
    "runpod": "RunPod's console, Pods",
    "aws": "the console of EC2, Instances",
}
"""Where a person ends a machine of a provider."""


class StillRuns(Exception):
    """A machine could not be proven gone. The text says its name and what to do."""


async def end_for_sure(
    training: CloudTrainingProvider,
    clock: Clock,
    name: str,
    machine: Machine | None,
    measured: dict[str, float | None],
    waits: Callable[[str], None] = lambda _: None,
) -> None:
    """End every machine of this name and prove it gone, also while the caller is being cancelled.

    ``waits`` hears of that, and of an end that takes long. ``machine`` is ``None`` after a create without an answer:
    lists are asked until it shows or cannot any more. A second cancellation ends the work itself, and nothing is known
    of the machine. Raises StillRuns.
    """
    work = asyncio.ensure_future(_end(training, clock, name, machine, measured, waits))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        waits(INTERRUPTED)
        await work
        raise


async def _end(
    training: CloudTrainingProvider,
    clock: Clock,
    name: str,
    machine: Machine | None,
    measured: dict[str, float | None],
    waits: Callable[[str], None],
) -> None:
    """End them beside each other: one that resists keeps none of the others running."""
    machines = [machine] if machine is not None else await _search(training, clock, name)
    began = clock.monotonic()

    def late(found: Unproven) -> None:
        waits(found.words)

    ends = await asyncio.gather(*(gone_within(training, clock, one, unproven=late) for one in machines))
    for left in ends:
        if not isinstance(left, Ended):
            raise StillRuns(f"{words(training.kind, name)} ({left.words})")
    measured["ended_and_proven_s"] = clock.monotonic() - began


async def _search(training: CloudTrainingProvider, clock: Clock, name: str) -> list[Machine]:
    """Return what a lost create made; complete listings after the quiet time that lack it say: nothing."""
    give_up, shown_by = clock.monotonic() + UNANSWERED_S + UNLISTED_S, clock.now() + seconds(UNANSWERED_S)
    while True:
        with suppress(ProviderError):
            listing = await training.list_machines()
            if found := list(listing.named(name)):
                return found
            absent_since = listing.absent_since(name)
            if absent_since is not None and absent_since >= shown_by:
                return []
        if clock.monotonic() >= give_up:
            raise StillRuns(words(training.kind, name))
        await clock.sleep(PAUSE_S)


def words(kind: ProviderKind, name: str) -> str:
    """Say what is to be done about a machine that could not be proven gone."""
    where = CONSOLES.get(kind, "the provider's console")
    return f"{name} could not be proven gone: it may still run and cost money; end it in {where}"
