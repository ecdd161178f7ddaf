"""Whose is a listed machine, and may it be ended? Pure (design.md 2, *orphan*).

A machine is ended without a supervisor only when it carries a valid name of ours and its hard deadline has passed,
or this journal holds both its intent and its end. A valid name of our generation without any intent proves a second
writer: nothing is launched any more, and the machine is ended only at its hard deadline. Everything else is foreign
and never touched. Missing data is never a reason.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from actors.supervisor.rules import Naming
from actors.supervisor.state import Attempt, Job
from messages.machines import Listing, Machine, MachineName, MachineState


class Whose(StrEnum):
    """What a listed machine is to us."""

    FOREIGN = "foreign"
    OURS = "ours"
    ORPHAN = "orphan"
    SECOND_WRITER = "second_writer"
    OTHER_GENERATION = "other_generation"


class Claim(NamedTuple):
    """The verdict on one machine, with the reason that is journaled when it is ended."""

    whose: Whose
    reason: str = ""
    name: MachineName | None = None


def parse(machine: Machine, naming: Naming) -> MachineName | None:
    """Return the machine's name when it is one of this installation's."""
    name = MachineName.parse(machine.name, naming.key)
    return name if name is not None and name.install == naming.install else None


class Names:
    """Parsed names of the machines of the last listing: checking one costs more than all the rest of a look at it."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._known: dict[str, MachineName | None] = {}
        self._shown: dict[str, MachineName | None] = {}

    def begin(self) -> None:
        """Say that another listing begins: names that the last one did not show are forgotten."""
        self._known, self._shown = self._shown, {}

    def of(self, machine: Machine) -> MachineName | None:
        """Return what ``parse`` does."""
        text = machine.name
        name = self._known[text] if text in self._known else parse(machine, self._naming)
        self._shown[text] = name
        return name


def claim(machine: Machine, listing: Listing, naming: Naming, job: Job | None, now: datetime | None) -> Claim:
    """Judge one machine of ``listing``; ``job`` is the fold of the job its name points to, if there is one.

    Without ``now``, because nobody knows the time for certain, no deadline has passed.
    """
    name = parse(machine, naming)
    if name is None:
        return Claim(Whose.FOREIGN)
    if machine.state is MachineState.GONE:
        return Claim(Whose.OURS, name=name)
    if now is not None and now >= name.hard_deadline:
        return Claim(Whose.ORPHAN, f"its hard deadline was {name.hard_deadline:%Y-%m-%d %H:%M:%S} UTC", name)
    attempt = _attempt(job, machine)
    if attempt is not None:
        return _of_attempt(attempt, listing, name)
    if name.generation != naming.generation:
        return Claim(Whose.OTHER_GENERATION, name=name)
    return Claim(Whose.SECOND_WRITER, "this journal holds no intent for it", name)


def _of_attempt(attempt: Attempt, listing: Listing, name: MachineName) -> Claim:
    if attempt.ended is None:
        return Claim(Whose.OURS, name=name)
    if attempt.gone and listing.began <= attempt.gone.at:
        return Claim(Whose.OURS, "the listing is older than the proof that it is gone", name)
    return Claim(Whose.ORPHAN, "its attempt is over", name)


def _attempt(job: Job | None, machine: Machine) -> Attempt | None:
    attempts = job.attempts if job else ()
    return next((a for a in attempts if a.request and a.request.name == machine.name), None)
