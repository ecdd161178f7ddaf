"""From state to documents. Pure: a job's fold, what it last said of itself, and the time come in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from actors.fleet.messages import Live
from actors.supervisor.ends import UNPROVEN_S
from actors.supervisor.state import Attempt, Job
from messages.documents import AttemptPart, JobPart, MachinePart, ModelPart, TrainDocument
from messages.errors import error
from messages.jobs import Outcome
from messages.machines import MachineState

NOTHING = Live()


def train_document(job: Job, live: Live, now: datetime) -> TrainDocument:
    """Return one job, whole."""
    collected = next((a.collected for a in reversed(job.attempts) if a.collected), None)
    model_id = job.closed.model_id if job.closed else (collected.model_id if collected else None)
    return TrainDocument(
        job=job_part(job, live, now),
        machine=machine_part(job, live),
        earlier=earlier_parts(job),
        model=ModelPart(id=model_id, name=job.name if model_id else None),
        metrics=collected.metrics if collected else None,
    )


def job_part(job: Job, live: Live, now: datetime) -> JobPart:
    """Return the job as people see it."""
    closed, attempt = job.closed, job.last
    code = closed.code if closed else None
    entry = error(code) if code else None
    progress = live.progress if not closed else None
    started = attempt.started.started_at if attempt and attempt.started else None
    return JobPart(
        id=job.id,
        name=job.name,
        state=job.phase,
        outcome=closed.outcome if closed else None,
        code=code,
        text=entry.text if entry else "",
        hint=entry.hint if entry else "",
        detail=closed.detail if closed else _meanwhile(job, now),
        dataset_id=job.plan.spec.dataset_id,
        dataset_name=job.dataset_name,
        target=job.plan.spec.target,
        model_type=job.plan.spec.model,
        attempt=attempt.number if attempt else 0,
        attempts=len(job.attempts),
        created_at=job.queued_at,
        started_at=started,
        ended_at=closed.at if closed else None,
        cost_usd=cost_so_far(job, now),
        max_cost_usd=job.plan.limits.max_cost_usd,
        hold_usd=attempt.hold_usd if attempt and not attempt.ended else Decimal(0),
        max_runtime_s=job.plan.limits.max_runtime_s,
        runtime_s=_runtime_s(job, now),
        stage=progress.stage if progress else "",
        percent=progress.percent if progress else None,
        message=progress.message if progress else "",
        left_s=progress.left_s if progress else None,
        metric=progress.metric if progress else None,
    )


def _runtime_s(job: Job, now: datetime) -> float | None:
    """Return how long the work of the last attempt has run, until the job's end; ``None`` before it began."""
    attempt = job.last
    if attempt is None or attempt.started is None:
        return None
    until = job.closed.at if job.closed else now
    return round(max(0.0, (until - attempt.started.started_at).total_seconds()), 1)


def _meanwhile(job: Job, now: datetime) -> str:
    """Say in one sentence why an open job does not run, where it is not plain from its state."""
    attempt = job.current
    if job.parked:
        return "Lastcall failed to supervise this job; its machine is being ended."
    if attempt and attempt.ambiguous and not attempt.machine and not attempt.never_seen:
        return "The provider did not answer the request for a machine; making sure nothing was started."
    if attempt and attempt.end and attempt.machine and not attempt.gone:
        asked_s = (now - attempt.end.at).total_seconds()
        if asked_s < UNPROVEN_S[0]:
            return "The machine was told to end; waiting for the proof that it is gone."
        return f"The machine was told to end {asked_s / 60:.0f} min ago and is not proven gone: it counts as billing."
    return ""


def cost_so_far(job: Job, now: datetime) -> Decimal:
    """Return what the job has cost: billed from the intent to now while its machine is not proven gone."""
    if job.closed:
        return job.closed.cost_usd
    attempt = job.current
    running = attempt.surplus_usd if attempt else Decimal(0)
    if attempt and attempt.machine and attempt.intent:
        running += attempt.billed_usd(attempt.billed_until or now) + attempt.intent.request.offer.fixed_usd
    return job.spent_usd + running


def machine_part(job: Job, live: Live) -> MachinePart:
    """Return the job's last machine, and the proof that it is gone."""
    attempt = next((a for a in reversed(job.attempts) if a.request), None)
    if attempt is None or attempt.request is None:
        return MachinePart(provider=job.binding.provider)
    offer, machine = attempt.request.offer, attempt.machine
    heartbeat = live.heartbeat if not job.closed else None
    rate = (machine.rate_usd_per_hour if machine else None) or offer.rate_usd_per_hour
    return MachinePart(
        id=machine.id if machine else None,
        name=attempt.request.name,
        provider=job.binding.provider,
        machine_type=offer.machine_type,
        place=offer.place,
        spot=offer.spot,
        rate_usd_per_hour=rate + offer.disk_usd_per_hour,
        state=_machine_state(attempt),
        soft_deadline=attempt.request.soft_deadline,
        hard_deadline=attempt.request.hard_deadline,
        rss_bytes=heartbeat.rss_bytes if heartbeat else None,
        memory_limit_bytes=heartbeat.memory_limit_bytes if heartbeat else None,
        gpu_use_percent=heartbeat.gpu_use_percent if heartbeat else None,
        terminate_accepted_at=attempt.terminate_accepted,
        terminated_confirmed_at=attempt.gone.at if attempt.gone else None,
        proof=attempt.gone.evidence if attempt.gone else (),
    )


def earlier_parts(job: Job) -> tuple[AttemptPart, ...]:
    """Return the attempts before the last one that asked for a machine."""
    asked = [attempt for attempt in job.attempts if attempt.request]
    return tuple(part for attempt in asked[:-1] if (part := _attempt_part(attempt)) is not None)


def _attempt_part(attempt: Attempt) -> AttemptPart | None:
    if attempt.request is None:
        return None
    offer, (outcome, detail) = attempt.request.offer, _became(attempt)
    return AttemptPart(
        attempt=attempt.number,
        machine_type=offer.machine_type,
        place=offer.place,
        spot=offer.spot,
        outcome=outcome,
        detail=detail,
        cost_usd=attempt.ended.cost_usd if attempt.ended else Decimal(0),
    )


def _became(attempt: Attempt) -> tuple[Outcome | Literal["refused", "no_capacity", "not_made"], str]:
    """Return what became of an attempt, and why."""
    if attempt.refused:
        return _REFUSED[attempt.refused.reason], attempt.refused.detail
    if attempt.machine is None:
        return "not_made", attempt.ambiguous.detail if attempt.ambiguous else ""
    if attempt.marker:
        return Outcome(attempt.marker.outcome), attempt.marker.detail
    end = attempt.end
    return Outcome.INTERRUPTED, (end.detail or end.reason.replace("_", " ")) if end else ""


_REFUSED: Mapping[str, Literal["refused", "no_capacity", "not_made"]] = {
    "no_capacity": "no_capacity",
    "denied": "refused",
    "refused": "refused",
    "not_sent": "not_made",
}


def _machine_state(attempt: Attempt) -> MachineState | None:
    if attempt.gone:
        return MachineState.GONE
    if attempt.machine is None:
        return MachineState.UNKNOWN if attempt.ambiguous and not attempt.never_seen else None
    if attempt.end:
        return MachineState.ENDING
    return MachineState.RUNNING if attempt.started else MachineState.STARTING
