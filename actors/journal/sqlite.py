"""The journal on SQLite: one file, one writer, group commit, every answer durable.

Runs: a thread that commits and one that reads (file), or neither (memory, simulation). Ordered: appends of one actor
in the order it makes them; followers by position. Must not happen: an answer before the sync, a loop that waits for
the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import apsw

from actors.journal import schema
from actors.journal.append import Append
from actors.journal.backup import backup
from actors.journal.committer import Committer, InlineCommitter, ThreadCommitter
from actors.journal.health import Health
from actors.journal.identity import Identity
from actors.journal.interface import START, Appended, Expected, JournalUnavailable, Position, Recorded, Version
from actors.journal.mark import HighWater
from actors.journal.reader import Reader
from actors.journal.readmodels import Projection
from actors.journal.reserve import RESERVE_BYTES, SpaceReserve
from actors.journal.rows import PAGE_STREAMS
from actors.journal.store import EventStore
from actors.journal.worker import InlineWorker, ThreadWorker
from actors.runtime.world import Clock
from messages.events import Event
from messages.ids import base32

EntropyBytes = Callable[[int], bytes]

BEGINNING = Version(0)
"""Before a stream's first event."""
RESERVE_FILE = "journal.reserve"
MARK_FILE = "journal.mark"


class SqliteJournal:
    """Implements ``interface.Journal``; made by ``open`` or ``memory``."""

    def __init__(self, store: EventStore, clock: Clock, reading: apsw.Connection | None, *, threaded: bool) -> None:
        self._store = store
        self._clock = clock
        self._reading = reading
        self._head = store.position
        self._loop = asyncio.get_running_loop()
        self._moved: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._committer: Committer
        if threaded:
            self._committer = ThreadCommitter(store, clock, self._on_moved)
        else:
            self._committer = InlineCommitter(store, clock, self._on_moved)
        self._reader = Reader(
            InlineWorker(store.connection) if reading is None else ThreadWorker(reading, "journal-reader")
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        entropy: EntropyBytes,
        projections: Sequence[Projection] = (),
        threaded: bool = True,
        vfs: str | None = None,
        busy_timeout_ms: int = schema.BUSY_TIMEOUT_MS,
        reserve_bytes: int = RESERVE_BYTES,
        migrations: Mapping[int, schema.Migration] = schema.MIGRATIONS,
        schema_version: int = schema.SCHEMA,
    ) -> Self:
        """Open the journal in the file ``path``, or make it; migrate it and bring its read models up to date.

        Blocks while it does so: a daemon opens its journal before it serves. The caller holds the state directory's
        lock. Raises ``JournalRefused`` or ``JournalUnavailable``, and leaves nothing open then.
        """
        schema.check_sqlite()
        connection = schema.connect(str(path), vfs=vfs, busy_timeout_ms=busy_timeout_ms)
        mark: HighWater | None = None
        try:
            schema.prepare(
                connection,
                str(path),
                backup=lambda target: backup(connection, target),
                migrations=migrations,
                schema=schema_version,
            )
            mark = HighWater(path.with_name(MARK_FILE))
            health = Health(SpaceReserve(path.with_name(RESERVE_FILE), reserve_bytes))
            store = _store(connection, projections, entropy, health, mark)
            reading = schema.connect_reader(str(path), vfs=vfs, busy_timeout_ms=busy_timeout_ms) if threaded else None
        except BaseException as error:
            connection.close()
            if mark is not None:
                mark.close()
            if isinstance(error, apsw.Error):
                raise schema.refused(str(path), error) from error
            raise
        return cls(store, clock, reading, threaded=threaded)

    @classmethod
    def memory(
        cls,
        *,
        clock: Clock,
        entropy: EntropyBytes,
        projections: Sequence[Projection] = (),
        connection: apsw.Connection | None = None,
    ) -> Self:
        """Make a journal without a file and without threads.

        Hand the same ``connection`` (``apsw.Connection(":memory:")``) in again to open what an earlier journal left,
        as after a crash: it is then the caller's, and ``close`` leaves it open.
        """
        schema.check_sqlite()
        target = connection or apsw.Connection(schema.MEMORY)
        schema.prepare(target, schema.MEMORY, backup=lambda _: None)
        store = _store(target, projections, entropy, Health(None), None)
        store.keep_open = connection is not None
        return cls(store, clock, None, threaded=False)

    # ------------------------------------------------------------------------------------------ interface.Journal

    async def append(
        self,
        stream: str,
        expected: Version | Expected,
        events: Sequence[Event],
        *,
        actor: str,
        cause: str | None = None,
    ) -> Appended:
        """Append to one stream, durable when this returns.

        Raises ``WrongVersion``, ``JournalUnavailable`` (``JournalUnsure``), and ``JournalRefused`` for an event that
        could not be read back. Cancelling the wait does not take the events back.
        """
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        if not events:
            raise ValueError("an append needs at least one event")
        future: asyncio.Future[Appended] = self._loop.create_future()
        self._committer.append(Append(stream, expected, events, cause, actor, future))
        return await future

    async def read(self, stream: str, after: Version = BEGINNING) -> list[Recorded]:
        """Return the stream's events after ``after``; an unknown stream is empty."""
        return await self._reader.stream(stream, after)

    async def streams(self, prefix: str) -> list[str]:
        """Return the names of all streams that begin with ``prefix``, ordered."""
        return await self._reader.names(prefix)

    async def follow(self, after: Position) -> AsyncIterator[Recorded]:
        """Yield every event after ``after`` in order, then wait for more, until the journal is closed."""
        while not self._closed:
            # Taken before the read: what is appended during it wakes us at once.
            moved = self._moved
            try:
                page = await self._reader.page(after) if self._head > after else []
            except JournalUnavailable:
                if self._is_closed():
                    return
                raise
            for recorded in page:
                yield recorded
                after = recorded.position
            if not page:
                await asyncio.shield(moved)

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the read models, on a connection that cannot write."""
        return await self._reader.query(sql, parameters)

    async def close(self) -> None:
        """Finish what waits, end the followers, let go of the file. Again: nothing."""
        if self._closed:
            return
        self._closed = True
        self._on_moved(self._head)
        await self._reader.close(self._reading)
        await self._committer.call(EventStore.close, last=True)
        self._committer.join()

    # ------------------------------------------------------------------------------------------ beyond it

    @property
    def degraded(self) -> str | None:
        """What is wrong with the journal's disk, for people; nothing new should be started then."""
        return self._store.health.degraded

    @property
    def broken_read_models(self) -> dict[str, str]:
        """Read models that were set aside because of a fault of theirs, and the fault."""
        return self._store.models.broken

    @property
    def head(self) -> Position:
        """Position of the last event that was answered."""
        return Position(self._head)

    async def probe(self) -> str | None:
        """Try to write a little while the journal is degraded, so that it recovers although nobody appends.

        Call it now and then; returns ``degraded`` as it is after it.
        """
        now = self._clock.now()
        if self.degraded is not None and not self._closed:
            await self._committer.call(lambda store: store.health.probe(store.connection, now))
        return self.degraded

    async def scan(self, prefix: str = "", after: Position = START) -> AsyncIterator[Recorded]:
        """Yield the events of all streams that begin with ``prefix``, by position, up to the head; in pages."""
        while page := await self._reader.page(after, prefix):
            for recorded in page:
                yield recorded
            after = page[-1].position

    async def read_many(self, streams: Sequence[str]) -> AsyncIterator[tuple[str, list[Recorded]]]:
        """Yield each of ``streams`` that exists with all its events, many streams to a read."""
        for start in range(0, len(streams), PAGE_STREAMS):
            found = await self._reader.many(streams[start : start + PAGE_STREAMS])
            for item in found.items():
                yield item

    async def rebuild(self, name: str) -> None:
        """Drop the read model ``name`` and make it anew; appends wait meanwhile."""
        self._check_open()
        await self._committer.call(lambda store: store.rebuild(name))

    async def backup(self, path: Path) -> None:
        """Copy the journal to ``path``: whole, synced, and recognised as a copy when it is put back."""
        await self._reader.backup(path)

    async def identity(self) -> Identity:
        """Return whose journal this is."""
        self._check_open()
        return await self._committer.call(EventStore.identity)

    async def adopt(self, generation: str, home: str) -> None:
        """Tie the journal to an installation's generation; clears what made it suspect."""
        self._check_open()
        await self._committer.call(lambda store: store.adopt(generation, home))

    def _is_closed(self) -> bool:
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise JournalUnavailable("the journal is closed")

    def _on_moved(self, head: int) -> None:
        """Wake the followers; runs on the loop."""
        self._head = head
        moved, self._moved = self._moved, self._loop.create_future()
        moved.set_result(None)


def _store(
    connection: apsw.Connection,
    projections: Sequence[Projection],
    entropy: EntropyBytes,
    health: Health,
    mark: HighWater | None,
) -> EventStore:
    # 50 random bits for each opening: event ids are this and the position, unique for ever and cheap to make.
    store = EventStore(
        connection, projections=projections, run=f"evt_{base32(entropy(7), 10)}", health=health, mark=mark
    )
    store.open_models()
    store.check_mark()
    return store
