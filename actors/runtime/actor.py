"""What an actor is made of: ``Actor`` (state and behaviour), ``Ref`` (how to reach it), ``Context`` (what it may do).

One actor handles one message at a time and is the only one that touches its state. A handler that waits blocks its
own actor only; for longer work it returns ``ctx.reply_later(…)`` or starts a task with ``ctx.start(…)``.
"""

from __future__ import annotations

from asyncio import Future, InvalidStateError, Task
from collections.abc import Callable, Coroutine, Hashable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from actors.runtime.deadlines import Expired
from actors.runtime.errors import AskTimeout
from actors.runtime.mailbox import CONTROL, LANES, Bounds, learn_lane
from actors.runtime.timers import Timer
from actors.runtime.world import Clock, Entropy
from messages.base import Control, Request
from messages.errors import Refusal
from providers.interface import ProviderError

if TYPE_CHECKING:
    from actors.runtime.cell import Cell
    from actors.runtime.supervision import RestartPolicy
    from actors.runtime.system import ActorSystem, OnPark

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class Terminated(Control):
    """A watched actor has ended: nothing sent to it is handled any more."""

    name: str
    parked: bool
    """True when it failed past its restart limit, False when it stopped in order."""
    error: str = ""
    """What it failed with, for reading."""


class Deferred:
    """An answer that is still being worked on; made by ``Context.reply_later`` and returned from ``receive``."""

    __slots__ = ("work",)

    def __init__(self, work: Coroutine[Any, Any, object]) -> None:
        self.work = work


class Actor(Generic[M_contra]):
    """Base of every actor. ``M_contra`` is the union of messages it takes.

    ``ctx`` can be used from ``on_start`` on, not yet in ``__init__``. After a failure a fresh instance is made by the
    factory, so whatever must survive is in the journal.
    """

    bounds: ClassVar[Bounds] = Bounds()
    answers: ClassVar[tuple[type[Exception], ...]] = (Refusal, ProviderError)
    """Exceptions which, raised while an ask is served, are its answer and no failure. Any other is both."""

    _cell: Cell
    """Set by the runtime between ``__init__`` and ``on_start``."""

    @property
    def ctx(self) -> Context[M_contra]:
        """What this actor may do. Made anew each time: one kept for each idle actor would cost memory for nothing."""
        return Context(self._cell)

    async def on_start(self) -> None:
        """Run before the first message; a failure here counts like one in ``receive``."""

    async def receive(self, msg: M_contra) -> object | None:
        """Handle one message. What is returned answers an ask; a ``Deferred`` answers it later."""
        raise NotImplementedError

    async def on_stop(self) -> None:
        """Run after the last message of an orderly stop, once tasks and children have ended."""

    async def on_failure(self, error: Exception) -> None:
        """Run on the failed instance before it is dropped. It is not ``on_stop``: that is not called as well."""


