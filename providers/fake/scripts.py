"""What a fake machine does with its life, in seconds since it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from messages.folder import RESULT, STARTED, Started
from messages.jobs import ResultMarker
from messages.machines import LaunchRequest
from messages.storage import Artifact

Body = Callable[[LaunchRequest, datetime], bytes]
"""Makes a file's content from the request and the moment it is written."""

NONCE = "fake"


class Write(NamedTuple):
    """A file that appears in the job folder."""

    after_s: float
    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Script:
    """One machine's life. By default it runs at once, says nothing and never ends by itself."""

    starts_after_s: float | None = 0.0
    """``None``: it stays in ``starting`` for ever."""
    ends_after_s: float | None = None
    writes: tuple[Write, ...] = ()
    listed_after_s: float = 0.0
    """Read lag: it bills, but neither listings nor ``describe`` show it before."""
    terminates_ignored: int = 0
    """This many terminate calls are accepted and do nothing."""
    stays_listed_looks: int = 0
    """This many listings still show it after its end."""
    twin: bool = False
    """A second machine of the same name appears (a surplus)."""


def fixed(data: bytes) -> Body:
    """Return a body that is always ``data``."""

    def body(request: LaunchRequest, at: datetime) -> bytes:  # noqa: ARG001 (always the same)
        return data

    return body


def started(request: LaunchRequest, at: datetime) -> bytes:
    """``started.json`` as a wrapper writes it."""
    says = Started(attempt=request.attempt, nonce=NONCE, started_at=at, machine=request.name)
    return says.model_dump_json().encode()


def result(outcome: str = "succeeded", code: str | None = None, artifacts: Mapping[str, bytes] | None = None) -> Body:
    """Return ``result.json`` as a wrapper writes it; ``artifacts`` are names inside the job folder."""
    listed = tuple(
        Artifact(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in (artifacts or {}).items()
    )

    def body(request: LaunchRequest, at: datetime) -> bytes:
        marker = ResultMarker.model_validate(
            {
                "attempt": request.attempt,
                "nonce": NONCE,
                "outcome": outcome,
                "code": code,
                "exit_code": 0 if outcome == "succeeded" else 1,
                "ended_at": at,
                "artifacts": listed,
            }
        )
        return marker.model_dump_json(by_alias=True).encode()

    return body


def job(
    run_s: float,
    *,
    start_s: float = 1.0,
    outcome: str = "succeeded",
    code: str | None = None,
    artifacts: Mapping[str, bytes] | None = None,
    ends_itself: bool = True,
) -> Script:
    """Return the life of a job as it should be: started, artifacts, marker last, then the machine ends itself."""
    done = start_s + run_s
    files = tuple(Write(done, name, fixed(data)) for name, data in (artifacts or {}).items())
    return Script(
        starts_after_s=start_s,
        ends_after_s=done + 0.1 if ends_itself else None,
        writes=(
            Write(start_s, STARTED, started),
            *files,
            Write(done, RESULT, result(outcome, code, artifacts)),
        ),
    )
