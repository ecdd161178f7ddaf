"""Ending a machine: terminate and prove, for ever. Only a proof ends this, and no disk delays it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime

from actors.supervisor import work
from actors.supervisor.pending import End
from actors.supervisor.state import Attempt, Job
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S, Tools
from messages import events as ev
from messages.ids import JobId
from messages.jobs import StopReason
from messages.machines import Gone, Machine
from providers.interface import ProviderError


async def end(tools: Tools, job: Job, effect: End) -> None:
    """Terminate and prove, for ever: only a proof ends this."""
    attempt = job.attempts[effect.attempt - 1]
    told = asyncio.create_task(_tell_machine(tools, job, attempt))
    try:
        await end_machine(tools, job, effect)
    finally:
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)


async def end_machine(tools: Tools, job: Job, effect: End) -> None:
    """Ask for the end until the provider accepts and the proof is complete, then append it."""
    clock = tools.world.clock
    accepted_at: datetime | None = None
    accepted: asyncio.Task[None] | None = None
    wait_s = BACKOFF_FIRST_S
    try:
        while True:
            if await _terminate(tools, job, effect.machine) and accepted_at is None:
                accepted_at = clock.now()
                if not effect.surplus:
                    event = ev.TerminateAccepted(attempt=effect.attempt, machine_id=effect.machine.id, at=accepted_at)
                    accepted = asyncio.create_task(_accepted(tools, job.id, event))
            proof = await tools.provider(job).training.prove_gone(effect.machine)
            if isinstance(proof, Gone):
                break
            tools.log("not_gone_yet", job_id=job.id, machine=effect.machine.id, detail=proof.detail)
            await clock.sleep(wait_s)
            wait_s = min(BACKOFF_MAX_S, wait_s * 2)
        if accepted:
            await accepted
        await tools.append(job.id, _gone(effect, accepted_at, proof))
    finally:
        if accepted:
            accepted.cancel()


async def _accepted(tools: Tools, job_id: JobId, event: ev.TerminateAccepted) -> None:
    """Journal the accepted call beside the proof, which never waits for the disk."""
    await tools.append(job_id, event)
    tools.observed(job_id)


async def _terminate(tools: Tools, job: Job, machine: Machine) -> bool:
    try:
        await tools.provider(job).training.terminate(machine.id)
    except (ProviderError, OSError, TimeoutError) as error:
        tools.log("terminate_failed", job_id=job.id, machine=machine.id, error=str(error))
        return False
    return True


async def _tell_machine(tools: Tools, job: Job, attempt: Attempt) -> None:
    """Ask the wrapper to stop too: this costs no call quota and works while the provider's API does not."""
    if attempt.end is None or attempt.end.reason is StopReason.MARKER or attempt.request is None:
        return
    control = work.stop_control(attempt, attempt.request.soft_deadline)
    await _quietly(tools, job, tools.folder_of(job, attempt.number).write_control(control))


async def _quietly(tools: Tools, job: Job, doing: Awaitable[None]) -> None:
    try:
        await doing
    except (ProviderError, OSError, TimeoutError) as error:
        tools.log("control_not_written", job_id=job.id, error=str(error))


def _gone(effect: End, accepted_at: datetime | None, proof: Gone) -> ev.Event:
    number, machine_id = effect.attempt, effect.machine.id
    if effect.surplus:
        return ev.SurplusGone(attempt=number, machine_id=machine_id, accepted_at=accepted_at, proof=proof)
    return ev.GoneProved(attempt=number, machine_id=machine_id, proof=proof)
