"""What follows from what: ``decide(job, input, now, rules) → events``. Pure; reads as a table from top to bottom.

``_heard`` turns an input into the facts it carries; ``_next`` is the table of decisions, asked again until it has
nothing more to say. Nothing here waits, calls or looks at a clock.
"""

from __future__ import annotations

from datetime import datetime

from actors.supervisor.checks import mismatch, money_deadline
from actors.supervisor.costs import attempt_ended
from actors.supervisor.inputs import Ailing, FolderSeen, Input, Sighted, StopAsked, Vanished
from actors.supervisor.outcome import next_offer, try_again, verdict
from actors.supervisor.rules import DEADLINE_GRACE_S, RESERVATION_FRESH_S, Rules, deadlines
from actors.supervisor.state import Attempt, Job, evolve
from messages import events as ev
from messages.base import seconds
from messages.jobs import StopReason
from messages.machines import LaunchRequest, Machine, MachineState

DECISIONS_MAX = 16
"""Decisions in one append; more would mean that two rules answer each other."""

_ONLY_BEFORE_START = (StopReason.CRASH_LOOP, StopReason.BAD_HOST)
"""Ailments that a start in the job folder disproves."""


class Undecided(RuntimeError):
    """The table did not come to rest: a fault of ours, never of the input."""


def decide(job: Job, heard: Input, now: datetime, rules: Rules) -> list[ev.Event]:
    """Return the events that follow from ``heard`` at ``now``; an empty list when nothing does."""
    if job.closed:
        return []
    events = _heard(job, heard, now, rules)
    for event in events:
        job = evolve(job, event)
    while (event_next := _next(job, now, rules)) is not None:
        if len(events) >= DECISIONS_MAX:
            raise Undecided(f"{job.id}: more than {DECISIONS_MAX} decisions at once, last {event_next.kind}")
        events.append(event_next)
        job = evolve(job, event_next)
    return events


def next_wake(job: Job, rules: Rules) -> datetime | None:
    """Return when time alone will make a decision due."""
    attempt = job.current
    if attempt is None or attempt.machine is None or attempt.end or attempt.request is None:
        return None
    return min(
        attempt.request.soft_deadline + seconds(DEADLINE_GRACE_S),
        money_deadline(attempt, attempt.request, rules.timings),
    )


# ------------------------------------------------------------------------------------------------ what was heard


def _heard(job: Job, heard: Input, now: datetime, rules: Rules) -> list[ev.Event]:
    match heard:
        case StopAsked():
            return [] if job.stop else [ev.StopAccepted(by=heard.by, command_id=heard.command_id, at=now)]
        case FolderSeen():
            return _folder_seen(job, heard, now)
        case Sighted():
            return _sighted(job, heard, now, rules)
        case Vanished():
            return _vanished(job, heard, now, rules)
        case Ailing():
            return _ailing(job, heard, now)
        case _:
            return []


def _folder_seen(job: Job, seen: FolderSeen, now: datetime) -> list[ev.Event]:
    attempt = job.current
    if attempt is None or attempt.number != seen.attempt or attempt.request is None:
        return []
    events: list[ev.Event] = []
    started, marker = seen.started, seen.marker
    if started and not attempt.started and started.attempt == attempt.number:
        work = ev.WorkStarted(
            attempt=attempt.number,
            nonce=started.nonce,
            started_at=started.started_at,
            machine_id=started.machine_id,
        )
        events.append(work)
    if marker and not attempt.marker and marker.attempt == attempt.number:
        events.append(ev.MarkerSeen(attempt=attempt.number, marker=marker))
    if seen.no_start and attempt.machine and not (attempt.started or attempt.marker or attempt.end):
        events.append(_end(attempt, StopReason.NO_START, seen.why, now))
    return events


def _sighted(job: Job, seen: Sighted, now: datetime, rules: Rules) -> list[ev.Event]:
    attempt = job.current
    if attempt is None or attempt.request is None or attempt.request.name != seen.name:
        return []
    if seen.account != job.binding.account or attempt.unanswered:
        return []
    if attempt.machine or attempt.ambiguous:
        return _adopt(attempt, seen, now) or _repriced(attempt, seen, now) or _absent(attempt, seen, now, rules)
    return []


