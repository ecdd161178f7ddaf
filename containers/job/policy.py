"""What to do now: pure functions of times and flags, no clock, no process, no file.

The work is never stopped for silence: no daemon, no storage and no progress are not in here at all.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

HARD_RESERVE_S = 300.0
"""A soft deadline stays this long before the hard one (design: soft <= hard - 300 s)."""

INTERRUPT_GRACE_S = 4.0
"""SIGTERM to SIGKILL when the platform takes the machine: RunPod gives 5 s between its own two."""

ANNOUNCED_GRACE_S = 30.0
"""The same where the platform said so before it sends anything: AWS gives two minutes, and is asked every 5 s."""

MEMORY_KILL_SHARE = 0.97
"""Share of the memory limit at which the work is killed, before the kernel picks a victim of its own."""

MEMORY_PRESSURE_SHARE = 0.90
"""Peak share from which a foreign SIGKILL reads as the kernel's."""

RESTART_MEMORY_SHARE = 0.95
"""Share in the last heartbeat from which a restart reads as out of memory."""


class Reason(enum.Enum):
    """Why the wrapper itself ends something. Without a reason the work ended on its own."""

    FENCED = "fenced"
    """Another wrapper claimed this attempt, or its marker exists."""
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The platform takes the machine."""
    MEMORY = "memory"
    DEADLINE = "deadline"
    STEP_LIMIT = "step_limit"
    """A preparing step passed its own limit."""
    RESTARTED = "restarted"
    """The attempt had been started before: nothing ran in this process."""
    FOLDER = "folder"
    """The job folder or what it holds cannot be used."""
    WRAPPER = "wrapper"
    """The wrapper itself failed."""


class Step(enum.IntEnum):
    """How hard to stop."""

    RUN = 0
    TERM = 1
    KILL = 2


class Limits(NamedTuple):
    """Leads and graces in seconds."""

    term_lead_s: float
    kill_lead_s: float
    stop_grace_s: float


class Moment(NamedTuple):
    """All that a decision rests on; spans in seconds, ``None`` where it has not happened."""

    left_s: float
    """Until the work must have stopped; see ``time_left``."""
    stopping_s: float | None = None
    """Since the daemon asked for the stop."""
    interrupted_s: float | None = None
    """Since the platform's notice."""
    past_limit_s: float | None = None
    """Since a preparing step passed its limit."""
    memory_share: float = 0.0
    fenced: bool = False
    interrupt_grace_s: float = INTERRUPT_GRACE_S
    """How long the work may take from the platform's notice on."""


class Order(NamedTuple):
    """What to do, and why."""

    step: Step
    reason: Reason | None = None


def decide(moment: Moment, limits: Limits) -> Order:
    """Return the hardest step any rule asks for, with the reason that counts most (the order of the rules)."""
    rules = (
        (Reason.FENCED, Step.KILL if moment.fenced else Step.RUN),
        (Reason.CANCELLED, _graced(moment.stopping_s, limits.stop_grace_s)),
        (Reason.INTERRUPTED, _graced(moment.interrupted_s, moment.interrupt_grace_s)),
        (Reason.MEMORY, Step.KILL if moment.memory_share >= MEMORY_KILL_SHARE else Step.RUN),
        (Reason.DEADLINE, _due(moment.left_s, limits)),
        (Reason.STEP_LIMIT, _graced(moment.past_limit_s, limits.stop_grace_s)),
    )
    step = max(asked for _, asked in rules)
    return Order(step, next((reason for reason, asked in rules if asked is not Step.RUN), None))


def _graced(since_s: float | None, grace_s: float) -> Step:
    if since_s is None:
        return Step.RUN
    return Step.KILL if since_s >= grace_s else Step.TERM


def _due(left_s: float, limits: Limits) -> Step:
    if left_s <= limits.kill_lead_s:
        return Step.KILL
    return Step.TERM if left_s <= limits.term_lead_s else Step.RUN


def time_left(soft_deadline: float, wall: float, max_runtime_s: float, since_started_s: float) -> float:
    """Return min(deadline - wall clock, max runtime - time since ``started.json``), in seconds."""
    return min(soft_deadline - wall, max_runtime_s - since_started_s)


def bounded_soft_deadline(asked: float, initial: float, hard: float) -> float:
    """Return the soft deadline that counts: either way, but never into the reserve before the hard one.

    The deadline the machine was started with stands even inside the reserve: the daemon chose both.
    """
    return min(asked, max(initial, hard - HARD_RESERVE_S), hard)


def seconds_to_next(moment: Moment, limits: Limits) -> float:
    """Return how long no rule can change its mind by time alone; at least 0."""
    waits = [left for left in (moment.left_s - limits.term_lead_s, moment.left_s - limits.kill_lead_s) if left > 0]
    for since, grace in (
        (moment.stopping_s, limits.stop_grace_s),
        (moment.interrupted_s, moment.interrupt_grace_s),
        (moment.past_limit_s, limits.stop_grace_s),
    ):
        if since is not None and since < grace:
            waits.append(grace - since)
    return min(waits, default=0.0)
