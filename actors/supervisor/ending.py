"""Ending a machine: terminate and prove, for ever. Only a proof ends this, and no disk delays it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from actors.supervisor import work
from actors.supervisor.ends import Asked, Ended, until_gone
from actors.supervisor.pending import End
from actors.supervisor.state import Attempt, Job
from actors.supervisor.tools import Tools
from actors.supervisor.unproven import EndAlarm
from messages import events as ev
from messages.ids import JobId
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
    attempt = job.attempts[effect.attempt - 1]
    noted: asyncio.Task[None] | None = None

    def note(at: datetime) -> None:
        nonlocal noted
        if noted is None and not effect.surplus:
            event = ev.TerminateAccepted(attempt=effect.attempt, machine_id=effect.machine.id, at=at)
            noted = asyncio.create_task(_accepted(tools, job.id, event))

    def log(what: str, **more: Any) -> None:
        tools.log(what, job_id=job.id, **more)

    known = None if effect.surplus else attempt.terminate_accepted
    before = Asked(known, accepted=True) if known else None
    training, clock = tools.provider(job).training, tools.world.clock
    alarm = EndAlarm(tools.journal, clock, log, "EffectRunner")
    try:
        ended = await until_gone(training, clock, effect.machine, log, asked=before, accepted=note, unproven=alarm)
        if noted:
            await noted
        await alarm.written()
        await tools.append(job.id, _gone(effect, ended))
    finally:
        alarm.close()
        if noted:
            noted.cancel()


async def _accepted(tools: Tools, job_id: JobId, event: ev.TerminateAccepted) -> None:
    """Journal the accepted call beside the proof, which never waits for the disk."""
    await tools.append(job_id, event)
    tools.observed(job_id)


async def _tell_machine(tools: Tools, job: Job, attempt: Attempt) -> None:
    """Ask the wrapper to stop too: this costs no call quota and works while the provider's API does not.

    Work that left its marker has stopped.
    """
    if attempt.end is None or attempt.marker is not None or attempt.request is None:
        return
    control = work.stop_control(attempt, attempt.request.soft_deadline)
    await _quietly(tools, job, tools.folder_of(job, attempt.number).write_control(control))


async def _quietly(tools: Tools, job: Job, doing: Awaitable[None]) -> None:
    try:
        await doing
    except (ProviderError, OSError, TimeoutError) as error:
        tools.log("control_not_written", job_id=job.id, error=str(error))


def _gone(effect: End, ended: Ended) -> ev.Event:
    number, machine_id = effect.attempt, effect.machine.id
    if effect.surplus:
        return ev.SurplusGone(
            attempt=number,
            machine_id=machine_id,
            accepted_at=ended.first_accepted_at,
            alive_at=ended.alive_at,
            proof=ended.proof,
        )
    return ev.GoneProved(
        attempt=number,
        machine_id=machine_id,
        accepted_at=ended.accepted_at,
        alive_at=ended.alive_at,
        proof=ended.proof,
    )
