"""Who runs the write connection: one thread that takes everything that waits into one commit, or the caller itself.

In production the thread drains its queue into batches (group commit: one sync for all) and hands the answers of a
whole batch to the loop in one call. In simulation there is no thread: each append commits where it is called.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from actors.journal.append import Append
from actors.journal.interface import Appended
from actors.journal.store import EventStore, Result
from actors.journal.worker import Call, tell
from actors.runtime.world import Clock

APPENDS_PER_COMMIT_MAX = 512
"""Appends in one transaction: bounds the latency of the first of them."""

T = TypeVar("T")
_Call = Call[EventStore, Any]


class Committer(Protocol):
    """Takes appends and other work for the write connection, in order."""

    def append(self, append: Append) -> None:
        """Take an append; its future is answered after the commit."""
        ...

    def call(self, work: Callable[[EventStore], T], *, last: bool = False) -> asyncio.Future[T]:
        """Run ``work`` on the store between two batches; with ``last`` nothing follows it."""
        ...

    def join(self) -> None:
        """Wait for the end of the thread, after the future of the last call is done."""
        ...


class InlineCommitter:
    """Commits where it is called: no thread, no waiting, the same order every time."""

    def __init__(self, store: EventStore, clock: Clock, moved: Callable[[int], None]) -> None:
        self._store = store
        self._clock = clock
        self._moved = moved

    def append(self, append: Append) -> None:
        """Commit at once."""
        _answer((append,), self._store.commit((append,), self._clock.now()))
        self._moved(self._store.position)
        self._store.checkpoint_if_due()

    def call(self, work: Callable[[EventStore], T], *, last: bool = False) -> asyncio.Future[T]:
        """Run at once."""
        call = Call(work, asyncio.get_running_loop().create_future(), last=last)
        call.run(self._store)()
        return call.future

    def join(self) -> None:
        """Nothing to wait for."""


class ThreadCommitter:
    """The thread ``journal``: sole user of the write connection until it is closed."""

    def __init__(self, store: EventStore, clock: Clock, moved: Callable[[int], None]) -> None:
        self._store = store
        self._clock = clock
        self._moved = moved
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Append | _Call] = queue.SimpleQueue()
        # Bound once: the shortest way into the queue.
        self.append: Callable[[Append], None] = self._queue.put
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def call(self, work: Callable[[EventStore], T], *, last: bool = False) -> asyncio.Future[T]:
        """Queue ``work`` behind the appends that wait."""
        call = Call(work, self._loop.create_future(), last=last)
        self._queue.put(call)
        return call.future

    def join(self) -> None:
        """Wait for the thread; short, since it has nothing left to do."""
        self._thread.join()

    # ------------------------------------------------------------------------------------------ in the thread

    def _run(self) -> None:
        item: Append | _Call | None = None
        while True:
            item = item or self._queue.get()
            if isinstance(item, Call):
                tell(self._loop, item.run(self._store))
                if item.last:
                    return
                item = None
            else:
                batch, item = self._drain(item)
                self._commit(batch)

    def _drain(self, first: Append) -> tuple[list[Append], _Call | None]:
        """Take what waits, up to the bound or to the first that is no append."""
        batch, take = [first], self._queue.get_nowait
        try:
            while len(batch) < APPENDS_PER_COMMIT_MAX:
                item = take()
                if isinstance(item, Call):
                    return batch, item
                batch.append(item)
        except queue.Empty:
            pass
        return batch, None

    def _commit(self, batch: list[Append]) -> None:
        results = self._store.commit(batch, self._clock.now())
        position = self._store.position
        tell(self._loop, lambda: self._deliver(batch, results, position))
        self._store.checkpoint_if_due()

    # ------------------------------------------------------------------------------------------ on the loop

    def _deliver(self, batch: Sequence[Append], results: Sequence[Result], position: int) -> None:
        _answer(batch, results)
        self._moved(position)


def _answer(batch: Sequence[Append], results: Sequence[Result]) -> None:
    """Resolve the futures; one that was cancelled meanwhile is passed over (its events stand)."""
    for append, result in zip(batch, results, strict=True):
        future = append.future
        if future.done():
            continue
        if isinstance(result, Appended):
            future.set_result(result)
        else:
            future.set_exception(result)
