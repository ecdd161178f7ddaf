"""Knowing at once that a wrapper ended: a pidfd becomes readable when its process exits (pidfd_open(2))."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from providers.local.processes import ProcessKey, ProcessTable


class ExitWatch:
    """One descriptor per watched machine; ended machines queue up until somebody asks.

    At most one event per machine, so the queue is bounded by the number of machines.
    """

    def __init__(self, table: ProcessTable) -> None:
        self._table = table
        self._descriptors: dict[str, int] = {}
        self._told: set[str] = set()
        self._ended: deque[str] = deque()
        self._news = asyncio.Event()

    def watch(self, name: str, wrapper: ProcessKey) -> None:
        """Watch a machine's first process; one that ended already is told of at once. Idempotent."""
        if name in self._descriptors or name in self._told:
            return
        try:
            descriptor = os.pidfd_open(wrapper.pid)
        except OSError:
            self._tell(name)
            return
        if not self._table.alive(wrapper):  # ended, and the pid may be somebody else's
            os.close(descriptor)
            self._tell(name)
            return
        self._descriptors[name] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._readable, name)

    async def next(self) -> str:
        """Wait for the next machine whose first process ended."""
        while not self._ended:
            self._news.clear()
            await self._news.wait()
        return self._ended.popleft()

    def forget(self, name: str) -> None:
        """Let go of a machine that is proven gone."""
        self._told.discard(name)
        self._drop(name)

    def close(self) -> None:
        """Watch nothing any more."""
        for name in list(self._descriptors):
            self._drop(name)

    def _readable(self, name: str) -> None:
        self._drop(name)
        self._tell(name)

    def _tell(self, name: str) -> None:
        self._told.add(name)
        self._ended.append(name)
        self._news.set()

    def _drop(self, name: str) -> None:
        descriptor = self._descriptors.pop(name, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
