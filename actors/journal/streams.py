"""Which number and version each stream has, remembered between batches by the only writer."""

from __future__ import annotations

import apsw

STREAMS_CACHED_MAX = 16_384
"""Streams remembered between batches (about 200 bytes each)."""

_FIND = "SELECT id, (SELECT max(version) FROM events WHERE stream = id) FROM streams WHERE name = ?"


class StreamVersions:
    """A cache over the tables, true inside a write transaction as long as nobody else has written.

    An entry is a list ``[number, version]``, changed in place while a batch is placed; number 0 means the stream has
    no row yet. After a rollback or a foreign write everything is to be forgotten.
    """

    def __init__(self, connection: apsw.Connection, cached_max: int = STREAMS_CACHED_MAX) -> None:
        self._connection = connection
        self._cached_max = cached_max
        self._entries: dict[str, list[int]] = {}
        self.cached = self._entries.get

    def find(self, stream: str) -> list[int]:
        """Return the entry of a stream that is not cached."""
        row = self._connection.execute(_FIND, (stream,)).fetchone()
        entry = [row[0], row[1] or 0] if row else [0, 0]
        self._entries[stream] = entry
        return entry

    def add(self, stream: str, entry: list[int]) -> int:
        """Give the stream its row; return its number."""
        self._connection.execute("INSERT INTO streams (name) VALUES (?)", (stream,))
        entry[0] = self._connection.last_insert_rowid()
        return entry[0]

    def forget(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def trim(self) -> None:
        """Forget the oldest beyond the bound. Only between batches: inside one an entry is ahead of the tables."""
        while len(self._entries) > self._cached_max:
            del self._entries[next(iter(self._entries))]
