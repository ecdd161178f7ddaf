"""Blocking work on something that one thread owns: calls in, futures out. Inline where there are no threads."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")


class Call(Generic[S, T]):
    """Work on a subject, and the future of its answer."""

    __slots__ = ("future", "last", "work")

    def __init__(self, work: Callable[[S], T], future: asyncio.Future[T], *, last: bool = False) -> None:
        self.work = work
        self.future = future
        self.last = last
        """Whether the thread ends after it."""

    def run(self, subject: S) -> Callable[[], None]:
        """Do it; return what is left to do on the loop."""
        try:
            answer = self.work(subject)
        except Exception as error:
            fault = error
            return lambda: None if self.future.done() else self.future.set_exception(fault)
        return lambda: None if self.future.done() else self.future.set_result(answer)


class Worker(Protocol[S_co]):
    """Runs calls on its subject one after the other."""

    def call(self, work: Callable[[S_co], T], *, last: bool = False) -> asyncio.Future[T]:
        """Queue ``work``; with ``last`` nothing follows it."""
        ...

    def join(self) -> None:
        """Wait for the end of the thread, after the future of the last call is done."""
        ...


class InlineWorker(Generic[S]):
    """Runs each call where it is made."""

    def __init__(self, subject: S) -> None:
        self._subject = subject

    def call(self, work: Callable[[S], T], *, last: bool = False) -> asyncio.Future[T]:
        """Run it now."""
        call = Call(work, asyncio.get_running_loop().create_future(), last=last)
        call.run(self._subject)()
        return call.future

    def join(self) -> None:
        """Nothing to wait for."""


class ThreadWorker(Generic[S]):
    """A thread that owns its subject."""

    def __init__(self, subject: S, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._subject = subject
        self._queue: queue.SimpleQueue[Call[S, Any]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[[S], T], *, last: bool = False) -> asyncio.Future[T]:
        """Queue it."""
        call = Call(work, self._loop.create_future(), last=last)
        self._queue.put(call)
        return call.future

    def join(self) -> None:
        """Wait for the thread; short, since it has nothing left to do."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            call = self._queue.get()
            tell(self._loop, call.run(self._subject))
            if call.last:
                return


def tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    """Run ``what`` on the loop; when the loop is gone nobody waits for it any more."""
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:
        return
