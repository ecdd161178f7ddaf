"""The read side of the journal: a connection that cannot write, on a thread of its own, in bounded pages.

Each read sees every append that was answered before it began. In memory and inline there is only the write
connection; reading is then kept apart by ``query_only``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from actors.journal import rows
from actors.journal.backup import backup
from actors.journal.interface import JournalRefused, JournalUnavailable, Recorded
from actors.journal.trouble import Trouble
from actors.journal.worker import Worker

T = TypeVar("T")


class Reader:
    """Reads for every actor of a node."""

    def __init__(self, worker: Worker[apsw.Connection]) -> None:
        self._worker = worker
        self._closed = False

    async def stream(self, stream: str, after: int) -> list[Recorded]:
        """Return a stream's events after a version."""
        return await self._ask(lambda c: rows.stream_events(c, stream, after))

    async def page(self, after: int, prefix: str = "") -> list[Recorded]:
        """Return the next page of events after a position."""
        return await self._ask(lambda c: rows.page_after(c, after, prefix))

    async def many(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        """Return all events of each of ``streams``."""
        return await self._ask(lambda c: rows.many_streams(c, streams))

    async def names(self, prefix: str) -> list[str]:
        """Return the ordered names of streams."""
        return await self._ask(lambda c: rows.stream_names(c, prefix))

    async def query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one reading statement."""
        return await self._ask(lambda c: _query(c, sql, parameters))

    async def backup(self, path: Path) -> None:
        """Copy the journal."""
        await self._ask(lambda c: backup(c, path))

    async def close(self, connection: apsw.Connection | None) -> None:
        """End the thread and close its connection, where it has one of its own."""
        self._closed = True
        if connection is not None:
            # A long report must not hold up the end.
            connection.interrupt()
        await self._worker.call(lambda c: c.close() if connection is not None else None, last=True)
        self._worker.join()

    async def _ask(self, work: Callable[[apsw.Connection], T]) -> T:
        if self._closed:
            raise JournalUnavailable(Trouble.CLOSED.value)
        try:
            return await self._worker.call(work)
        except apsw.CorruptError as error:
            raise JournalRefused(f"the journal is damaged: {error}") from error
        except (apsw.IOError, apsw.BusyError, apsw.CantOpenError, apsw.FullError, apsw.InterruptError) as error:
            raise JournalUnavailable(f"the journal cannot be read: {error}") from error


def _query(connection: apsw.Connection, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    connection.execute("PRAGMA query_only = 1")
    try:
        return [tuple(row) for row in connection.execute(sql, tuple(parameters))]
    finally:
        connection.execute("PRAGMA query_only = 0")