def _repriced(attempt: Attempt, seen: Sighted, now: datetime) -> list[ev.Event]:
    """A listing shows the machine at another price. A stopped machine's price says nothing of what it bills."""
    if attempt.machine is None or attempt.end:
        return []
    for machine in seen.machines:
        rate = machine.rate_usd_per_hour
        if machine.id == attempt.machine.id and rate is not None and rate != attempt.rate_usd_per_hour:
            return [ev.RateChanged(attempt=attempt.number, rate_usd_per_hour=rate, at=now)]
    return []


def _adopt(attempt: Attempt, seen: Sighted, now: datetime) -> list[ev.Event]:
    """One machine of the name is adopted, in a stable order; every other one is surplus."""
    named = (m for m in seen.machines if m.name == seen.name)
    machines = sorted(named, key=lambda m: (m.first_seen, m.id))
    events: list[ev.Event] = []
    adopted = attempt.machine
    if adopted is None and machines and not attempt.never_seen:
        adopted = machines.pop(0)
        events.append(ev.MachineFound(attempt=attempt.number, machine=adopted, at=now))
    for machine in machines:
        known = adopted is not None and machine.id == adopted.id
        if not known and machine.id not in attempt.surplus_seen and machine.state is not MachineState.GONE:
            events.append(ev.SurplusFound(attempt=attempt.number, machine=machine, at=now))
    return events


def _absent(attempt: Attempt, seen: Sighted, now: datetime, rules: Rules) -> list[ev.Event]:
    """The quiet time is over, and complete listings begun after it are empty of the name.

    With an empty folder too, nothing was ever made. A start in the folder proves the opposite: the machine did its
    work and was gone before anybody listed it, and that work must not be done again.
    """
    if attempt.machine or attempt.never_seen or attempt.ambiguous is None or attempt.request is None:
        return []
    quiet_ends = attempt.ambiguous.call_ended + seconds(rules.timings.quiet_s)
    if seen.absent_since is None or seen.absent_since < quiet_ends or not _timed(attempt, rules):
        return []
    if attempt.started:
        machine = _from_folder(attempt.request, seen.account, attempt.started)
        return [ev.MachineFound(attempt=attempt.number, machine=machine, at=now)]
    return [ev.NeverSeen(attempt=attempt.number, listing_began=seen.absent_since)] if seen.folder_empty else []


def _from_folder(request: LaunchRequest, account: str, started: ev.WorkStarted) -> Machine:
    return Machine(
        id=started.machine_id or request.name,
        name=request.name,
        account=account,
        state=MachineState.UNKNOWN,
        rate_usd_per_hour=request.offer.rate_usd_per_hour,
        first_seen=started.started_at,
        raw_status="known from its job folder",
    )


def _vanished(job: Job, seen: Vanished, now: datetime, rules: Rules) -> list[ev.Event]:
    attempt = job.current
    if attempt is None or attempt.machine is None or attempt.end or attempt.created_at is None:
        return []
    young = now < attempt.created_at + seconds(rules.timings.min_age_s)
    if seen.machine_id != attempt.machine.id or young:
        return []
    return [_end(attempt, StopReason.VANISHED, seen.detail, now)]


def _ailing(job: Job, seen: Ailing, now: datetime) -> list[ev.Event]:
    attempt = job.current
    if attempt is None or attempt.machine is None or attempt.end or attempt.number != seen.attempt:
        return []
    if seen.machine_id != attempt.machine.id or (attempt.started and seen.reason in _ONLY_BEFORE_START):
        return []
    return [_end(attempt, seen.reason, seen.detail, now)]


# ------------------------------------------------------------------------------------------------ what follows


