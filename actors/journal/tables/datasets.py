"""Read model ``datasets``: the data sets that exist."""

from __future__ import annotations

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import DatasetAdded, DatasetRemoved


class Datasets:
    """One row per data set; ``document`` is ``messages.storage.DatasetInfo``, ``created`` µs since 1970."""

    name = "datasets"
    version = 1
    kinds = frozenset({DatasetAdded.kind, DatasetRemoved.kind})
    tables = ("datasets",)
    ddl = """
    CREATE TABLE datasets (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        created INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX datasets_by_user ON datasets (user_id, created);
    """

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add or remove a row."""
        match recorded.event:
            case DatasetAdded(dataset=info):
                connection.execute(
                    "INSERT OR REPLACE INTO datasets VALUES (?, ?, ?, ?, ?, ?)",
                    (info.id, info.user_id, info.name, info.sha256, to_micros(info.added), info.model_dump_json()),
                )
            case DatasetRemoved(dataset_id=dataset_id):
                connection.execute("DELETE FROM datasets WHERE id = ?", (dataset_id,))
