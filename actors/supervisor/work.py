"""What a job's machine is told: its ``spec.json``, its ``control.json``, and the wrapper's environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from actors.supervisor.rules import leads
from actors.supervisor.state import Attempt, Job
from messages.base import Record
from messages.folder import CHECKPOINT, Control, Spec, Work
from messages.machines import LaunchRequest, Offer, ProviderKind

INPUT_NAME = "data.csv"
REQUIRED = ("artifacts/model.skops", "artifacts/metadata.json", "artifacts/metrics.json", "artifacts/schema.json")


RESUME_MAX = 8
"""So many earlier attempts are asked for a checkpoint."""


class Program(Record):
    """The training program as a provider's machines start it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}
    prepare: Work | None = None
    """Builds the environment first, where the machine comes without one."""
    bundle: str | None = None
    """Storage key of the job bundle's folder, where the machine starts from one."""
    machine: Mapping[str, str] = {}
    """Variables for the machine's first process, beside those every machine gets."""


Programs = Callable[[ProviderKind, str], Awaitable[Program]]
"""Returns the program that trains a kind of model (its name, as it was asked for), once everything it needs lies in the
provider's storage. Raises Unavailable or Refused."""


def always(program: Program) -> Programs:
    """Return a source of the same program for every provider and model."""

    async def given(_: ProviderKind, __: str) -> Program:
        return program

    return given


def spec_for(job: Job, attempt: int, program: Program, offer: Offer) -> Spec:
    """Return what the wrapper runs for ``job``, on a machine of ``offer``."""
    spec = job.plan.spec
    order: dict[str, object] = {
        "input": INPUT_NAME,
        "job_id": job.id,
        "name": job.name,
        "target": spec.target,
        "model": spec.model,
        "task": spec.task,
        "features": list(spec.features) if spec.features is not None else None,
        "parameters": dict(spec.parameters),
        "test_share": spec.test_share,
        "seed": spec.seed,
        "max_runtime_s": job.plan.limits.max_runtime_s,
        "group": spec.group,
        "time": spec.time,
        "last_run": spec.last_run.model_dump() if spec.last_run else None,
        "ordered_at": job.queued_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "machine": _machine(job, offer),
        "dataset_name": job.dataset_name,
        "dataset_sha256": spec.dataset_sha256,
        "delimiter": spec.delimiter,
        "encoding": spec.encoding,
    }
    return Spec(
        job_id=job.id,
        attempt=attempt,
        prepare=program.prepare,
        work=Work(argv=program.argv, environment=dict(program.environment)),
        work_spec=order,
        inputs={INPUT_NAME: spec.dataset_key},
        artifacts_required=REQUIRED,
        resume=kept_by_earlier(job, attempt),
    )


def _machine(job: Job, offer: Offer) -> dict[str, object]:
    """Return what the work may tell of the machine it runs on: the offer it is rented by, and what it may cost."""
    return {
        "provider": job.plan.provider,
        "max_cost_usd": str(job.plan.limits.max_cost_usd),
        "machine_type": offer.machine_type,
        "place": offer.place,
        "spot": offer.spot,
        "rate_usd_per_hour": str(offer.rate_usd_per_hour),
    }


def kept_by_earlier(job: Job, attempt: int) -> tuple[str, ...]:
    """Return where attempts before this one would have kept their work, newest first: those that may have run."""
    ran = [a.request for a in job.attempts if a.number < attempt and a.request and not (a.refused or a.never_seen)]
    return tuple(f"{request.folder}/{CHECKPOINT}" for request in reversed(ran[-RESUME_MAX:]))


def stop_control(attempt: Attempt, soft_deadline: datetime) -> Control:
    """Return the control file that asks the wrapper to stop; it outranks every earlier one."""
    return Control(seq=attempt.number * 1000 + 1, soft_deadline=soft_deadline, stop_requested=True)


def wrapper_environment(request: LaunchRequest) -> dict[str, str]:
    """Return the variables every wrapper gets, whatever the provider; paths are added by the provider itself."""
    lead = leads(request.max_runtime_s)
    return {
        "LASTCALL_MACHINE": request.name,
        "LASTCALL_ATTEMPT": str(request.attempt),
        "LASTCALL_SOFT_DEADLINE": f"{request.soft_deadline.timestamp():.3f}",
        "LASTCALL_HARD_DEADLINE": f"{request.hard_deadline.timestamp():.0f}",
        "LASTCALL_MAX_RUNTIME_S": str(request.max_runtime_s),
        "LASTCALL_TERM_LEAD_S": f"{lead.term_s:.3f}",
        "LASTCALL_KILL_LEAD_S": f"{lead.kill_s:.3f}",
    }
