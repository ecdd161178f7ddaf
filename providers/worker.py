"""One thread for blocking work, owned by one part of a provider, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from providers.interface import Unavailable

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """Runs calls one after the other, in the order they were asked for.

    A cancelled caller does not stop a call that has begun: what it changes still happens, once.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._closed = False

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` in the thread and return what it returns, or raise what it raises.

        Raises Unavailable once closed.
        """
        if self._closed:
            raise Unavailable(f"{self._name} is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def close(self) -> None:
        """Finish what was asked for and end the thread. Idempotent."""
        if self._closed:
            return
        await self.call(lambda: None)
        self._closed = True
        self._pool.shutdown(wait=True)
