"""Read model ``alarms``: what needs a person, one row per kind of alarm and detail."""

from __future__ import annotations

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import AlarmRaised

ALARMS_MAX = 1_000
"""Rows kept; the alarm that was raised longest ago goes first."""


class Alarms:
    """``first`` and ``last`` are when it was raised (µs since 1970), ``times`` how often."""

    name = "alarms"
    version = 1
    kinds = frozenset({AlarmRaised.kind})
    tables = ("alarms",)
    ddl = """
    CREATE TABLE alarms (
        alarm TEXT NOT NULL,
        detail TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        times INTEGER NOT NULL,
        PRIMARY KEY (alarm, detail)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alarms_by_last ON alarms (last);
    """

    def __init__(self, rows_max: int = ALARMS_MAX) -> None:
        self._rows_max = rows_max

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add a row or count it up."""
        match recorded.event:
            case AlarmRaised() as raised:
                at = to_micros(raised.at)
                connection.execute(
                    "INSERT INTO alarms VALUES (?, ?, ?, ?, 1)"
                    " ON CONFLICT (alarm, detail) DO UPDATE SET last = excluded.last, times = times + 1",
                    (raised.alarm, raised.detail, at, at),
                )
                connection.execute(
                    "DELETE FROM alarms WHERE (alarm, detail) IN"
                    " (SELECT alarm, detail FROM alarms ORDER BY last DESC LIMIT -1 OFFSET ?)",
                    (self._rows_max,),
                )
