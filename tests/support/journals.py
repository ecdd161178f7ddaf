"""Journals in front of another: a disk that refuses and a process that dies, at the append a test names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from actors.journal.interface import Appended, Expected, Version
from actors.journal.sqlite import SqliteJournal
from messages.events import Event


class Append(NamedTuple):
    """One append as it was asked for."""

    stream: str
    expected: Version | Expected
    events: Sequence[Event]
    actor: str


class Through:
    """A journal that hands everything on to ``inner``, appends between ``before`` and ``after``."""

    def __init__(self, inner: SqliteJournal) -> None:
        self.inner = inner

    async def append(
        self,
        stream: str,
        expected: Version | Expected,
        events: Sequence[Event],
        *,
        actor: str,
        cause: str | None = None,
    ) -> Appended:
        asked = Append(stream, expected, events, actor)
        await self.before(asked)
        appended = await self.inner.append(stream, expected, events, actor=actor, cause=cause)
        await self.after(asked)
        return appended

    async def before(self, asked: Append) -> None:
        """Nothing is written yet; what this raises the caller gets instead."""

    async def after(self, asked: Append) -> None:
        """It is durable, and the caller does not know it yet."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Mortal(Through):
    """A journal whose process dies at its ``at``-th append: before it is on disk, or right after."""

    def __init__(self, inner: SqliteJournal, at: int, *, after: bool) -> None:
        super().__init__(inner)
        self.count = 0
        self.died = asyncio.Event()
        self._at = at
        self._dies_after = after

    async def before(self, asked: Append) -> None:
        self.count += 1
        if self.died.is_set() or (self.count == self._at and not self._dies_after):
            await self.die()

    async def after(self, asked: Append) -> None:
        if self.count == self._at:
            await self.die()

    async def die(self) -> None:
        """Answer nobody any more."""
        self.died.set()
        await asyncio.get_running_loop().create_future()
