"""From a free slot to the one create call: hold the money, write the job folder, send the request."""

from __future__ import annotations

import asyncio

from actors.journal.interface import JournalRefused
from actors.ledger.requests import ReserveMoney
from actors.supervisor import work
from actors.supervisor.pending import Launch, Reserve
from actors.supervisor.rules import SEND_WITHIN_S
from actors.supervisor.state import Job
from actors.supervisor.tools import Tools, plain
from messages import events as ev
from messages.admin import BringDataset
from messages.errors import Refusal
from messages.jobs import Requester
from messages.machines import LaunchRequest
from providers.interface import Denied, HeldBack, NoCapacity, ProviderError, Refused, StorageFull

HELD_BACK_MIN_S, HELD_BACK_MAX_S = 5.0, 30.0
"""How long an attempt whose create could not leave this computer lasts before the next one (seconds)."""
LOOK_S = 1.0
"""How often such a wait asks whether anything may be launched at all."""
FINAL_REFUSALS = ("E-BUDGET", "E-CAPTOOSMALL")
"""What the ledger says of money. Any other refusal (busy, no answer, no disk) is asked again."""

FINAL_COPY_REFUSALS = ("E-ELSEWHERE", "E-ARTIFACT", "E-NOTFOUND", "E-BUDGET")
"""What storage says of data that cannot be had, or that nobody pays for. Any other refusal is asked again."""


async def reserve(tools: Tools, job: Job, effect: Reserve) -> None:
    """Hold the money, write what the machine will read, and only then say that the job may go on.

    Data that lies elsewhere is copied before any money is held: that may take long.
    """
    limits = job.plan.limits
    if job.plan.copied_from is not None and not await _brought(tools, job, effect.attempt):
        return
    asked = ReserveMoney(
        job_id=job.id,
        user_id=job.user_id,
        attempt=effect.attempt,
        offer=effect.offer,
        cap_left_usd=limits.max_cost_usd - job.spent_usd,
        max_runtime_s=limits.max_runtime_s,
    )
    try:
        held = await tools.ask.reserve(asked)
    except Refusal as no:
        if no.code not in FINAL_REFUSALS:
            raise
        refused = ev.ReservationRefused(attempt=effect.attempt, code=no.code, detail=no.detail)
        await tools.append(job.id, refused)
        return
    try:
        program = await tools.program(job.binding.provider, job.plan.spec.model)
        spec = work.spec_for(job, effect.attempt, program, effect.offer)
        await tools.folder_of(job, effect.attempt).write_spec(spec)
    except Refused as no:  # asking again does not help, and no machine could leave its result there
        code = "E-STORAGEFULL" if isinstance(no, StorageFull) else "E-STORAGE"
        refused = ev.ReservationRefused(attempt=effect.attempt, code=code, detail=plain(no))
        await tools.append(job.id, refused)
        return
    reserved = ev.MoneyReserved(
        attempt=effect.attempt,
        reservation=held.reservation,
        hold_usd=held.hold_usd,
        bundle=program.bundle,
        at=held.at,
    )
    await tools.append(job.id, reserved)


async def _brought(tools: Tools, job: Job, attempt: int) -> bool:
    """Have the data set where the machine reads it; ``False`` once it is journaled that this can never be."""
    asked = BringDataset(
        requester=Requester(user_id=job.user_id, via=job.via),
        dataset_id=job.plan.spec.dataset_id,
        provider=job.binding.provider,
        job_id=job.id,
    )
    try:
        await tools.ask.bring(asked)
    except StorageFull as no:
        await tools.append(job.id, ev.ReservationRefused(attempt=attempt, code="E-STORAGEFULL", detail=plain(no)))
    except Refused as no:
        await tools.append(job.id, ev.ReservationRefused(attempt=attempt, code="E-STORAGE", detail=plain(no)))
    except Refusal as no:
        if no.code not in FINAL_COPY_REFUSALS:
            raise
        code, detail = no.code if no.code in FINAL_REFUSALS else "E-STORAGE", no.detail or plain(no)
        await tools.append(job.id, ev.ReservationRefused(attempt=attempt, code=code, detail=detail))
    else:
        return True
    return False


async def launch(tools: Tools, job: Job, effect: Launch) -> None:
    """Send the create of an intended attempt and append what is known of it afterwards."""
    seen = await create(tools, job, effect.intent)
    try:
        await tools.append(job.id, seen)
    except JournalRefused as error:  # the answer cannot be written, so nothing is known of it
        await tools.append(job.id, _ambiguous(tools, effect.intent, error))


async def create(tools: Tools, job: Job, intent: ev.LaunchIntended) -> ev.Event:
    """Make the one create call and return what is known of it afterwards."""
    clock = tools.world.clock
    number = intent.attempt
    try:
        program = await tools.program(job.binding.provider, job.plan.spec.model)
    except (ProviderError, OSError) as error:
        detail = f"The create was not sent: {plain(error)}"
        return ev.LaunchRefused(attempt=number, reason="not_sent", detail=detail, at=clock.now())
    age = (clock.now() - intent.at).total_seconds()
    if not 0 <= age < SEND_WITHIN_S or intent.run != tools.world.run or not tools.may_launch():
        detail = f"The create was not sent: its intent was {age:.0f} s old, or nothing may be launched now."
        return ev.LaunchRefused(attempt=number, reason="not_sent", detail=detail, at=clock.now())
    try:
        training, request = tools.provider(job).training, _complete(intent.request, program)
        machine = await training.launch(request, leaves_within_s=SEND_WITHIN_S - age)
    except HeldBack as held:
        await _wait_out(tools, held.retry_after_s)
        return ev.LaunchRefused(attempt=number, reason="not_sent", detail=plain(held), at=clock.now())
    except Denied as no:
        return ev.LaunchRefused(attempt=number, reason="denied", detail=plain(no), at=clock.now())
    except NoCapacity as no:
        return ev.LaunchRefused(attempt=number, reason="no_capacity", detail=plain(no), at=clock.now())
    except Refused as no:
        return ev.LaunchRefused(attempt=number, reason="refused", detail=plain(no), at=clock.now())
    except Exception as error:  # Ambiguous or whatever else broke: the bytes may have gone out
        return _ambiguous(tools, intent, error)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # this process leaves; the next one finds the intent without an answer
        return _ambiguous(tools, intent, error)
    return ev.MachineCreated(attempt=number, machine=machine, at=clock.now())


async def _wait_out(tools: Tools, wished_s: float) -> None:
    """Let what holds creates back pass; a node that leaves does not wait for it."""
    clock = tools.world.clock
    until = clock.monotonic() + min(HELD_BACK_MAX_S, max(HELD_BACK_MIN_S, wished_s))
    while tools.may_launch() and (left := until - clock.monotonic()) > 0:
        await clock.sleep(min(LOOK_S, left))


def _ambiguous(tools: Tools, intent: ev.LaunchIntended, error: BaseException) -> ev.CreateAmbiguous:
    at = tools.world.clock.now()
    return ev.CreateAmbiguous(attempt=intent.attempt, detail=plain(error), call_ended=at)


def _complete(request: LaunchRequest, program: work.Program) -> LaunchRequest:
    environment = {**work.wrapper_environment(request), **program.machine}
    return request.model_copy(update={"environment": environment})
