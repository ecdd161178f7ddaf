"""The read models ``jobs`` and ``costs``: one row a job, one row a settled amount."""

from __future__ import annotations

from typing import get_args

import apsw

from actors.journal.interface import Recorded
from messages import events as ev
from messages.money import to_micro

_STATE_AFTER = {
    "job.money_reserved": "reserved",
    "job.launch_intended": "launching",
    "job.machine_created": "starting",
    "job.machine_found": "starting",
    "job.work_started": "running",
    "job.end_decided": "ending",
    "job.terminate_accepted": "confirming",
    "job.launch_refused": "confirming",
    "job.never_seen": "confirming",
    "job.gone_proved": "confirming",
    "job.attempt_ended": "confirming",
    "job.closed": "closed",
}
"""The phase an event leads to, where the job was before it on the way (``actors.supervisor.state`` is the truth)."""

_ORDER = ("queued", "reserved", "launching", "starting", "running", "ending", "confirming", "closed")


class JobsTable:
    """One row for every job: what lists, queues and restarts need, without folding streams.

    ``cost_micro`` is what ended attempts cost, and in the end the job; ``gone_at`` when the attempt's machine was
    proven gone.
    """

    name = "jobs"
    version = 3
    kinds = frozenset({"job.queued", *_STATE_AFTER, "job.result_collected"})
    tables = ("jobs",)
    ddl = """
        CREATE TABLE jobs (
            job_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
            outcome TEXT, code TEXT, detail TEXT NOT NULL DEFAULT '', provider TEXT NOT NULL,
            account TEXT NOT NULL, machine_type TEXT, machine_name TEXT, machine_id TEXT, dataset_id TEXT NOT NULL,
            dataset_name TEXT NOT NULL, size_mb REAL NOT NULL DEFAULT 0, target TEXT NOT NULL,
            model_type TEXT NOT NULL, model_id TEXT, attempt INTEGER NOT NULL DEFAULT 0,
            created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, max_cost_micro INTEGER NOT NULL,
            max_runtime_s INTEGER NOT NULL, cost_micro INTEGER NOT NULL DEFAULT 0, rate TEXT, gone_at TEXT,
            position INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX jobs_open ON jobs (state) WHERE state != 'closed';
        CREATE INDEX jobs_user ON jobs (user_id, position);
        CREATE INDEX jobs_dataset ON jobs (dataset_id);
    """

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Write what one event changes."""
        event = recorded.event
        job_id = recorded.stream.removeprefix("job/")
        if isinstance(event, ev.JobQueued):
            _insert(connection, event, recorded.position)
            return
        _columns(connection, job_id, event)
        state = _STATE_AFTER.get(event.kind)
        if state is not None:
            _advance(connection, job_id, state, isinstance(event, ev.MoneyReserved))


def _insert(connection: apsw.Connection, event: ev.JobQueued, position: int) -> None:
    spec, limits = event.plan.spec, event.plan.limits
    connection.execute(
        "INSERT INTO jobs (job_id, user_id, name, state, provider, account, dataset_id, dataset_name, target,"
        " model_type, created_at, max_cost_micro, max_runtime_s, size_mb, position)"
        " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(event.job_id),
            str(event.user_id),
            event.name,
            event.binding.provider,
            event.binding.account,
            str(spec.dataset_id),
            event.dataset_name,
            spec.target,
            spec.model,
            event.at.isoformat(),
            to_micro(limits.max_cost_usd),
            limits.max_runtime_s,
            spec.dataset_bytes / 1e6,
            position,
        ),
    )


def _advance(connection: apsw.Connection, job_id: str, state: str, anew: bool) -> None:
    """Move forward; only the next attempt's reservation goes back."""
    if anew:
        connection.execute("UPDATE jobs SET state = ? WHERE job_id = ? AND state != 'closed'", (state, job_id))
        return
    earlier = _ORDER[: _ORDER.index(state)]
    marks = ", ".join("?" * len(earlier))
    connection.execute(
        f"UPDATE jobs SET state = ? WHERE job_id = ? AND state IN ({marks})",  # noqa: S608 (question marks only)
        (state, job_id, *earlier),
    )


