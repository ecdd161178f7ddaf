"""What is to be done now: ``pending(job, run) → effects``, a function of the state alone.

After each append and after every restart the shell runs what is pending and not in flight; an effect appends its
own observation, which takes it off this list.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.supervisor.outcome import next_offer, try_again
from actors.supervisor.state import Attempt, Job
from messages.events import LaunchIntended
from messages.jobs import JobState, ResultMarker
from messages.machines import Machine, Offer


@dataclass(frozen=True, slots=True)
class _OfAttempt:
    """An effect of one attempt. ``key`` is its identity within the job: one of a key runs at a time."""

    attempt: int

    @property
    def key(self) -> str:
        """Kind of the effect and number of its attempt."""
        return f"{type(self).__name__.lower()}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class Reserve(_OfAttempt):
    """Hold money for the next attempt and write its job folder."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class Launch(_OfAttempt):
    """Send the one create call of an attempt."""

    intent: LaunchIntended


@dataclass(frozen=True, slots=True)
class End(_OfAttempt):
    """Terminate a machine and prove it gone, for as long as it takes."""

    machine: Machine
    surplus: bool = False

    @property
    def key(self) -> str:
        """An attempt can have surplus machines, so the machine's id is part of it."""
        return f"end/{self.attempt}/{self.machine.id}"


@dataclass(frozen=True, slots=True)
class Collect(_OfAttempt):
    """Verify the artifacts the marker names and store the model."""

    marker: ResultMarker
    folder: str
    """Storage key of the job folder."""


@dataclass(frozen=True, slots=True)
class Seek(_OfAttempt):
    """The machine is gone without a known marker: look twice whether it left one."""


Effect = Reserve | Launch | End | Collect | Seek


def pending(job: Job, run: str, *, granted: bool, may_launch: bool = True) -> tuple[Effect, ...]:
    """Return the effects due now, in a stable order.

    ``run`` is this process run: a create intended by another one is never sent. ``granted`` says whether a queued
    job has a machine slot; a job that had a machine keeps its slot. Without ``may_launch`` no money is held for
    another machine; a create that is intended already says for itself that it was not sent.
    """
    if job.closed:
        return ()
    attempt = job.current
    if attempt is None:
        return _reserve(job, granted) if may_launch else ()
    return (*_launch(attempt, run), *_ends(attempt), *_reads(attempt))


def _reserve(job: Job, granted: bool) -> tuple[Effect, ...]:
    offer = next_offer(job)
    stopped = job.stop or job.parked or job.reservation_refused
    first = job.phase is JobState.QUEUED and granted
    if offer is None or stopped or not (first or try_again(job)):
        return ()
    return (Reserve(len(job.attempts) + 1, offer),)


def _launch(attempt: Attempt, run: str) -> tuple[Effect, ...]:
    if attempt.unanswered and attempt.intent and attempt.intent.run == run:
        return (Launch(attempt.number, attempt.intent),)
    return ()


def _ends(attempt: Attempt) -> tuple[Effect, ...]:
    ends: list[Effect] = []
    if attempt.end and attempt.machine and not attempt.gone:
        ends.append(End(attempt.number, attempt.machine))
    ends.extend(End(attempt.number, machine, surplus=True) for machine in attempt.surplus)
    return tuple(ends)


def _reads(attempt: Attempt) -> tuple[Effect, ...]:
    if attempt.marker and attempt.end and attempt.request and not attempt.collected:
        return (Collect(attempt.number, attempt.marker, attempt.request.folder),)
    if attempt.gone and not attempt.marker and not attempt.read_out:
        return (Seek(attempt.number),)
    return ()