def _next(job: Job, now: datetime, rules: Rules) -> ev.Event | None:
    if job.closed:
        return None
    attempt = job.current
    if attempt is None:
        return _between_attempts(job, now)
    if attempt.intent is None:
        return _reserved(job, attempt, now, rules)
    if attempt.unanswered and attempt.intent.run != rules.run:
        detail = "Lastcall was restarted before the provider's answer was written down."
        return ev.CreateAmbiguous(attempt=attempt.number, detail=detail, call_ended=now)
    if attempt.machine and not attempt.end:
        return _running(job, attempt, attempt.machine, attempt.intent.request, now, rules)
    if attempt.resolved and attempt.read_out:
        return attempt_ended(attempt)
    return None


def _between_attempts(job: Job, now: datetime) -> ev.Event | None:
    waiting = job.last is None and not (job.stop or job.parked or job.reservation_refused)
    if waiting or try_again(job):
        return None
    how = verdict(job)
    model_id = next((a.collected.model_id for a in job.attempts if a.collected and a.collected.model_id), None)
    return ev.JobClosed(
        outcome=how.outcome, code=how.code, detail=how.detail, model_id=model_id, cost_usd=job.spent_usd, at=now
    )


def _reserved(job: Job, attempt: Attempt, now: datetime, rules: Rules) -> ev.Event | None:
    offer = next_offer(job)
    stale = (now - attempt.reserved_at).total_seconds() > RESERVATION_FRESH_S
    if job.stop or job.parked or stale or offer is None:
        return attempt_ended(attempt)
    if not rules.may_launch:
        return None
    limits = job.plan.limits
    when = deadlines(offer, rules.timings, limits.max_runtime_s, attempt.hold_usd, attempt.reserved_at, now)
    request = LaunchRequest(
        name=rules.naming.name(job.id, attempt.number, when.hard),
        job_id=job.id,
        attempt=attempt.number,
        offer=offer,
        folder=rules.layout.job_folder(job.user_id, job.id, attempt.number),
        soft_deadline=when.soft,
        hard_deadline=when.hard,
        max_runtime_s=limits.max_runtime_s,
        bundle=attempt.bundle,
        account=job.binding.account,
    )
    return ev.LaunchIntended(
        attempt=attempt.number,
        reservation=attempt.reservation,
        request=request,
        bound=when.bound,
        run=rules.run,
        at=now,
    )


def _running(
    job: Job, attempt: Attempt, machine: Machine, request: LaunchRequest, now: datetime, rules: Rules
) -> ev.Event | None:
    """The reasons to end a machine, in order; the first that holds is journaled."""
    overdue = now >= request.soft_deadline + seconds(DEADLINE_GRACE_S)
    wrong = mismatch(machine, request.offer)
    paid_for = money_deadline(attempt, request, rules.timings)
    if job.parked:
        return _end(attempt, StopReason.PARKED, job.parked.detail, now)
    if attempt.marker and attempt.marker_first:
        return _end(attempt, StopReason.MARKER, "", now)
    if job.stop:
        return _end(attempt, StopReason.STOP, f"asked for by {job.stop.by}", now)
    if wrong is not None:
        return _end(attempt, StopReason.CHECK_FAILED, wrong, now)
    if not _timed(attempt, rules):
        return None
    if now >= paid_for:
        detail = f"Its price rose to ${attempt.rate_usd_per_hour}/h, and what was held is used up."
        return _end(attempt, StopReason.BUDGET, detail, now)
    if overdue:
        money = attempt.intent is not None and attempt.intent.bound == "money"
        return _end(attempt, StopReason.BUDGET if money else StopReason.DEADLINE, "", now)
    return None


def _timed(attempt: Attempt, rules: Rules) -> bool:
    """Tell whether our clock can judge an attempt's times: it set them itself in this run, or it is known to be right.

    A computer that starts with its clock a day ahead sees all of them passed.
    """
    return rules.clock_sure or (attempt.intent is not None and attempt.intent.run == rules.run)


def _end(attempt: Attempt, reason: StopReason, detail: str, now: datetime) -> ev.EndDecided:
    return ev.EndDecided(attempt=attempt.number, reason=reason, detail=detail, at=now)
