"""What listings say of a machine's health: restarts, crash loops, hosts that run nothing, stopped machines. Pure.

One look proves nothing: each verdict needs two complete listings, or a span. What a provider does not say is never
held against a machine, and silence is no ailment. Each verdict is one sentence: cause and next step.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.fleet.messages import Watched
from actors.supervisor.inputs import Ailing
from messages.ids import JobId
from messages.jobs import JobState, StopReason
from messages.machines import Machine, MachineState, Timings

UPTIME_SLACK_S = 2.0
"""An uptime may read this much less than before without meaning anything: it is rounded and cached."""
RESTARTS_BEFORE_START = 2
"""Containers that ended before the work began: the first may be a slow volume, the second is a loop."""


@dataclass(slots=True)
class History:
    """What listings showed of one machine so far."""

    machine_id: str
    attempt: int
    uptime_s: float | None = None
    fallen_from_s: float | None = None
    """The uptime before a fall that one listing has shown; the next one confirms it or takes it back."""
    restarts: int = 0
    stopped_looks: int = 0
    runs_nothing_since_s: float | None = None


class Ailments:
    """The history of every watched machine, one entry a job."""

    def __init__(self) -> None:
        self._histories: dict[JobId, History] = {}

    def drop(self, job_id: JobId) -> None:
        """Forget a job."""
        self._histories.pop(job_id, None)

    def observe(self, watched: Watched, machine: Machine, timings: Timings, now_s: float) -> Ailing | None:
        """Take what a complete listing of the right account shows of a job's machine; return what ails it."""
        history = self._histories.get(watched.job_id)
        if history is None or (history.machine_id, history.attempt) != (machine.id, watched.attempt):
            history = self._histories[watched.job_id] = History(machine.id, watched.attempt)
        _note(history, machine, now_s)
        found = _verdict(history, watched, machine, timings, now_s)
        if found is None:
            return None
        reason, detail = found
        return Ailing(attempt=watched.attempt, machine_id=machine.id, reason=reason, detail=detail)


def _note(history: History, machine: Machine, now_s: float) -> None:
    history.stopped_looks = history.stopped_looks + 1 if machine.state is MachineState.STOPPED_BILLING else 0
    if machine.state is not MachineState.RUNNING or machine.uptime_s:
        history.runs_nothing_since_s = None
    elif history.runs_nothing_since_s is None:
        history.runs_nothing_since_s = now_s
    if machine.uptime_s is not None:
        _note_uptime(history, machine.uptime_s)


def _note_uptime(history: History, uptime_s: float) -> None:
    before = history.uptime_s
    if history.fallen_from_s is not None:
        if uptime_s < history.fallen_from_s - UPTIME_SLACK_S:
            history.restarts += 1
        history.fallen_from_s = None
    elif before is not None and uptime_s < before - UPTIME_SLACK_S:
        history.fallen_from_s = before
        return
    history.uptime_s = uptime_s


def _verdict(
    history: History, watched: Watched, machine: Machine, timings: Timings, now_s: float
) -> tuple[StopReason, str] | None:
    begun = watched.phase is JobState.RUNNING
    if history.stopped_looks >= 2:
        return StopReason.STOPPED, _stopped(machine, begun)
    if begun and history.restarts:
        detail = "Its container was started again after the work had begun, so the work is over; the machine is ended."
        return StopReason.RESTARTED, detail
    if watched.phase is not JobState.STARTING:
        return None
    if history.restarts >= RESTARTS_BEFORE_START:
        detail = (
            f"Its container ended and was started again {history.restarts} times before the work began: "
            "the image or its start fails; look at the machine's console with lastcall logs, or try another image."
        )
        return StopReason.CRASH_LOOP, detail
    since_s, limit_s = history.runs_nothing_since_s, timings.no_uptime_s
    if limit_s is not None and since_s is not None and now_s - since_s >= limit_s:
        detail = f"It was said to run for {limit_s:.0f} s and nothing ran: a bad host; another one is tried."
        return StopReason.BAD_HOST, detail
    return None


def _stopped(machine: Machine, begun: bool) -> str:
    said = f" ({machine.raw_status})" if machine.raw_status else ""
    if begun:
        return f"The provider stopped it{said}: often an empty balance. Its disk would go on billing, so it is ended."
    return f"The provider stopped it before the work began{said}: an image that cannot be had, or an empty balance."
