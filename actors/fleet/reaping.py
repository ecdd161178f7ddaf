"""Ending an orphan: journaled reason, terminate, proof. For ever, like every end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.audit import audited
from actors.journal.interface import ANY, Journal, JournalUnavailable
from actors.runtime.world import Clock
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S
from messages import events as ev
from messages.machines import Gone, Machine
from providers.interface import Provider, ProviderError

STREAM = "fleet"


async def reap(
    provider: Provider, journal: Journal, clock: Clock, machine: Machine, reason: str, log: Callable[..., Any]
) -> None:
    """End ``machine`` and return once it is proven gone. What cannot be written down does not delay the end."""
    log("orphan_found", machine=machine.name, reason=reason)
    try:
        event = ev.OrphanReaped(machine=machine, reason=reason, at=clock.now())
        await journal.append(STREAM, ANY, [event], actor="FleetWatch")
        await audited(
            journal,
            clock,
            who="sys",
            what="machine.reap",
            resource=machine.name,
            success=True,
            provider=provider.training.kind,
            detail=reason,
            actor="FleetWatch",
        )
    except JournalUnavailable as error:
        log("orphan_not_journaled", machine=machine.name, error=str(error))
    wait_s = BACKOFF_FIRST_S
    while True:
        try:
            await provider.training.terminate(machine.id)
        except (ProviderError, OSError, TimeoutError) as error:
            log("terminate_failed", machine=machine.id, error=str(error))
        proof = await provider.training.prove_gone(machine)
        if isinstance(proof, Gone):
            log("orphan_gone", machine=machine.name)
            return
        await clock.sleep(wait_s)
        wait_s = min(BACKOFF_MAX_S, wait_s * 2)
