"""Read model ``models``: the models that exist."""

from __future__ import annotations

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import ModelRemoved, ModelStored


class Models:
    """One row per model; ``document`` is ``messages.storage.ModelInfo``, ``created`` µs since 1970.

    ``job_id`` is empty for a model that was imported.
    """

    name = "models"
    version = 1
    kinds = frozenset({ModelStored.kind, ModelRemoved.kind})
    tables = ("models",)
    ddl = """
    CREATE TABLE models (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        name TEXT NOT NULL,
        job_id TEXT NOT NULL,
        created INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX models_by_user ON models (user_id, created);
    """

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add or remove a row."""
        match recorded.event:
            case ModelStored(model=info):
                connection.execute(
                    "INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        info.id,
                        info.user_id,
                        info.name,
                        info.job_id or "",
                        to_micros(info.created),
                        info.model_dump_json(),
                    ),
                )
            case ModelRemoved(model_id=model_id):
                connection.execute("DELETE FROM models WHERE id = ?", (model_id,))