class Ref(Generic[M_contra]):
    """The address of an actor. It outlives restarts; after the end messages become dead letters."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def name(self) -> str:
        """The actor's name, unique among those alive in its system."""
        return self._cell.name

    def __repr__(self) -> str:
        return f"Ref({self._cell.name})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other._cell is self._cell

    def __hash__(self) -> int:
        return id(self._cell)

    def tell(self, msg: M_contra) -> None:
        """Leave a message and go on.

        Raises Busy when it is a request and the mailbox is full. Control always fits; an observation replaces the one
        that waits in its slot. To an ended actor it is a dead letter, not an error.
        """
        try:
            lane = LANES[type(msg)]
        except KeyError:
            lane = learn_lane(type(msg))
        # A copy of Mailbox.put_request: the call would cost a tenth of a tell.
        cell = self._cell
        requests = cell.requests
        if lane or len(requests) >= cell.limit:
            cell.put(msg, lane)
            return
        requests.append((msg, None))
        waiter = cell.waiter
        if waiter is not None:
            cell.waiter = None
            try:  # noqa: SIM105  # suppress() would be another call
                waiter.set_result(None)
            except InvalidStateError:  # cancelled in the meantime
                pass

    async def send(self, msg: M_contra) -> None:
        """Leave a message, waiting for room when it is a request and the mailbox is full.

        Raises ActorStopped or ActorParked when the actor takes nothing any more.
        """
        cell = self._cell
        if cell.senders or len(cell.requests) >= cell.limit:
            await cell.send(msg)
        else:
            self.tell(msg)

    async def ask(self, request: Request[R], timeout_s: float) -> R:
        """Ask and wait for the answer, at most ``timeout_s`` seconds (ends up to 50 ms later).

        Raises what the actor raised, Busy when the mailbox is full, ActorStopped, ActorParked or ActorRestarted when
        nobody will answer, AskTimeout. A request nobody waits for any more is handled all the same.
        """
        cell = self._cell
        try:
            lane = LANES[type(request)]
        except KeyError:
            lane = learn_lane(type(request))
        system = cell.system
        reply: Future[R] = Future(loop=system.loop)
        if not (cell.put_control(request, reply) if lane == CONTROL else cell.put_request(request, reply)):
            raise cell.refusal()
        bucket = system.deadlines.bucket(timeout_s)
        bucket[reply] = None
        try:
            return await reply
        except Expired:
            kind = type(request).__name__
            raise AskTimeout(cell.name, f"no answer to {kind} within {timeout_s:g} s") from None
        finally:
            bucket.pop(reply, None)

    async def stop(self, drain_s: float = 0.0) -> None:
        """End the actor and return once it has ended.

        New messages are not taken. What waits is handled for up to ``drain_s`` seconds; then the handler is cancelled
        and waiting asks are answered with ActorStopped. Idempotent. Not for the actor itself: that has ``ctx.stop()``.
        """
        await self._cell.stop(drain_s)


class Context(Generic[M_contra]):
    """What an actor may do beside handling a message. Everything made here ends with the instance it was made for."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def name(self) -> str:
        """The actor's own name."""
        return self._cell.name

    @property
    def ref(self) -> Ref[M_contra]:
        """The actor's own address."""
        return self._cell.ref

    @property
    def system(self) -> ActorSystem:
        """The system, for starting actors that are not children."""
        return self._cell.system

    @property
    def clock(self) -> Clock:
        """The clock."""
        return self._cell.system.clock

    @property
    def entropy(self) -> Entropy:
        """Randomness."""
        return self._cell.system.entropy

    def reply_later(self, work: Coroutine[Any, Any, object]) -> Deferred:
        """Return an answer that ``work`` will give; the actor goes on with other messages meanwhile.

        At most ``bounds.replies_max`` at once. At a stop the work may end within the drain time; then, as at a
        failure, it is cancelled and its asker told.
        """
        return Deferred(work)

    def start(self, work: Coroutine[Any, Any, object], name: str) -> Task[object]:
        """Run ``work`` beside the actor. An exception in it is a failure of the actor; its end cancels and awaits it.

        Raises Busy at ``bounds.tasks_max``.
        """
        return self._cell.start(work, name)

    def after(self, seconds: float, msg: M_contra, key: Hashable = None) -> Timer:
        """Receive ``msg`` once ``seconds`` have passed, never earlier. Raises Busy at ``bounds.timers_max``.

        A timer of the same key is replaced, and a message that fired and was not handled yet is not queued twice.
        The key is the message itself unless given; a message that cannot be hashed needs one.
        """
        return self._cell.after(seconds, msg, key)

    def at(self, instant: datetime, msg: M_contra, key: Hashable = None) -> Timer:
        """Receive ``msg`` once the wall clock shows ``instant``, however it is set meanwhile. Else as ``after``."""
        return self._cell.at(instant, msg, key)

    def watch(self, ref: Ref[Any]) -> None:
        """Receive one ``Terminated`` when that actor ends, or now if it has ended. Restarts are not an end."""
        self._cell.watch(ref._cell)

    def spawn(
        self,
        factory: Callable[[], Actor[M]],
        name: str,
        *,
        policy: RestartPolicy | None = None,
        on_park: OnPark | None = None,
    ) -> Ref[M]:
        """Start a child: it ends before this actor does, and when this actor fails. Its own failures stay its own."""
        return self._cell.system.spawn(factory, name, policy=policy, on_park=on_park, parent=self._cell)

    def stop(self, drain_s: float = 0.0) -> None:
        """End this actor after the message in hand, handling what waits for up to ``drain_s`` seconds."""
        self._cell.begin_stop(drain_s)
