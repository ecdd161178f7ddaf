"""The life of one actor: one task that starts it, feeds it, starts it again after a failure, and ends it.

Order at an orderly end: mailbox closed, what waits handled or answered, tasks cancelled, deferred replies given the
drain time, children ended, ``on_stop``, watchers told. At a failure: ``on_failure``, then tasks, replies, timers and
children of the failed instance are ended, then back-off, then a fresh instance. The message that failed is not
handled again; the others stay where they are.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from actors.runtime.actor import Actor, Deferred, Ref
from actors.runtime.beside import Beside
from actors.runtime.errors import ActorError, ActorParked, ActorStopped, ActorStuck, Busy
from actors.runtime.mailbox import CONTROL, LANES, OBSERVATION, Envelope, Reply, learn_lane
from actors.runtime.supervision import RestartPolicy

if TYPE_CHECKING:
    from actors.runtime.system import ActorSystem, OnPark


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Give the loop one turn."""
    yield


class Cell(Beside):
    """One actor as the runtime sees it, with its mailbox. What is rarely needed is None until it is: cells are many."""

    __slots__ = (
        "born",
        "drain_until",
        "factory",
        "failures",
        "mark_at",
        "mark_handled",
        "on_park",
        "parent",
        "pause",
        "policy",
        "restarts",
        "task",
    )

    def __init__(
        self,
        system: ActorSystem,
        factory: Callable[[], Actor[Any]],
        name: str,
        policy: RestartPolicy,
        on_park: OnPark | None,
        parent: Cell | None,
    ) -> None:
        actor = factory()
        super().__init__(system, name, actor)
        actor._cell = self
        self.factory = factory
        self.policy = policy
        self.on_park = on_park
        self.parent = parent
        self.restarts = 0
        self.born = self.busy_since = self.mark_at = system.loop.time()
        self.mark_handled = 0
        self.drain_until = 0.0
        self.failures: list[float] | None = None
        self.pause: asyncio.Future[None] | None = None
        if parent is not None:
            parent.children = parent.children or {}
            parent.children[self] = None
        self.task: asyncio.Task[None] = system.loop.create_task(self._live(), name=name)

    @property
    def ref(self) -> Ref[Any]:
        """The address of the actor."""
        return Ref(self)

    # ------------------------------------------------------------------------------------------------ taking messages

    def refusal(self) -> ActorError:
        """Return why a message is not taken."""
        if self.parked is not None:
            return ActorParked(self.name, f"parked after {type(self.parked).__name__}")
        if self.closed:
            return ActorStopped(self.name, "stopped")
        return Busy(self.name, f"{self.bounds.requests_max} requests wait already")

    def put(self, msg: object, lane: int) -> None:
        """Take a message for which ``Ref.tell`` has no short way. Raises Busy."""
        if lane == CONTROL:
            taken = self.put_control(msg, None)
        elif lane == OBSERVATION:
            taken = self.put_latest(getattr(msg, "slot", type(msg)), msg)
        else:
            taken = self.put_request(msg, None)
            if not taken and not self.closed:
                raise self.refusal()
        if not taken:
            self.system.dead_letter(self.name, msg, "ended" if self.closed else "no slot")

    async def send(self, msg: object) -> None:
        """Wait for room, in the order of asking, and take the message. Raises ActorStopped, ActorParked."""
        lane = LANES.get(type(msg))
        if lane is None:
            lane = learn_lane(type(msg))
        if lane and not self.closed:
            self.put(msg, lane)
            return
        if self.senders:
            await self.room(self.loop)
        while not self.put_request(msg, None):
            if self.closed:
                raise self.refusal()
            await self.room(self.loop)

    # ------------------------------------------------------------------------------------------------ living

    async def _live(self) -> None:
        """Run instance after instance until the actor is stopped or parked.

        The loop over messages is the hot path and stands here, in the task's own frame, because a second frame would
        cost every idle actor a tenth of its memory. Nothing is called in it that is not needed for every message:
        what is rare hides behind ``self.special``.
        """
        system, loop = self.system, self.system.loop
        requests, turn = self.requests, self.bounds.receive_limit
        take, alive, left = requests.popleft, await self._start(None), turn
        while alive and not self._over():
            receive = self.actor.receive
            try:
                while True:
                    left = turn
                    while left:
                        if self.special:
                            envelope = self._take_special()
                            if envelope is None:
                                break
                            msg, reply = envelope
                        elif requests:
                            msg, reply = take()
                        else:
                            break
                        left -= 1
                        try:
                            answer = await receive(msg)
                        except (Exception, asyncio.CancelledError) as error:
                            self._raised(error, reply)
                            continue
                        if reply is None:
                            if answer is not None and type(answer) is Deferred:
                                self.defer(answer, None)
                        elif type(answer) is Deferred:
                            self.defer(answer, reply)
                        elif not reply.done():
                            reply.set_result(answer)
                    self.handled += turn - left
                    if self.senders:
                        self.admit()
                    if left == 0:
                        self._mark(system.loop_time())
                        await _turn()
                    elif self.special and self.finishing:
                        break
                    else:
                        msg = reply = answer = envelope = None  # an idle actor keeps no message alive
                        self.waiter = asyncio.Future(loop=loop)
                        await self.waiter
                        self.busy_since = system.stamp or system.new_stamp()
            except (Exception, asyncio.CancelledError) as error:
                self.handled += turn - left
                if self._ends(error):
                    break
                alive = await self._start(error)
        await self._finish(alive)

    async def _start(self, error: BaseException | None) -> bool:
        """Start an instance, a fresh one after ``error``; False when the actor is to end instead."""
        try:
            while True:
                if error is not None:
                    await self._recover(error)
                if self.closing:
                    return False
                try:
                    await self.actor.on_start()
                except (Exception, asyncio.CancelledError) as caught:
                    error = caught
                else:
                    return True
        except asyncio.CancelledError:
            return False

    def _over(self) -> bool:
        return self.finishing

    def _ends(self, error: BaseException) -> bool:
        """Whether ``error`` is the cancellation of this very task, rather than of something the actor awaited."""
        return isinstance(error, asyncio.CancelledError) and self.task.cancelling() > 0

    def _mark(self, now: float) -> None:
        """Remember that all which waits now came before ``now``: this is how the age is known without time stamps."""
        if self.mark_at < self.busy_since:  # the first mark since it was idle
            self.mark_at, self.mark_handled = now, self.handled + self.depth
        elif self.handled >= self.mark_handled:
            self.busy_since = self.mark_at
            self.mark_at, self.mark_handled = now, self.handled + self.depth

    def _take_special(self) -> Envelope | None:
        """Return the next message when more than requests is to be looked at; None when nothing may be taken now.

        Raises the failure of a task.
        """
        if self.failure is not None:
            raise self.failure
        if self.closing and (self.depth == 0 or self.system.clock.monotonic() >= self.drain_until):
            self.finishing = True
            return None
        envelope = self.take_control()
        if envelope is None and not self.full_of_replies():
            envelope = self.take_request()
        self.special = bool(self.control or self.latest) or self.closing or self.full_of_replies()
        return envelope

    def _raised(self, error: Exception | asyncio.CancelledError, reply: Reply | None) -> None:
        """Answer with what ``receive`` raised; raise it again when it is a failure (or the end of this task)."""
        if reply is not None and not reply.done():
            if self._ends(error):
                reply.set_exception(ActorStopped(self.name, "cancelled at its end"))
            else:
                reply.set_exception(_readable(error))
        if reply is None or not isinstance(error, self.actor.answers):
            raise error

    # ------------------------------------------------------------------------------------------------ failing

    async def _recover(self, raised: BaseException) -> None:
        """Clear up after a failed instance, wait, and make a fresh one; or park the actor."""
        if self._ends(raised):
            raise raised
        system, policy, error = self.system, self.policy, _readable(raised)
        self.running = False
        if self.closing:
            system.report(self.name, error, "failed while stopping")
        try:
            await self.actor.on_failure(error)
        except Exception as second:  # must not hide the first
            system.report(self.name, second, "on_failure failed")
        await self.end_work(0.0)
        self.failure = None
        while not self.closing:
            now = system.clock.monotonic()
            self.failures = policy.recent([*(self.failures or ()), now], now)
            wait_s = policy.wait_s(len(self.failures), system.entropy.uniform(0.0, 1.0))
            if wait_s is None:
                system.report(self.name, error, "parked")
                self.parked, self.closing = error, True
                return
            system.report(self.name, error, f"restarting in {wait_s:.3f} s")
            self.restarts += 1
            await self._pause(wait_s)
            try:
                actor = self.factory()
            except Exception as again:  # a factory may fail like an actor
                error = again
                continue
            actor._cell = self
            self.actor, self.running = actor, True
            return

    async def _pause(self, seconds: float) -> None:
        """Wait out the back-off, or less when the actor is stopped meanwhile."""
        pause = self.pause = self.loop.create_future()
        timer = self.system.timers.after(seconds, lambda: None if pause.done() else pause.set_result(None))
        try:
            await pause
        finally:
            timer.cancel()
            self.pause = None

    # ------------------------------------------------------------------------------------------------ ending

    def begin_stop(self, drain_s: float) -> None:
        """Take nothing more and end once what waits is handled or ``drain_s`` seconds are over."""
        if self.closing:
            return
        self.closing = True
        self.drain_until = self.system.clock.monotonic() + drain_s
        self.close()
        self.wake()
        if self.pause is not None and not self.pause.done():
            self.pause.set_result(None)

    async def stop(self, drain_s: float) -> None:
        """End the actor and wait until it has ended."""
        if asyncio.current_task() is self.task:
            raise RuntimeError(f"{self.name} waits for its own end; use ctx.stop()")
        self.begin_stop(drain_s)
        if not self.task.done():
            await asyncio.wait({self.task}, timeout=max(0.0, drain_s))
        if not self.task.done() and not self.finishing:
            self.finishing = True
            self.task.cancel()
        if not self.task.done():
            await asyncio.wait({self.task}, timeout=4 * self.bounds.stop_s)
        if not self.task.done():
            self.system.report(self.name, ActorStuck(self.name, "does not end"), "left behind")

    async def _finish(self, alive: bool) -> None:
        """Answer what waits, end what runs beside, say goodbye. ``alive``: the instance has started and not failed."""
        self.closing = self.finishing = True
        self.running = False
        system = self.system
        self.close()
        for msg, reply in self.drain():
            if reply is None:
                system.dead_letter(self.name, msg, "ended")
            elif not reply.done():
                reply.set_exception(self.refusal())
        if self.parked is not None and self.on_park is not None:
            try:
                self.on_park(self.name, self.parked)
            except Exception as error:  # the alarm failed, the rest must still end
                system.report(self.name, error, "on_park failed")
        await self.end_work(self.drain_until)
        if alive:
            await self._say_stop()
        self.tell_watchers()
        if self.parent is not None:
            (self.parent.children or {}).pop(self, None)
        system.has_ended(self)

    async def _say_stop(self) -> None:
        try:
            async with asyncio.timeout(self.bounds.stop_s):
                await self.actor.on_stop()
        except (Exception, asyncio.CancelledError) as error:  # it ends all the same
            self.system.report(self.name, error, "on_stop failed")


def _readable(error: BaseException) -> Exception:
    """Return ``error`` as one that can be raised elsewhere: a cancellation there would mean something else."""
    if isinstance(error, Exception):
        return error
    return RuntimeError("cancelled from inside: something it awaited was cancelled")
