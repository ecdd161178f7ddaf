"""A bounded mailbox: one deque, at most one waiter future, three classes of message.

Control messages are in a queue of their own, are always taken and come first. An observation has one slot: a later
one of the same slot replaces the value, not the place in the queue. Requests fill up to ``requests_max``.

The usual queue of asyncio costs about twice the time per message and twice the memory per idle actor, which is why
this is written by hand (``bench/actors``). Everything here runs on the loop's thread only.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, InvalidStateError
from collections import deque
from dataclasses import dataclass
from typing import Any

Reply = Future[Any]
Envelope = tuple[Any, Any]
"""``(message, reply)``; reply is None for a tell, ``SLOT`` when the message is the key of a coalescing slot."""

REQUEST, OBSERVATION, CONTROL = 0, 1, 2
_LANE_NUMBERS = {"request": REQUEST, "observation": OBSERVATION, "control": CONTROL}

LANES: dict[type, int] = {}
"""Lane of every message class seen so far: a dictionary is quicker than reading a class attribute through a model."""

SLOT = object()
"""Marks an envelope whose message is looked up in ``Mailbox.latest`` when it is taken."""


def learn_lane(kind: type) -> int:
    """Return the lane number of a message class and remember it; a class without ``lane`` is a request."""
    lane = LANES[kind] = _LANE_NUMBERS[getattr(kind, "lane", "request")]
    return lane


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one actor. What happens at each is part of its name's sentence."""

    requests_max: int = 1_000
    """Requests waiting (messages); the next is refused with ``Busy``."""
    control_reserved: int = 64
    """Control messages waiting (messages); more are taken all the same, and counted as overruns in ``inspect()``."""
    observations_max: int = 256
    """Coalescing slots in use (slots); an observation for one more is dropped and counted as a dead letter."""
    receive_limit: int = 64
    """Messages handled in a row before the loop gets a turn."""
    replies_max: int = 64
    """Deferred replies in work (tasks); at this number only control messages are taken until one is done."""
    tasks_max: int = 64
    """Tasks of ``ctx.start`` (tasks); the next is refused with ``Busy``."""
    timers_max: int = 64
    """Timers set and not yet fired (timers); the next is refused with ``Busy``."""
    stop_s: float = 5.0
    """Seconds that ``on_stop``, and cancelled work after it, may take at the end."""


class Hot:
    """The fields touched for every message, in a class of their own: so they share a cache line or two."""

    __slots__ = ("busy_since", "handled", "limit", "requests", "senders", "special", "waiter")


class Mailbox(Hot):
    """What waits for one actor. ``Ref`` writes to it and the actor's cell reads it."""

    __slots__ = ("bounds", "control", "latest", "overruns")

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.handled = 0
        """Messages handled so far, counted at the end of each turn."""
        self.busy_since = 0.0
        """Loop time before which nothing that waits now can have come."""
        self.requests: deque[Envelope] = deque()
        self.limit = bounds.requests_max
        """Length of ``requests`` at which it is full: requests_max plus the slots queued among them; -1 = closed."""
        self.special = False
        """The reader has to look further than ``requests``: control, a stop, a failure, or no room for replies."""
        self.waiter: Future[None] | None = None
        """Set while the reader has nothing to do."""
        self.control: deque[Envelope] | None = None
        self.latest: dict[object, Any] | None = None
        self.senders: deque[Future[None]] | None = None
        self.overruns = 0

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self.limit < 0

    @property
    def depth(self) -> int:
        """Messages waiting, of all three classes."""
        return len(self.requests) + len(self.control or ())

    def wake(self) -> None:
        """Let the reader look again."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            try:  # noqa: SIM105  # suppress() would be a tenth of an ask
                waiter.set_result(None)
            except InvalidStateError:  # cancelled in the meantime
                pass

    # ------------------------------------------------------------------------------------------------ writing

    def put_request(self, msg: object, reply: Reply | None) -> bool:
        """Queue a request; False when it does not fit or the mailbox is closed. ``Ref.tell`` has a copy of this."""
        requests = self.requests
        if len(requests) >= self.limit:
            return False
        requests.append((msg, reply))
        self.wake()
        return True

    def put_control(self, msg: object, reply: Any) -> bool:
        """Queue a control message; False only when the mailbox is closed."""
        if self.limit < 0:
            return False
        if self.control is None:
            self.control = deque()
        if len(self.control) >= self.bounds.control_reserved:
            self.overruns += 1
        self.control.append((msg, reply))
        self.special = True
        self.wake()
        return True

    def put_latest(self, key: object, msg: object, *, urgent: bool = False, always: bool = False) -> bool:
        """Queue ``msg`` in the slot ``key``, or replace what waits there; False when closed or no slot is free.

        ``urgent``: wait among the control messages (a timer with one). ``always``: fit beyond ``observations_max``
        (timers have a bound of their own).
        """
        if self.limit < 0:
            return False
        latest = self.latest
        if latest is None:
            latest = self.latest = {}
        if key in latest:
            latest[key] = msg
            return True
        if urgent:
            latest[key] = msg
            return self.put_control(key, SLOT)
        if not always and len(latest) >= self.bounds.observations_max:
            return False
        latest[key] = msg
        self.special = True
        self.limit += 1  # so that slots never take the place of requests
        self.requests.append((key, SLOT))
        self.wake()
        return True

    async def room(self, loop: AbstractEventLoop) -> None:
        """Wait until a sender may try again, in the order of asking. Returns as well when the mailbox is closed."""
        if self.senders is None:
            self.senders = deque()
        turn: Future[None] = loop.create_future()
        self.senders.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.admit()  # the turn was given and not used: pass it on
            raise

    # ------------------------------------------------------------------------------------------------ reading

    def take_control(self) -> Envelope | None:
        """Return the next control message, or None."""
        if not self.control:
            return None
        msg, reply = self.control.popleft()
        return (self.take_latest(msg, urgent=True), None) if reply is SLOT else (msg, reply)

    def take_request(self) -> Envelope | None:
        """Return the next request or observation, or None."""
        if not self.requests:
            return None
        msg, reply = self.requests.popleft()
        return (self.take_latest(msg), None) if reply is SLOT else (msg, reply)

    def take_latest(self, key: object, *, urgent: bool = False) -> Any:
        """Empty the slot ``key`` and return its value."""
        if not urgent and self.limit >= 0:
            self.limit -= 1
        return (self.latest or {}).pop(key)

    def admit(self) -> None:
        """Let waiting senders try again, as many as there is room for.

        They are woken in batches, at half the bound, so that a full mailbox does not switch tasks for each message.
        """
        room = self.limit - len(self.requests)
        if not self.senders or room * 2 < self.bounds.requests_max:
            return
        while self.senders and room > 0:
            turn = self.senders.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    # ------------------------------------------------------------------------------------------------ closing

    def close(self) -> None:
        """Take nothing more; what waits can still be read. Senders waiting for room try again and are told."""
        self.limit = -1
        self.special = True
        senders, self.senders = self.senders, None
        for turn in senders or ():
            if not turn.done():
                turn.set_result(None)

    def drain(self) -> list[Envelope]:
        """Empty a closed mailbox: everything that waited, control first, slots with their values."""
        envelopes = []
        while (envelope := self.take_control()) is not None:
            envelopes.append(envelope)
        while (envelope := self.take_request()) is not None:
            envelopes.append(envelope)
        return envelopes
