"""Jobs as FleetWatch has them before it."""

from __future__ import annotations

from typing import Any

from actors.fleet.messages import Watched
from messages.jobs import JobState
from tests.support.jobs import ACCOUNT, JOB, START, USER

NAME = "the-name"


def watched(phase: JobState = JobState.RUNNING, **more: Any) -> Watched:
    """Return a job whose machine is ``m1``; ``more`` is what differs."""
    known: dict[str, Any] = {
        "job_id": JOB,
        "user_id": USER,
        "attempt": 1,
        "name": NAME,
        "folder": "jobs/user/job/1",
        "account": ACCOUNT,
        "phase": phase,
        "machine_id": "m1",
        "known_ids": ("m1",),
        "soft_deadline": START,
    }
    return Watched(**{**known, **more})
