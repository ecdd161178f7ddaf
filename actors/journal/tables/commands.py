"""Read model ``commands``: which commands were taken, and what their senders were told."""

from __future__ import annotations

import json

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import CommandAccepted


class Commands:
    """One row per command; ``answer`` is a JSON object, ``created`` µs since 1970."""

    name = "commands"
    version = 1
    kinds = frozenset({CommandAccepted.kind})
    tables = ("commands",)
    ddl = """
    CREATE TABLE commands (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        answer TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add a row."""
        match recorded.event:
            case CommandAccepted() as taken:
                connection.execute(
                    "INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?, ?)",
                    (taken.command_id, taken.name, taken.digest, json.dumps(taken.answer), to_micros(recorded.at)),
                )
