"""All actors of one event loop: starting them, ending them in order, looking at them, counting what reached nobody."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from actors.runtime.actor import Actor, Ref
from actors.runtime.cell import Cell
from actors.runtime.clock import time_of
from actors.runtime.deadlines import Deadlines
from actors.runtime.supervision import RestartPolicy
from actors.runtime.timers import TimerQueue
from actors.runtime.world import Clock, Entropy

M = TypeVar("M")

OnPark = Callable[[str, Exception], None]
"""Called with the actor's name and its last error when it is parked."""

Report = Callable[[str, BaseException, str], None]
"""Called with the actor's name, an error and what follows from it, for every failure."""

DEAD_LETTERS_KEPT = 100
"""Dead letters remembered (entries); all are counted."""

PARKED_KEPT = 1_000
"""Parked actors remembered for ``inspect`` (actors); older ones are forgotten."""

RATE_WINDOW_S = 60.0
"""Seconds over which a rate is taken, at least, once the actor is that old."""


class DeadLetter(NamedTuple):
    """A message nobody will handle: its kind only, since the content may be a user's."""

    actor: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """One actor at one moment."""

    name: str
    depth: int
    """Messages waiting."""
    age_s: float
    """How long the oldest unfinished message has been there, at most; 0 when there is none."""
    handled: int
    rate: float
    """Messages handled per second, lately."""
    restarts: int
    parked: bool
    stopping: bool
    replies: int
    """Deferred replies in work."""
    tasks: int
    overruns: int
    """Control messages taken beyond ``control_reserved``."""
    error: str
    """What it was parked for."""


def _log(name: str, error: BaseException, consequence: str) -> None:
    logging.getLogger("actors.runtime").error(
        "actor %s failed, %s", name, consequence, exc_info=(type(error), error, error.__traceback__)
    )


class ActorSystem:
    """Owns every actor it started. Made inside a running event loop, used on that loop's thread only."""

    def __init__(self, clock: Clock, entropy: Entropy, report: Report = _log) -> None:
        self.clock = clock
        self.entropy = entropy
        self.report = report
        self.loop = asyncio.get_running_loop()
        self.loop_time = time_of(self.loop)
        self.stamp = 0.0
        """Loop time, read once in each turn of the loop in which an actor wakes; 0 = not yet read in this turn."""
        self.deadlines = Deadlines(self.loop)
        self.timers = TimerQueue(clock, self.loop)
        self.dead_letters_total = 0
        self.dead_letters: deque[DeadLetter] = deque(maxlen=DEAD_LETTERS_KEPT)
        self._cells: dict[str, Cell] = {}
        self._parked: dict[str, Cell] = {}
        self._samples: dict[str, tuple[float, int, float, int]] = {}
        self._closed = False

    def spawn(
        self,
        factory: Callable[[], Actor[M]],
        name: str,
        *,
        policy: RestartPolicy | None = None,
        on_park: OnPark | None = None,
        parent: Cell | None = None,
    ) -> Ref[M]:
        """Start an actor and return its address; messages may be sent at once.

        The factory is called here and, after each failure, again; what it raises here is raised to the caller. Raises
        ValueError when the name is in use, RuntimeError after ``shutdown``. ``parent`` is set by ``ctx.spawn``.
        """
        if self._closed:
            raise RuntimeError(f"the actor system is shut down; {name} is not started")
        if name in self._cells:
            raise ValueError(f"an actor named {name} is alive")
        self._parked.pop(name, None)
        cell = Cell(self, factory, name, policy or RestartPolicy(), on_park, parent)
        self._cells[name] = cell
        return cell.ref

    def find(self, name: str) -> Ref[Any] | None:
        """Return the address of the living actor of that name, or None."""
        cell = self._cells.get(name)
        return None if cell is None else cell.ref

    async def shutdown(self, drain_s: float) -> None:
        """End every actor, the youngest first, all within ``drain_s`` seconds plus what their ends take."""
        self._closed = True
        until = self.clock.monotonic() + drain_s
        while self._cells:
            name, cell = next(reversed(self._cells.items()))
            await cell.stop(max(0.0, until - self.clock.monotonic()))
            self._cells.pop(name, None)  # also one that does not end: the others must

    def has_ended(self, cell: Cell) -> None:
        """Forget an ended actor, or keep a parked one to be looked at. For the cell."""
        if self._cells.get(cell.name) is cell:
            del self._cells[cell.name]
        self._samples.pop(cell.name, None)
        if cell.parked is not None:
            self._parked[cell.name] = cell
            if len(self._parked) > PARKED_KEPT:
                del self._parked[next(iter(self._parked))]

    def new_stamp(self) -> float:
        """Read the time for all actors that wake in this turn of the loop. For the cell."""
        self.stamp = self.loop_time()
        self.loop.call_soon(self._forget_stamp)
        return self.stamp

    def _forget_stamp(self) -> None:
        self.stamp = 0.0

    def dead_letter(self, actor: str, msg: object, reason: str) -> None:
        """Count a message that nobody will handle. For the cell."""
        self.dead_letters_total += 1
        self.dead_letters.append(DeadLetter(actor, type(msg).__name__, reason))

    def inspect(self) -> list[ActorInfo]:
        """Return every actor, the oldest first, then the parked ones."""
        now = self.loop.time()
        return [self._info(cell, now) for cell in (*self._cells.values(), *self._parked.values())]

    def _info(self, cell: Cell, now: float) -> ActorInfo:
        idle = cell.depth == 0 and (cell.waiter is not None or cell.ended)
        return ActorInfo(
            name=cell.name,
            depth=cell.depth,
            age_s=0.0 if idle else now - cell.busy_since,
            handled=cell.handled,
            rate=0.0 if cell.ended else self._rate(cell, now),
            restarts=cell.restarts,
            parked=cell.parked is not None,
            stopping=cell.closing and not cell.ended,
            replies=len(cell.replies or ()),
            tasks=len(cell.tasks or ()),
            overruns=cell.overruns,
            error="" if cell.parked is None else f"{type(cell.parked).__name__}: {cell.parked}",
        )

    def _rate(self, cell: Cell, now: float) -> float:
        """Return messages per second since one of two earlier looks, so that two callers do not disturb each other."""
        start, handled, newer_at, newer_handled = self._samples.get(cell.name, (cell.born, 0, cell.born, 0))
        if now - newer_at >= RATE_WINDOW_S:
            start, handled, newer_at, newer_handled = newer_at, newer_handled, now, cell.handled
            self._samples[cell.name] = (start, handled, newer_at, newer_handled)
        return (cell.handled - handled) / (now - start) if now > start else 0.0
