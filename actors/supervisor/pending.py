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
class Reserve:
    """Hold money for the next attempt and write its job folder."""

    attempt: int
    offer: Offer

    @property
    def key(self) -> str:
        """Identity of the effect within its job."""
        return f"reserve/{self.attempt}"


@dataclass(frozen=True, slots=True)
class Launch:
    """Send the one create call of an attempt."""

    intent: LaunchIntended

    @property
    def key(self) -> str:
        """Identity of the effect within its job."""
        return f"launch/{self.intent.attempt}"


@dataclass(frozen=True, slots=True)
class EndMachine:
    """Terminate a machine and prove it gone, for as long as it takes."""

    attempt: int
    machine: Machine
    surplus: bool = False

    @property
    def key(self) -> str:
        """Identity of the effect within its job."""
        return f"end/{self.attempt}/{self.machine.id}"


@dataclass(frozen=True, slots=True)
class Collect:
    """Verify the artifacts the marker names and store the model."""

    attempt: int
    marker: ResultMarker
    folder: str
    """Storage key of the job folder."""

    @property
    def key(self) -> str:
        """Identity of the effect within its job."""
        return f"collect/{self.attempt}"


@dataclass(frozen=True, slots=True)
class SeekMarker:
    """The machine is gone without a known marker: look twice whether it left one."""

    attempt: int

    @property
    def key(self) -> str:
        """Identity of the effect within its job."""
        return f"seek/{self.attempt}"


Effect = Reserve | Launch | EndMachine | Collect | SeekMarker


def pending(job: Job, run: str, *, granted: bool) -> tuple[Effect, ...]:
    """Return the effects due now, in a stable order.

    ``run`` is this process run: a create intended by another one is never sent. ``granted`` says whether a queued
    job has a machine slot; a job that had a machine keeps its slot.
    """
    if job.closed:
        return ()
    attempt = job.current
    if attempt is None:
        return _reserve(job, granted)
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
        return (Launch(attempt.intent),)
    return ()


def _ends(attempt: Attempt) -> tuple[Effect, ...]:
    ends: list[Effect] = []
    if attempt.end and attempt.machine and not attempt.gone:
        ends.append(EndMachine(attempt.number, attempt.machine))
    ends.extend(EndMachine(attempt.number, machine, surplus=True) for machine in attempt.surplus)
    return tuple(ends)


def _reads(attempt: Attempt) -> tuple[Effect, ...]:
    if attempt.marker and attempt.end and attempt.request and not attempt.collected:
        return (Collect(attempt.number, attempt.marker, attempt.request.folder),)
    if attempt.gone and not attempt.marker and not attempt.read_out:
        return (SeekMarker(attempt.number),)
    return ()
