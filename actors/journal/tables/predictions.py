"""Read model ``predictions``: the prediction files that were made."""

from __future__ import annotations

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import PredictionMade


class Predictions:
    """One row per prediction; ``document`` is the event ``PredictionMade``, ``created`` µs since 1970."""

    name = "predictions"
    version = 1
    kinds = frozenset({PredictionMade.kind})
    tables = ("predictions",)
    ddl = """
    CREATE TABLE predictions (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        model_id TEXT NOT NULL,
        created INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX predictions_by_user ON predictions (user_id, created);
    """

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add a row."""
        match recorded.event:
            case PredictionMade() as made:
                connection.execute(
                    "INSERT OR REPLACE INTO predictions VALUES (?, ?, ?, ?, ?)",
                    (
                        made.prediction_id,
                        made.user_id,
                        made.model_id,
                        to_micros(recorded.at),
                        made.model_dump_json(),
                    ),
                )
