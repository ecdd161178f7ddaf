"""Read model ``audit``: the last operations on storage, machines, users, money and configuration."""

from __future__ import annotations

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import Audited

AUDIT_ROWS_MAX = 100_000
"""Rows kept to look at; the events themselves stay in the journal."""


class Audit:
    """One row per operation, ``id`` counting up; ``document`` is the event ``Audited``, ``created`` µs since 1970."""

    name = "audit"
    version = 1
    kinds = frozenset({Audited.kind})
    tables = ("audit",)
    ddl = """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        success INTEGER NOT NULL,
        created INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_who ON audit (who, id);
    """

    def __init__(self, rows_max: int = AUDIT_ROWS_MAX) -> None:
        self._rows_max = rows_max

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add a row and let go of the one that is too many."""
        match recorded.event:
            case Audited() as done:
                connection.execute(
                    "INSERT INTO audit (who, what, success, created, document) VALUES (?, ?, ?, ?, ?)",
                    (done.who, done.what, int(done.success), to_micros(done.at), done.model_dump_json()),
                )
                last = connection.last_insert_rowid()
                connection.execute("DELETE FROM audit WHERE id <= ?", (last - self._rows_max,))
