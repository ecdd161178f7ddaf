"""What listings say of a machine's health: restarts, crash loops, hosts that run nothing, stopped machines. Pure.

One look proves nothing: each verdict needs several complete listings. What a provider does not say is never held
against a machine, silence is no ailment, and a cached or frozen uptime is no restart: that one reads as young as the
time since the look before allows. Once work has begun its heartbeat outweighs the provider's word: whatever a listing
says of restarts and stops, a new heartbeat after it takes it back. Each verdict is one sentence: cause and next step.
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
RESTARTS_BEFORE_START = 3
"""Containers that ended before the work began: one or two may be a slow volume, the third is a loop."""
STOPPED_LOOKS = 3
"""Listings in a row that show a machine stopped: a status that flaps is believed no sooner."""
UNBEGUN_STOP_S = 30.0
"""How long listings must show a machine stopped before its work began: nothing else speaks for it then, and a status
may flap for a while after the create. So long its disk bills, and nothing more."""
HEARTBEAT_S = 15.0
"""The wrapper's interval (design.md 7)."""
CONFIRM_S = 30.0
"""What a listing says after the work began must last so long without a new heartbeat, or longer: ``confirm_s``."""


def confirm_s(look_interval_s: float) -> float:
    """Return in how many seconds a heartbeat of healthy work is seen, given the seconds between two looks."""
    return max(CONFIRM_S, HEARTBEAT_S + look_interval_s)


@dataclass(slots=True)
class History:
    """What listings showed of one machine so far."""

    machine_id: str
    attempt: int
    state: MachineState = MachineState.UNKNOWN
    raw_status: str = ""
    """As the last listing showed it."""
    uptime_s: float | None = None
    read_s: float = 0.0
    """When the uptime was read, monotonic."""
    falls: int = 0
    """Uptimes that fell to one a restart since the look before would give."""
    fell_s: float | None = None
    """When a fall was first seen that nothing has taken back."""
    before_fall_s: float = 0.0
    """The last look before it."""
    stopped_looks: int = 0
    stopped_since_s: float | None = None
    """When a stop was first seen that nothing has taken back."""
    runs_nothing_since_s: float | None = None


class Ailments:
    """The history of every watched machine, one entry a job."""

    def __init__(self) -> None:
        self._histories: dict[JobId, History] = {}

    def drop(self, job_id: JobId) -> None:
        """Forget a job."""
        self._histories.pop(job_id, None)

    def unstarted(self, job_id: JobId) -> str:
        """Say why a machine may not have begun its work, by what listings showed of it, and what to do.

        Empty where they showed nothing that says so.
        """
        history = self._histories.get(job_id)
        if history is None:
            return ""
        if history.state is MachineState.STARTING:
            said = history.raw_status or "starting"
            return (
                f"The provider showed it as {said} to the end and never as running: its image cannot be had or takes "
                "too long to fetch, or its host is stuck; check the image, or try another machine."
            )
        if history.state is not MachineState.RUNNING:
            return ""
        if not history.uptime_s:
            return "It was said to run, and nothing shows that anything ran in it: a bad host; run it again."
        return (
            f"It ran for {history.uptime_s:.0f} s and the work did not begin: it does not reach the store, or its "
            "image cannot run Python; check both, or try another image."
        )

    def observe(
        self,
        watched: Watched,
        machine: Machine,
        timings: Timings,
        now_s: float,
        *,
        heard_s: float | None = None,
        look_interval_s: float = 0.0,
    ) -> Ailing | None:
        """Take what a complete listing of the right account shows of a job's machine; return what ails it.

        ``heard_s`` is when a new heartbeat of its work was last seen, ``look_interval_s`` how often one is looked for.
        """
        history = self._histories.get(watched.job_id)
        if history is None or (history.machine_id, history.attempt) != (machine.id, watched.attempt):
            history = self._histories[watched.job_id] = History(machine.id, watched.attempt)
        _note(history, machine, now_s, heard_s)
        found = _verdict(history, watched, machine, timings, now_s, confirm_s(look_interval_s))
        if found is None:
            return None
        reason, detail = found
        return Ailing(attempt=watched.attempt, machine_id=machine.id, reason=reason, detail=detail)


def _note(history: History, machine: Machine, now_s: float, heard_s: float | None) -> None:
    history.state, history.raw_status = machine.state, machine.raw_status
    _note_stop(history, machine, now_s, heard_s)
    if machine.state is not MachineState.RUNNING or machine.uptime_s != 0:
        history.runs_nothing_since_s = None  # an uptime that is not said is not an uptime of 0
    elif history.runs_nothing_since_s is None:
        history.runs_nothing_since_s = now_s
    if machine.uptime_s is not None:
        _note_uptime(history, machine.uptime_s, now_s)
    if history.fell_s is not None and heard_s is not None and heard_s > history.fell_s:
        history.fell_s = None


def _note_stop(history: History, machine: Machine, now_s: float, heard_s: float | None) -> None:
    since_s = history.stopped_since_s
    taken_back = since_s is not None and heard_s is not None and heard_s > since_s
    if machine.state is not MachineState.STOPPED_BILLING or taken_back:
        history.stopped_looks, history.stopped_since_s = 0, None
    if machine.state is MachineState.STOPPED_BILLING:
        history.stopped_looks += 1
        if history.stopped_since_s is None:
            history.stopped_since_s = now_s


def _note_uptime(history: History, uptime_s: float, now_s: float) -> None:
    before_s, looked_s = history.uptime_s, history.read_s
    history.uptime_s, history.read_s = uptime_s, now_s
    if history.fell_s is not None and uptime_s > now_s - history.before_fall_s + UPTIME_SLACK_S:
        history.fell_s = None  # older than any restart since: the low reading was a stale one
    if before_s is None or uptime_s >= before_s - UPTIME_SLACK_S or uptime_s > now_s - looked_s + UPTIME_SLACK_S:
        return
    history.falls += 1
    if history.fell_s is None:
        history.fell_s, history.before_fall_s = now_s, looked_s


def _verdict(
    history: History, watched: Watched, machine: Machine, timings: Timings, now_s: float, confirm_s: float
) -> tuple[StopReason, str] | None:
    begun = watched.phase is JobState.RUNNING
    stopped_s = 0.0 if history.stopped_since_s is None else now_s - history.stopped_since_s
    if history.stopped_looks >= STOPPED_LOOKS and stopped_s >= (confirm_s if begun else UNBEGUN_STOP_S):
        return StopReason.STOPPED, _stopped(machine, begun)
    if begun and history.fell_s is not None and now_s - history.fell_s >= confirm_s:
        detail = "Its container was started again after the work had begun, so the work is over; the machine is ended."
        return StopReason.RESTARTED, detail
    if watched.phase is not JobState.STARTING:
        return None
    if history.falls >= RESTARTS_BEFORE_START:
        detail = (
            f"Its container ended and was started again {history.falls} times before the work began: "
            "the image or its start fails; while it runs, lastcall logs JOB --console shows why; or try another image."
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
