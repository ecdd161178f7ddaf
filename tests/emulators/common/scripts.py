"""Machines that follow a script in virtual time: for simulations, where no process runs and nothing sleeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tests.emulators.common.runner import Printed


class Box(ABC):
    """What a script has: one start of one machine."""

    def __init__(self) -> None:
        self.lines: list[Printed] = []
        self.at: float | None = None
        """The time of the step being taken."""

    @abstractmethod
    def ended(self) -> bool:
        """Return whether the script has ended this start."""

    def log(self, line: str) -> None:
        """Print one line."""
        self.lines.append(Printed(self.at, line))


SpecT = TypeVar("SpecT")
BoxT = TypeVar("BoxT", bound=Box)
GivenT = TypeVar("GivenT", bound=Box, contravariant=True)


class Script(Protocol[GivenT]):
    """One start of a machine, as a small deterministic machine."""

    def due(self) -> float | None:
        """Return when ``step`` wants to be called next, or ``None`` if never again."""
        ...

    def step(self, now: float, box: GivenT) -> None:
        """Do what is due at ``now``; ``due`` must move on, or the script end its box."""
        ...

    def asked_to_end(self, now: float, grace_s: float, box: GivenT) -> None:
        """SIGTERM: the box is gone ``grace_s`` later whatever happens here. Not called when there is no grace."""
        ...


Action = Callable[[float, BoxT], None]


class TimedScript(Generic[BoxT]):
    """Actions at fixed times after the start."""

    def __init__(
        self, began: float, actions: Sequence[tuple[float, Action[BoxT]]], on_term: Action[BoxT] | None = None
    ) -> None:
        self._left = [(began + after, action) for after, action in sorted(actions, key=lambda one: one[0])]
        self._on_term = on_term

    def due(self) -> float | None:
        """Return the time of the next action."""
        return self._left[0][0] if self._left else None

    def step(self, now: float, box: BoxT) -> None:
        """Do the next action."""
        self._left.pop(0)[1](now, box)

    def asked_to_end(self, now: float, grace_s: float, box: BoxT) -> None:
        """Do what was given for this."""
        if self._on_term:
            self._on_term(now, box)


@dataclass
class Running(Generic[BoxT]):
    """A script that was begun and not removed yet."""

    script: Script[BoxT]
    box: BoxT
    kill_at: float | None = None
    """When it is removed whatever it does."""

    def due(self) -> float | None:
        """Return when something is to be done; an ended one waits for whoever asks what became of it."""
        asleep = self.box.ended() and self.kill_at is None
        known = [] if asleep else [one for one in (self.script.due(), self.kill_at) if one is not None]
        return min(known, default=None)


class ScriptRunner(Generic[SpecT, BoxT]):
    """Runs the scripts of one emulator's machines."""

    def __init__(self, scripts: Callable[[SpecT, float], Script[BoxT]]) -> None:
        self._scripts = scripts
        self._running: dict[str, Running[BoxT]] = {}
        self._printed: dict[str, list[Printed]] = {}

    def kill(self, machine_id: str, grace_s: float, now: float) -> None:
        """Tell a script to end, and end it."""
        running = self._running.get(machine_id)
        if running is None:
            return
        if grace_s <= 0 or running.box.ended():
            self._remove(machine_id)
        elif running.kill_at is None:
            running.kill_at = now + grace_s
            running.box.at = now
            running.script.asked_to_end(now, grace_s, running.box)

    def forget(self, machine_id: str, now: float) -> None:
        """Drop what it printed."""
        self._printed.pop(machine_id, None)

    def lines(self, machine_id: str) -> Sequence[Printed]:
        """Return what was printed."""
        fresh = self._printed.pop(machine_id, [])
        running = self._running.get(machine_id)
        if running is not None:
            fresh += running.box.lines
            running.box.lines = []
        return fresh

    def next_due(self) -> float | None:
        """Return when the next script wants to do something."""
        due = self._next()
        return None if due is None else due[0]

    def close(self) -> None:
        """Drop all scripts."""
        self._running.clear()

    def _until_one_ends(self, now: float) -> str | None:
        """Take the steps that are due until one ends its box; return whose, or ``None`` when all are taken."""
        while (due := self._next()) is not None and due[0] <= now:
            running = self._running[due[1]]
            if running.kill_at is not None and running.kill_at <= due[0]:
                self._remove(due[1])
                continue
            running.box.at = due[0]
            running.script.step(due[0], running.box)
            if running.box.ended() and self._running.get(due[1]) is running:
                return due[1]
        return None

    def _next(self) -> tuple[float, str] | None:
        known = [(due, one) for one, running in self._running.items() if (due := running.due()) is not None]
        return min(known, default=None)

    def _remove(self, machine_id: str) -> None:
        running = self._running.pop(machine_id, None)
        if running is not None:
            self._printed[machine_id] = [*self._printed.get(machine_id, []), *running.box.lines]
