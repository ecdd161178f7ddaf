"""Read model ``alarms``: what needs a person, one row per kind of alarm and detail."""

from __future__ import annotations

import apsw

from actors.journal.interface import Recorded
from actors.journal.rows import to_micros
from messages.events import END_UNPROVEN, AlarmEnded, AlarmRaised, GoneProved, OrphanGone, SurplusGone

ALARMS_MAX = 1_000
"""Rows kept; the alarm that was raised longest ago goes first."""


class Alarms:
    """``first`` and ``last`` are when it was raised (µs since 1970), ``times`` how often.

    An alarm with a subject has one row, the last that was raised, until it ends.
    """

    name = "alarms"
    version = 2
    kinds = frozenset({event.kind for event in (AlarmRaised, AlarmEnded, GoneProved, SurplusGone, OrphanGone)})
    tables = ("alarms",)
    ddl = """
    CREATE TABLE alarms (
        alarm TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        code TEXT,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        times INTEGER NOT NULL,
        PRIMARY KEY (alarm, subject, detail)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alarms_by_last ON alarms (last);
    """

    def __init__(self, rows_max: int = ALARMS_MAX) -> None:
        self._rows_max = rows_max

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        """Add a row or count it up; take out what is over."""
        match recorded.event:
            case AlarmRaised() as raised:
                self._raise(connection, raised)
            case AlarmEnded() as ended:
                _end(connection, ended.alarm, ended.subject)
            case GoneProved() | SurplusGone() as gone:
                _end(connection, END_UNPROVEN, gone.machine_id)
            case OrphanGone() as gone:
                _end(connection, END_UNPROVEN, gone.machine.id)

    def _raise(self, connection: apsw.Connection, raised: AlarmRaised) -> None:
        if raised.subject:
            _end(connection, raised.alarm, raised.subject)
        at = to_micros(raised.at)
        connection.execute(
            "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (alarm, subject, detail) DO UPDATE SET last = excluded.last, times = times + 1",
            (raised.alarm, raised.subject, raised.detail, raised.code, at, at),
        )
        connection.execute(
            "DELETE FROM alarms WHERE (alarm, subject, detail) IN"
            " (SELECT alarm, subject, detail FROM alarms ORDER BY last DESC LIMIT -1 OFFSET ?)",
            (self._rows_max,),
        )


def _end(connection: apsw.Connection, alarm: str, subject: str) -> None:
    connection.execute("DELETE FROM alarms WHERE alarm = ? AND subject = ?", (alarm, subject))
