"""How an attempt ended, and whether another offer is worth trying: two tables over the facts."""

from __future__ import annotations

from typing import NamedTuple

from actors.supervisor.rules import NOT_MADE_MAX, NOT_SENT_MAX, leads
from actors.supervisor.state import Attempt, Job
from messages import events as ev
from messages.jobs import Outcome, StopReason
from messages.machines import Offer


class Verdict(NamedTuple):
    """How it ended, with the registered code and one sentence about this one case."""

    outcome: Outcome
    code: str | None
    detail: str = ""


_BY_REASON = {
    StopReason.STOP: Verdict(Outcome.CANCELLED, "E-CANCELLED"),
    StopReason.BUDGET: Verdict(Outcome.OVER_BUDGET, "E-OVERBUDGET"),
    StopReason.DEADLINE: Verdict(Outcome.TIMED_OUT, "E-TIMEOUT"),
    StopReason.NO_START: Verdict(Outcome.FAILED, "E-NOSTART"),
    StopReason.VANISHED: Verdict(Outcome.INTERRUPTED, "E-INTERRUPTED"),
    StopReason.CHECK_FAILED: Verdict(Outcome.REFUSED, "E-REFUSED"),
    StopReason.RESTARTED: Verdict(Outcome.INTERRUPTED, "E-RESTARTED"),
    StopReason.CRASH_LOOP: Verdict(Outcome.FAILED, "E-NOSTART"),
    StopReason.BAD_HOST: Verdict(Outcome.FAILED, "E-NOSTART"),
    StopReason.STOPPED: Verdict(Outcome.INTERRUPTED, "E-INTERRUPTED"),
    StopReason.PARKED: Verdict(Outcome.INTERRUPTED, "E-PARKED"),
    StopReason.MARKER: Verdict(Outcome.LOST, "E-LOST"),
}
"""What the reason to end says where no marker does."""


_OF_STORAGE = frozenset({"E-STORAGE", "E-STORAGEFULL"})
"""Refusals of the store that what a machine needs could not be put into; every other one is about money."""


def verdict(job: Job) -> Verdict:
    """Return how the job ended, judged from its last attempt. Call it when no attempt is open."""
    if job.parked:
        return _BY_REASON[StopReason.PARKED]._replace(detail=job.parked.detail)
    attempt = job.last
    if attempt is None or attempt.intent is None:
        return _without_machine(job)
    if attempt.machine is None:
        return _never_made(job, attempt)
    return _after_work(job, attempt)


def _without_machine(job: Job) -> Verdict:
    if job.stop is None and job.reservation_refused:
        refusal = job.reservation_refused
        outcome = Outcome.REFUSED if refusal.code in _OF_STORAGE else Outcome.OVER_BUDGET
        return Verdict(outcome, refusal.code, refusal.detail)
    return _BY_REASON[StopReason.STOP]


def _never_made(job: Job, attempt: Attempt) -> Verdict:
    if job.stop:
        return _BY_REASON[StopReason.STOP]
    refusals = [a.refused for a in job.attempts if a.refused and _answered(a.refused)]
    detail = attempt.refused.detail if attempt.refused else "The provider made no machine."
    if refusals and (refusals[-1].reason == "refused" or all(r.reason == "denied" for r in refusals)):
        return Verdict(Outcome.REFUSED, "E-REFUSED", detail)
    return Verdict(Outcome.NO_CAPACITY, "E-NOCAP", detail)


def _after_work(job: Job, attempt: Attempt) -> Verdict:
    reason = attempt.end.reason if attempt.end else StopReason.VANISHED
    stopped = job.stop is not None and not attempt.marker_first
    if attempt.storage_unreadable:
        return Verdict(Outcome.LOST, "E-LOST")
    if stopped or attempt.marker is None or reason in (StopReason.BUDGET, StopReason.CHECK_FAILED):
        base = _BY_REASON[StopReason.STOP] if stopped else _BY_REASON[reason]
        return base._replace(detail=attempt.end.detail if attempt.end else "")
    return _from_marker(attempt)


def _from_marker(attempt: Attempt) -> Verdict:
    marker = attempt.marker
    if marker is None:
        raise ValueError("no marker to judge from")
    if attempt.collected and attempt.collected.code:
        return Verdict(Outcome.FAILED, attempt.collected.code, attempt.collected.detail)
    outcome = Outcome(marker.outcome)
    if outcome is Outcome.TIMED_OUT and _money_ran_out(attempt):
        return Verdict(Outcome.OVER_BUDGET, "E-OVERBUDGET", marker.detail)
    return Verdict(outcome, marker.code, marker.detail)


def _money_ran_out(attempt: Attempt) -> bool:
    """Tell whether the soft deadline came from the cost limit and was what ended the work."""
    if attempt.intent is None or attempt.intent.bound != "money" or attempt.marker is None or attempt.started is None:
        return False
    worked = (attempt.marker.ended_at - attempt.started.started_at).total_seconds()
    max_runtime_s = attempt.intent.request.max_runtime_s
    return worked < max_runtime_s - leads(max_runtime_s).term_s


def next_offer(job: Job) -> Offer | None:
    """Return the next offer to try: each is tried once, where trying means that the provider answered."""
    tried = {a.intent.request.offer.id for a in job.attempts if a.intent and (a.machine or _answered(a.refused))}
    return next((offer for offer in job.plan.offers if offer.id not in tried), None)


def _answered(refused: ev.LaunchRefused | None) -> bool:
    return refused is not None and refused.reason != "not_sent"


def try_again(job: Job) -> bool:
    """Tell whether another attempt follows the last one, which is over."""
    attempt = job.last
    if attempt is None or job.stop or job.parked or job.reservation_refused or next_offer(job) is None:
        return False
    if attempt.intent is None:
        return True
    if attempt.refused is not None and attempt.refused.reason == "refused":
        return False
    if attempt.machine is None:
        unanswered = sum(1 for a in job.attempts if a.intent and not a.machine and a.refused is None)
        not_sent = sum(1 for a in job.attempts if a.refused and not _answered(a.refused))
        return unanswered < NOT_MADE_MAX and not_sent < NOT_SENT_MAX
    billed = sum(1 for a in job.attempts if a.machine)
    return billed < job.plan.limits.max_billed_attempts and _worth_repeating(attempt)


def _worth_repeating(attempt: Attempt) -> bool:
    if attempt.storage_unreadable or attempt.end is None:
        return False
    if attempt.marker is not None:
        return attempt.marker.outcome == "interrupted" and attempt.marker.code != "E-OOM"
    return attempt.end.reason in _REPEATED


_REPEATED = frozenset(
    {
        StopReason.NO_START,
        StopReason.VANISHED,
        StopReason.CHECK_FAILED,
        StopReason.RESTARTED,
        StopReason.CRASH_LOOP,
        StopReason.BAD_HOST,
        StopReason.STOPPED,
    }
)
"""Ends that say nothing against the work: another machine may do it."""
