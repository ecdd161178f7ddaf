"""Ask timeouts in shared buckets: one loop timer for all asks that end in the same 50 ms.

A timer per ask costs a quarter of an ask, ``asyncio.wait_for`` more than half (``bench/actors``). The price is
lateness: an ask ends up to one bucket after its deadline, never before it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from typing import Any

from actors.runtime.clock import time_of

BUCKET_S = 0.05
"""Width of a bucket, seconds."""

Bucket = dict["Future[Any]", None]


class Expired(Exception):  # never leaves the runtime: ask turns it into AskTimeout
    """Set on a reply whose deadline has passed."""


class Deadlines:
    """The buckets of one event loop. A bucket lives until its time, also when every ask in it was answered."""

    __slots__ = ("_buckets", "_loop", "_time")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._time = time_of(loop)
        self._buckets: dict[int, Bucket] = {}

    def bucket(self, timeout_s: float) -> Bucket:
        """Return the bucket of a deadline ``timeout_s`` seconds away: put the reply in, take it out when answered."""
        number = int((self._time() + timeout_s) / BUCKET_S) + 1
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            self._loop.call_at(number * BUCKET_S, self._expire, number)
        return bucket

    def _expire(self, number: int) -> None:
        due = number * BUCKET_S
        if self._loop.time() < due:  # loops may fire early: uvloop by up to half a millisecond
            self._loop.call_at(due, self._expire, number)
            return
        for reply in self._buckets.pop(number):
            if not reply.done():
                reply.set_exception(Expired())