def _columns(connection: apsw.Connection, job_id: str, event: ev.Event) -> None:
    changed: dict[str, str | int | None] = {}
    match event:
        case ev.MoneyReserved():
            changed = {
                "attempt": event.attempt,
                "started_at": None,
                "machine_id": None,
                "gone_at": None,
            }
        case ev.LaunchIntended():
            offer = event.request.offer
            changed = {
                "machine_name": event.request.name,
                "machine_type": offer.machine_type,
                "rate": str(offer.rate_usd_per_hour + offer.disk_usd_per_hour),
            }
        case ev.MachineCreated() | ev.MachineFound():
            changed = {"machine_id": event.machine.id}
        case ev.WorkStarted():
            changed = {"started_at": event.started_at.isoformat()}
        case ev.GoneProved():
            changed = {"gone_at": event.proof.at.isoformat()}
        case ev.AttemptEnded():
            cost = to_micro(event.cost_usd)
            connection.execute("UPDATE jobs SET cost_micro = cost_micro + ? WHERE job_id = ?", (cost, job_id))
        case ev.JobClosed():
            changed = {
                "outcome": event.outcome,
                "code": event.code,
                "detail": event.detail,
                "model_id": event.model_id and str(event.model_id),
                "cost_micro": to_micro(event.cost_usd),
                "ended_at": event.at.isoformat(),
            }
    for column, value in changed.items():
        connection.execute(f"UPDATE jobs SET {column} = ? WHERE job_id = ?", (value, job_id))  # noqa: S608 (own names)


STORED, STORED_BILLED, CHARGED = "stored", "stored, as billed", "charged"
"""Why rows stand there that no job and no prediction made."""


Booked = ev.Settled | ev.Spent | ev.Corrected | ev.Stored | ev.StoredBilled | ev.Charged
BOOKED: tuple[type[Booked], ...] = get_args(Booked)
"""The events with an amount that was spent."""


class CostsTable:
    """What was spent: a row for every settled job, prediction, correction, charge, day of storage. ``day`` is UTC."""

    name = "costs"
    version = 5
    kinds = frozenset(event.kind for event in BOOKED)
    tables = ("costs",)
    ddl = """
        CREATE TABLE costs (
            entry INTEGER PRIMARY KEY, job_id TEXT NOT NULL, user_id TEXT NOT NULL, day TEXT NOT NULL,
            provider TEXT NOT NULL, model_id TEXT, usd_micro INTEGER NOT NULL, reason TEXT NOT NULL
        ) STRICT;
        CREATE INDEX costs_user ON costs (user_id, day);
    """

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Write one amount."""
        event = recorded.event
        if not isinstance(event, BOOKED):
            return
        row = (*_booked(event), str(event.user_id), event.at.date().isoformat())
        connection.execute(
            "INSERT INTO costs (job_id, provider, model_id, usd_micro, reason, user_id, day)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )


def _booked(event: Booked) -> tuple[str, str, str | None, int, str]:
    """Return what cost, where, for which model, how much, and why."""
    match event:
        case ev.Settled():
            model_id = str(event.model_id) if event.model_id else None
            return str(event.job_id), event.provider, model_id, to_micro(event.observed_usd), "settled"
        case ev.Spent():
            amount = to_micro(event.amount_usd)
            return str(event.prediction_id), event.provider, str(event.model_id), amount, "prediction"
        case ev.Corrected():
            return str(event.job_id), "", None, to_micro(event.delta_usd), event.reason
        case ev.Stored():
            return f"stored with {event.provider}", event.provider, None, to_micro(event.amount_usd), STORED
        case ev.StoredBilled():
            key, amount = f"stored with {event.provider}", to_micro(event.difference_usd)
            return key, event.provider, None, amount, STORED_BILLED
        case ev.Charged():
            return event.what, event.provider, None, to_micro(event.amount_usd), CHARGED
