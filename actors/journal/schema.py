"""The journal's file: which SQLite may touch it, how it is opened, its tables, and the way from an older shape.

Tables: ``streams`` (a number for each name), ``events`` (everything), ``kinds`` (which kinds and shapes of events
there are, so that an unknown one is found without reading them all), ``meta`` (whose journal this is) and
``projections`` (how far each read model is).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apsw

from actors.journal.codec import check_known
from actors.journal.interface import JournalRefused, JournalUnavailable
from actors.journal.transaction import transaction
from actors.journal.trouble import trouble_of

APPLICATION_ID = 0x4C434A31
"""``LCJ1`` in the file's header: a journal of Lastcall and no other database."""
SCHEMA = 1
"""Shape of the tables, kept in the file's ``user_version``."""
SQLITE_VERSION_MIN = (3, 51, 3)
"""Older ones can lose committed rows when two connections write and checkpoint together (the WAL-reset race)."""
BUSY_TIMEOUT_MS = 5_000
"""How long a write waits for another program that holds the lock. Only the committer's thread waits."""
PAGE_BYTES = 8_192
"""A bare insert loop on an idle disk stored a fifth to a third more events per second than with SQLite's 4,096."""
WAL_BYTES_KEPT = 64 << 20
"""The write-ahead log is cut back to this size after a burst."""
CHECK_BYTES_MAX = 256 << 20
"""Up to this size the whole file is checked when it is opened (about a second); above, damage shows when read."""

MEMORY = ":memory:"

DDL = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    stream INTEGER NOT NULL REFERENCES streams (id),
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    schema INTEGER NOT NULL,
    at INTEGER NOT NULL,
    cause TEXT,
    actor TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, version);
CREATE TABLE kinds (
    kind TEXT NOT NULL,
    schema INTEGER NOT NULL,
    PRIMARY KEY (kind, schema)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE projections (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    applied_position INTEGER NOT NULL,
    tables TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

Migration = Callable[[apsw.Connection], None]
MIGRATIONS: Mapping[int, Migration] = {}
"""From each older shape to the next one. A step only alters tables; it runs in one transaction with its number."""


def check_sqlite(version: str | None = None) -> None:
    """Raise ``JournalRefused`` when SQLite is older than ``SQLITE_VERSION_MIN``."""
    found = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in found.split(".")[:3]) < SQLITE_VERSION_MIN:
        needed = ".".join(str(part) for part in SQLITE_VERSION_MIN)
        raise JournalRefused(f"SQLite {found} can lose committed events; install an apsw with SQLite {needed} or newer")


def connect(path: str, *, vfs: str | None = None, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> apsw.Connection:
    """Open the write connection with every setting the journal relies on; the file is made readable by us alone."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalUnavailable(f"the journal {path} cannot be opened: {error.strerror}") from error
    connection = apsw.Connection(path, vfs=vfs)
    try:
        connection.set_busy_timeout(busy_timeout_ms)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        connection.execute("PRAGMA temp_store = MEMORY")
        # The committer checkpoints itself, after the answers are out and with its errors seen.
        connection.wal_autocheckpoint(0)
    except apsw.Error as error:
        connection.close()
        raise refused(path, error) from error
    return connection


def connect_reader(path: str, *, vfs: str | None = None, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> apsw.Connection:
    """Open a connection that cannot write."""
    connection = apsw.Connection(path, vfs=vfs, flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(busy_timeout_ms)
    return connection


def refused(path: str, error: apsw.Error) -> JournalRefused | JournalUnavailable:
    """Say why the journal cannot be opened."""
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return JournalRefused(
            f"the journal {path} is damaged ({error}); put a backup in its place, or move it away to begin anew"
        )
    trouble = trouble_of(error)
    text = trouble.value if trouble.sure else f"the disk failed ({error})"
    return JournalUnavailable(f"the journal {path} cannot be opened: {text}")


def prepare(
    connection: apsw.Connection,
    path: str,
    *,
    backup: Callable[[Path], None],
    migrations: Mapping[int, Migration] = MIGRATIONS,
    schema: int = SCHEMA,
) -> None:
    """Make the tables, or bring older ones up to ``schema`` after a backup, and check what is there.

    Raises ``JournalRefused`` for a file that is damaged, newer, or not a journal.
    """
    if _pragma(connection, "user_version") == 0:
        _create(connection, path, schema)
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise JournalRefused(f"{path} is a database, but not a journal of Lastcall")
    _check_pages(connection, path)
    found = _pragma(connection, "user_version")
    if found > schema:
        raise JournalRefused(
            f"the journal {path} has shape {found}, this version knows {schema}; use a newer version of Lastcall"
        )
    if found < schema:
        backup(Path(f"{path}.before-schema-{schema}"))
        for step in range(found, schema):
            _step(connection, step, migrations[step])
    check_known((str(kind), int(shape)) for kind, shape in _rows(connection, "SELECT kind, schema FROM kinds"))


def _pragma(connection: apsw.Connection, name: str) -> int:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    return int(row[0]) if row else 0


def _rows(connection: apsw.Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def _create(connection: apsw.Connection, path: str, schema: int) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
        raise JournalRefused(f"{path} is a database, but not a journal of Lastcall")
    with transaction(connection):
        connection.execute(DDL)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {schema}")


def _check_pages(connection: apsw.Connection, path: str) -> None:
    if _pragma(connection, "page_count") * _pragma(connection, "page_size") > CHECK_BYTES_MAX:
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != [("ok",)]:
        detail = " ".join(str(found[0][0]).split())
        raise JournalRefused(
            f"the journal {path} is damaged ({detail}); put a backup in its place, or move it away to begin anew"
        )


def _step(connection: apsw.Connection, step: int, migration: Migration) -> None:
    with transaction(connection):
        migration(connection)
        connection.execute(f"PRAGMA user_version = {step + 1}")
