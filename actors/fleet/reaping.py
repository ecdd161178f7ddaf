"""Ending an orphan: journaled reason, terminate, proof, and what it cost. For ever, like every end.

The end never waits for the disk; the booking waits for it as long as need be. What a crash leaves between the reason
and the proof is settled at the next start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from actors.audit import audited
from actors.fleet.charges import late_cost
from actors.fleet.orphans import parse
from actors.journal.interface import ANY, Journal, JournalUnavailable
from actors.runtime.world import Clock
from actors.supervisor.ends import until_gone
from actors.supervisor.rules import Naming
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S
from actors.supervisor.unproven import EndAlarm
from messages import events as ev
from messages.ids import JobId
from messages.machines import Alive, Gone, Machine
from providers.interface import Provider

STREAM = "fleet"
SETTLE_FIRST_S = 30.0
SETTLE_MAX_S = 3_600.0
"""Between two rounds over machines whose end nobody has proven yet: the first pause, and the longest."""

T = TypeVar("T")


class _End(NamedTuple):
    """The proven end of a machine, as it is written down."""

    machine: Machine
    seen_at: datetime
    """When it was as ``machine`` says."""
    job_id: JobId | None
    """The job its name points to."""
    reason: str
    until: datetime
    """It is taken to have billed until here."""
    accepted_at: datetime | None
    proof: Gone


async def reap(
    provider: Provider,
    journal: Journal,
    clock: Clock,
    machine: Machine,
    reason: str,
    log: Callable[..., Any],
    job_id: JobId | None = None,
) -> None:
    """End ``machine`` and return once it is proven gone and booked to the job it was rented for.

    What cannot be written down does not delay the end.
    """
    log("orphan_found", machine=machine.name, reason=reason)
    found_at = clock.now()
    try:
        event = ev.OrphanReaped(machine=machine, reason=reason, at=found_at)
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
    alarm = EndAlarm(journal, clock, log, "FleetWatch")
    try:
        ended = await until_gone(provider.training, clock, machine, log, unproven=alarm)
        await alarm.written()
    finally:
        alarm.close()
    log("orphan_gone", machine=machine.name)
    accepted_at, proof = ended.accepted_at, ended.proof
    until = min(accepted_at or proof.absent_since, proof.absent_since)
    end = _End(machine, found_at, job_id, reason, until, accepted_at, proof)
    await _written(journal, clock, end, log)


async def settle(
    provider: Provider,
    journal: Journal,
    clock: Clock,
    naming: Naming,
    log: Callable[..., Any],
    account: str | None = None,
) -> None:
    """Prove and book what was reaped before and whose end nobody wrote down; return once nothing is left.

    Only of ``account``, where it is given: others have a provider of their own. It ends nothing: a machine that is
    still there is in the next listing, and is reaped from it.
    """
    unsettled = await _unsettled(journal, clock, log)
    left = {id_: reaped for id_, reaped in unsettled.items() if account in (None, reaped.machine.account)}
    wait_s = SETTLE_FIRST_S
    while left:
        for reaped in list(left.values()):
            proof = await provider.training.prove_gone(reaped.machine)
            if isinstance(proof, Gone) and reaped.machine.id in await _unsettled(journal, clock, log):
                await _written(journal, clock, _presumed(reaped, naming, proof), log)
            if isinstance(proof, Gone | Alive):
                del left[reaped.machine.id]
        if left:
            await clock.sleep(wait_s)
            wait_s = min(SETTLE_MAX_S, wait_s * 2)


async def _unsettled(journal: Journal, clock: Clock, log: Callable[..., Any]) -> dict[str, ev.OrphanReaped]:
    """Return by machine what was reaped and is not proven gone, the first time it was."""
    recorded = await _insist(clock, log, lambda: journal.read(STREAM))
    reaped: dict[str, ev.OrphanReaped] = {}
    for event in (r.event for r in recorded):
        if isinstance(event, ev.OrphanReaped):
            reaped.setdefault(event.machine.id, event)
    for event in (r.event for r in recorded):
        if isinstance(event, ev.OrphanGone):
            reaped.pop(event.machine.id, None)
    return reaped


def _presumed(reaped: ev.OrphanReaped, naming: Naming, proof: Gone) -> _End:
    """Return the end of a machine that was found gone after a restart.

    Its terminate was sent right after it was journaled, if at all; without one it was gone at its hard deadline.
    So it billed no longer than that, however late anybody looked; the provider's bill has the last word.
    """
    machine, name = reaped.machine, parse(reaped.machine, naming)
    until = min(proof.absent_since, max(reaped.at, name.hard_deadline)) if name else proof.absent_since
    return _End(machine, reaped.at, name.job_id if name else None, reaped.reason, until, None, proof)


async def _written(journal: Journal, clock: Clock, end: _End, log: Callable[..., Any]) -> None:
    """Journal the end and what it cost; a disk that takes nothing is asked until it does."""
    recorded = await _insist(clock, log, lambda: journal.read(f"job/{end.job_id}")) if end.job_id else []
    cost_usd = late_cost([r.event for r in recorded], end.machine, end.seen_at, end.until)
    event = ev.OrphanGone(
        machine=end.machine,
        job_id=end.job_id if recorded else None,
        reason=end.reason,
        accepted_at=end.accepted_at,
        proof=end.proof,
        cost_usd=cost_usd,
        at=clock.now(),
    )
    await _insist(clock, log, lambda: journal.append(STREAM, ANY, [event], actor="FleetWatch"))


async def _insist(clock: Clock, log: Callable[..., Any], ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the journal until it answers."""
    wait_s = BACKOFF_FIRST_S
    while True:
        try:
            return await ask()
        except JournalUnavailable as error:
            log("orphan_waits_for_disk", error=str(error))
            await clock.sleep(wait_s)
            wait_s = min(BACKOFF_MAX_S, wait_s * 2)
