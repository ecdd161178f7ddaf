"""What runs beside an actor: deferred replies, tasks, timers, children, watchers; ended with the instance or told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.runtime.actor import Actor, Deferred, Terminated
from actors.runtime.errors import ActorParked, ActorRestarted, ActorStopped, ActorStuck, Busy
from actors.runtime.mailbox import CONTROL, LANES, Mailbox, Reply, learn_lane
from actors.runtime.timers import Timer

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.system import ActorSystem

Work = Coroutine[Any, Any, object]


class Beside(Mailbox):
    """A mailbox with the work that its actor has started. ``Cell`` adds the actor's life."""

    __slots__ = (
        "actor",
        "children",
        "closing",
        "ended",
        "failure",
        "finishing",
        "name",
        "parked",
        "replies",
        "running",
        "system",
        "tasks",
        "timers",
        "watchers",
        "watching",
    )

    def __init__(self, system: ActorSystem, name: str, actor: Actor[Any]) -> None:
        super().__init__(actor.bounds)
        self.system = system
        self.name = name
        self.actor = actor
        self.running = True
        """The instance has neither failed nor been told to end."""
        self.closing = False
        """A stop was asked for, or the actor is parked."""
        self.finishing = False
        """No further message is handled."""
        self.ended = False
        """Nothing of it runs any more."""
        self.failure: Exception | None = None
        """What a task failed with, until the actor fails with it."""
        self.parked: Exception | None = None
        self.children: dict[Cell, None] | None = None
        self.replies: dict[asyncio.Task[object], Reply | None] | None = None
        self.tasks: dict[asyncio.Task[object], None] | None = None
        self.timers: dict[Hashable, Timer] | None = None
        self.watchers: dict[Beside, None] | None = None
        self.watching: dict[Beside, None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the system."""
        return self.system.loop

    def full_of_replies(self) -> bool:
        """Whether no further reply can be deferred, so that only control messages may be handled."""
        return self.replies is not None and len(self.replies) >= self.bounds.replies_max

    def defer(self, deferred: Deferred, reply: Reply | None) -> None:
        """Run a deferred reply as a task of this instance."""
        if self.replies is None:
            self.replies = {}
        task = self.loop.create_task(deferred.work, name=f"{self.name}/reply")
        self.replies[task] = reply
        self.special = self.special or self.full_of_replies()
        task.add_done_callback(self._replied)

    def _replied(self, task: asyncio.Task[object]) -> None:
        reply = self.replies.pop(task, None) if self.replies is not None else None
        self.wake()  # it may have waited for room among the replies
        if task.cancelled():
            kind = ActorParked if self.parked else ActorStopped if self.closing else ActorRestarted
            if reply is not None and not reply.done():
                reply.set_exception(kind(self.name, "the work on the answer was cancelled"))
            return
        error = task.exception()
        if error is None:
            if reply is not None and not reply.done():
                reply.set_result(task.result())
            return
        if reply is not None and not reply.done():
            reply.set_exception(error)
        if reply is None or not isinstance(error, self.actor.answers):
            self._task_failed(error)

    def start(self, work: Work, name: str) -> asyncio.Task[object]:
        """Run a task of this instance. Raises Busy."""
        if self.tasks is None:
            self.tasks = {}
        if not self.running or len(self.tasks) >= self.bounds.tasks_max:
            work.close()
            raise Busy(self.name, f"cannot start {name}: {len(self.tasks)} tasks run already, or it is ending")
        task = self.loop.create_task(work, name=f"{self.name}/{name}")
        self.tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[object]) -> None:
        if self.tasks is not None:
            self.tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._task_failed(error)

    def _task_failed(self, error: BaseException) -> None:
        """Make the failure of a task one of the actor; when that one ends anyhow, it is only reported."""
        if not isinstance(error, Exception) or self.failure is not None or not self.running:
            self.system.report(self.name, error, "a task failed beside another failure or an end")
            return
        self.failure = error
        self.special = True
        self.wake()

    def after(self, seconds: float, msg: object, key: Hashable) -> Timer:
        """Set a timer by span. Raises Busy."""
        key = self._free_timer(msg, key)
        return self._keep_timer(key, self.system.timers.after(seconds, partial(self._fired, key, msg)))

    def at(self, instant: datetime, msg: object, key: Hashable) -> Timer:
        """Set a timer by instant. Raises Busy."""
        key = self._free_timer(msg, key)
        return self._keep_timer(key, self.system.timers.at(instant, partial(self._fired, key, msg)))

    def _free_timer(self, msg: object, key: Hashable) -> Hashable:
        """Cancel the timer of that key and return the key. Raises Busy when there are too many others."""
        key = msg if key is None else key
        timers = self.timers = self.timers or {}
        if key in timers:
            timers.pop(key).cancel()
        if len(timers) >= self.bounds.timers_max:
            for dead in [k for k, timer in timers.items() if not timer.active]:
                del timers[dead]
        if len(timers) >= self.bounds.timers_max:
            raise Busy(self.name, f"{len(timers)} timers are set already")
        return key

    def _keep_timer(self, key: Hashable, timer: Timer) -> Timer:
        if self.timers is not None:
            self.timers[key] = timer
        return timer

    def _fired(self, key: Hashable, msg: object) -> None:
        if self.timers is not None:
            self.timers.pop(key, None)
        lane = LANES.get(type(msg))
        lane = learn_lane(type(msg)) if lane is None else lane
        if not self.put_latest(("timer", key), msg, urgent=lane == CONTROL, always=True):
            self.system.dead_letter(self.name, msg, "ended")

    async def end_work(self, until: float) -> None:
        """End timers, tasks, children and deferred replies; the last two have until ``until`` (monotonic seconds)."""
        for timer in (self.timers or {}).values():
            timer.cancel()
        self.timers = None
        tasks = list(self.tasks or ())
        for task in tasks:
            task.cancel()
        monotonic = self.system.clock.monotonic
        for child in reversed(list(self.children or ())):
            await child.stop(max(0.0, until - monotonic()))
        replies = list(self.replies or ())
        if replies and (left := until - monotonic()) > 0:
            await asyncio.wait(replies, timeout=left)
        for task in replies:
            task.cancel()
        if work := [task for task in (*tasks, *replies) if not task.done()]:
            _, stuck = await asyncio.wait(work, timeout=self.bounds.stop_s)
            for task in work:
                if task in stuck:
                    self.system.report(self.name, ActorStuck(self.name, task.get_name()), "left behind")
        self.tasks = self.replies = None

    def watch(self, other: Beside) -> None:
        """Be told when ``other`` ends."""
        if other.ended:
            self.put_control(other.obituary(), None)
            return
        other.watchers = other.watchers or {}
        other.watchers[self] = None
        self.watching = self.watching or {}
        self.watching[other] = None

    def obituary(self) -> Terminated:
        """Return what watchers are told."""
        error = "" if self.parked is None else f"{type(self.parked).__name__}: {self.parked}"
        return Terminated(name=self.name, parked=self.parked is not None, error=error)

    def tell_watchers(self) -> None:
        """Say that it has ended to those who asked, and ask nobody any more."""
        self.ended = True
        for watcher in self.watchers or ():
            watcher.put_control(self.obituary(), None)
        for other in self.watching or ():
            (other.watchers or {}).pop(self, None)
        self.watchers = self.watching = None
