"""The write side of the journal: batches of appends, one transaction each, on the only connection that writes.

Runs in the committer's thread (or inline); knows no loop. Ordered: what is appended gets its versions and positions
in the order of the batch. Must not happen: an answer before the commit, half a batch, a version twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import apsw

from actors.journal.append import Append
from actors.journal.health import Health
from actors.journal.identity import Identity, read_identity, write_identity
from actors.journal.interface import (
    Appended,
    JournalError,
    JournalRefused,
    JournalUnavailable,
    JournalUnsure,
    Position,
    Recorded,
    Version,
    WrongVersion,
)
from actors.journal.mark import HighWater
from actors.journal.readmodels import REBUILD_PAGE_EVENTS, Projection, ReadModels
from actors.journal.rows import head_position, pages_after, to_micros
from actors.journal.streams import StreamVersions
from actors.journal.transaction import transaction
from actors.journal.trouble import Trouble, trouble_of

Result = Appended | JournalError

CHECKPOINT_PAGES = 2_000
"""Pages in the write-ahead log (16 MB) after which it is copied into the database."""

_COLUMNS = 10
_ROWS = (64, 8, 1)
"""Rows per statement. Every statement gives the interpreter's lock away once: with few large ones a busy loop
cannot hold a batch up hundreds of times."""
_INSERT = {
    rows: "INSERT INTO events VALUES " + ", ".join(["(" + ", ".join("?" * _COLUMNS) + ")"] * rows)  # noqa: S608 (only ?)
    for rows in _ROWS
}


class _Placed:
    """A batch, placed but not yet written."""

    __slots__ = ("now", "position", "results", "values", "wanted")

    def __init__(self, position: int, now: datetime) -> None:
        self.now = now
        self.position = position
        self.results: list[Result] = []
        self.values: list[object] = []
        """All columns of all rows, one after the other."""
        self.wanted: list[Recorded] = []
        """The events that read models look at."""


class EventStore:
    """Appends batches; owns the write connection and what is remembered of it."""

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        projections: Sequence[Projection],
        run: str,
        health: Health,
        mark: HighWater | None,
    ) -> None:
        self.connection = connection
        self.models = ReadModels(connection, projections)
        self.health = health
        self.keep_open = False
        """Whether ``close`` leaves the connection to its owner."""
        self._run = run
        self._mark = mark
        self._streams = StreamVersions(connection)
        self._plain: set[str] = set()
        """Kinds that are in ``kinds`` and wanted by no read model: the ones that only need storing."""
        self._known: set[str] = set()
        self._position = 0
        self._data_version = -1
        self._wal_pages = 0
        connection.set_wal_hook(self._on_wal)

    @property
    def position(self) -> int:
        """Position of the last event that is durable."""
        return self._position

    def open_models(self) -> None:
        """Bring the read models up to the last event."""
        self._position = head_position(self.connection)
        self.models.open(self._pages, self._position)

    def rebuild(self, name: str) -> None:
        """Make one read model anew."""
        self.models.rebuild(name, self._pages, self._position)

    def commit(self, batch: Sequence[Append], now: datetime) -> list[Result]:
        """Append what can be appended and say for each how it went, in order. Never raises."""
        if self.health.closed_to_writes:
            return [self._unavailable(self.health.trouble)] * len(batch)
        self.health.recover_if_due(self.connection, now)
        trouble: Trouble
        try:
            return self._attempt(batch, now)
        except apsw.Error as error:
            trouble = self._undo(trouble_of(error), error)
        except Exception as fault:
            return self._one_by_one(batch, now, fault)
        if trouble is Trouble.FULL and self.health.use_reserve(now):
            return self.commit(batch, now)
        return [self._unavailable(trouble)] * len(batch)

    def checkpoint_if_due(self) -> None:
        """Copy the write-ahead log into the database when it has grown; the answers are out by then."""
        if self._wal_pages >= CHECKPOINT_PAGES:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Copy what no reader holds back. A failing sync here leaves the state unsure like any other."""
        self._wal_pages = 0
        try:
            self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            trouble = trouble_of(error)
            if trouble is Trouble.UNSURE:
                self._undo(trouble, error)

    def write(self, change: Callable[[apsw.Connection], None]) -> None:
        """Change something beside the events (whose journal this is) in a transaction of its own."""
        if self.health.closed_to_writes:
            raise self._unavailable(self.health.trouble)
        try:
            with transaction(self.connection):
                change(self.connection)
        except apsw.Error as error:
            raise self._unavailable(self._undo(trouble_of(error), error)) from error

    def identity(self) -> Identity:
        """Return whose journal this is."""
        return read_identity(self.connection)

    def adopt(self, generation: str, home: str) -> None:
        """Tie the journal to an installation; raises ``JournalUnavailable``."""
        self.write(lambda connection: write_identity(connection, Identity(generation, home)))
        if self._mark is not None:
            self._mark.write(self._position)

    def check_mark(self) -> None:
        """Note in the journal when it is shorter than it was; that stays until it is adopted anew."""
        noted = 0 if self._mark is None else self._mark.read()
        if noted > self._position:
            lost = f"it ends at event {self._position}, but event {noted} was committed"
            self.write(lambda c: write_identity(c, replace(read_identity(c), lost=lost)))

    def close(self) -> None:
        """Leave the file in order: read models noted, the log copied, the connection closed."""
        if not self.health.closed_to_writes:
            try:
                with transaction(self.connection):
                    self.models.note(self._position)
            except apsw.Error as error:
                self._undo(trouble_of(error), error)
        self.connection.set_wal_hook(None)
        self.health.close()
        if not self.keep_open:
            # What could not be copied out of the log now is copied when the journal is opened again.
            with suppress(apsw.Error):
                self.connection.close()
        if self._mark is not None:
            self._mark.close()

    # ------------------------------------------------------------------------------------------ one batch

    def _attempt(self, batch: Sequence[Append], now: datetime) -> list[Result]:
        with transaction(self.connection):
            self._refresh()
            placed = self._place(batch, now)
            self._insert(placed.values)
            if placed.wanted:
                self.models.apply(placed.wanted, placed.position)
        self._position = placed.position
        self._streams.trim()
        if self._mark is not None:
            self._mark.write(placed.position)
        self.health.wrote()
        return placed.results

    def _refresh(self) -> None:
        """Forget what is remembered when another connection has written: inside the transaction, so for sure."""
        row = self.connection.execute("PRAGMA data_version").fetchone()
        if row is not None and row[0] != self._data_version:
            self._data_version = row[0]
            self._position = head_position(self.connection)
            self._streams.forget()

    def _place(self, batch: Sequence[Append], now: datetime) -> _Placed:
        """Check each append against its stream and give its events their versions and positions."""
        placed = _Placed(self._position, now)
        results, values, position, at = placed.results, placed.values, placed.position, to_micros(now)
        run, cached, plain, short = self._run, self._streams.cached, self._plain, self.health.short_of_space
        for append in batch:
            if short and append.starts_something:
                results.append(self._unavailable(Trouble.FULL))
                continue
            entry = cached(append.stream) or self._streams.find(append.stream)
            number, version = entry
            if not append.fits(version):
                results.append(WrongVersion(append.stream, append.expected, version))
                continue
            number = number or self._streams.add(append.stream, entry)
            for kind, shape, body in append.bodies:
                version += 1
                position += 1
                event_id = f"{run}-{position}"
                values += (position, event_id, number, version, kind, shape, at, append.cause, append.actor, body)
                if kind not in plain:
                    self._look_at(placed, append, version - entry[1] - 1, event_id, version, position)
            entry[1] = version
            results.append(Appended(Version(version), Position(position)))
        placed.position = position
        return placed

    def _look_at(self, placed: _Placed, append: Append, index: int, event_id: str, version: int, position: int) -> None:
        """Note an event whose kind is new to the journal or wanted by a read model."""
        kind, shape, _ = append.bodies[index]
        if not self.models.wants(kind):
            self._plain.add(kind)
        else:
            placed.wanted.append(
                Recorded(
                    append.events[index],
                    event_id,
                    append.stream,
                    Version(version),
                    Position(position),
                    placed.now,
                    append.cause,
                    append.actor,
                )
            )
        if kind not in self._known:
            self.connection.execute("INSERT OR IGNORE INTO kinds (kind, schema) VALUES (?, ?)", (kind, shape))
            self._known.add(kind)

    def _insert(self, values: list[object]) -> None:
        start, left = 0, len(values) // _COLUMNS
        for rows in _ROWS:
            while left >= rows:
                end = start + rows * _COLUMNS
                self.connection.execute(_INSERT[rows], values[start:end])
                start, left = end, left - rows

    # ------------------------------------------------------------------------------------------ failures

    def _forget(self) -> None:
        self._streams.forget()
        self._plain.clear()
        self._known.clear()

    def _undo(self, trouble: Trouble, error: Exception) -> Trouble:
        """Forget what the lost transaction had changed, and note the trouble."""
        self._forget()
        self.health.failed(trouble, error)
        return trouble

    def _one_by_one(self, batch: Sequence[Append], now: datetime, fault: Exception) -> list[Result]:
        """One append cannot be stored at all (text that is no Unicode): find it, so that the others go through."""
        self._forget()
        if len(batch) == 1:
            return [JournalRefused(f"an append to {batch[0].stream!r} cannot be stored: {fault}")]
        return [result for append in batch for result in self.commit([append], now)]

    def _unavailable(self, trouble: Trouble) -> JournalUnavailable:
        text = self.health.degraded or trouble.value
        return JournalUnsure(text) if trouble is Trouble.UNSURE else JournalUnavailable(text)

    def _pages(self, after: int) -> Iterator[list[Recorded]]:
        return pages_after(self.connection, after, REBUILD_PAGE_EVENTS)

    def _on_wal(self, connection: apsw.Connection, database: str, pages: int) -> int:
        del connection, database
        self._wal_pages = pages
        return apsw.SQLITE_OK
