"""How the journal's disk is doing, what may still be written, and how it comes back by itself.

Full: the reserve is given up, ends are still recorded, beginnings are refused; when there is room for the reserve
again all is well. Read-only or locked: every append is tried. Unsure (a failing sync): nothing more is written until
the journal is opened again, because nobody knows what the disk holds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import apsw

from actors.journal.reserve import SpaceReserve
from actors.journal.transaction import transaction
from actors.journal.trouble import Trouble, trouble_of

RECOVERY_INTERVAL = timedelta(seconds=1)
"""Between two tries to get the reserve back."""


class Health:
    """Written by the committer alone; the loop reads ``degraded``."""

    def __init__(self, reserve: SpaceReserve | None) -> None:
        self._reserve = reserve
        self.degraded: str | None = None
        """What is wrong with the disk, for people; ``None`` while all is well."""
        self.trouble = Trouble.CLOSED
        """The last trouble."""
        self.closed_to_writes = False
        self.short_of_space = False
        self._last_try: datetime | None = None
        if reserve is not None and not reserve.hold():
            self._fall_short()

    def failed(self, trouble: Trouble, error: Exception) -> None:
        """Note what went wrong."""
        self.trouble = trouble
        self.degraded = f"{trouble.value} ({error})"
        self.closed_to_writes = self.closed_to_writes or not trouble.sure
        self.short_of_space = self.short_of_space or trouble is Trouble.FULL

    def wrote(self) -> None:
        """Note that a commit went through: what only kept it from being tried is over."""
        if not self.short_of_space:
            self.degraded = None

    def use_reserve(self, now: datetime) -> bool:
        """Give the reserve up; False when there is none left."""
        self._last_try = now
        return self._reserve is not None and self._reserve.release()

    def recover_if_due(self, connection: apsw.Connection, now: datetime) -> None:
        """While the disk was full: see now and then whether there is room again."""
        if self.short_of_space and (self._last_try is None or abs(now - self._last_try) >= RECOVERY_INTERVAL):
            self._last_try = now
            self.probe(connection, now)

    def probe(self, connection: apsw.Connection, now: datetime) -> None:
        """Write a little and take the reserve back; when both work, all is well again."""
        if self.closed_to_writes or self.degraded is None:
            return
        if self._reserve is not None and not self._reserve.hold():
            return
        try:
            with transaction(connection):
                connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', ?)", (now.isoformat(),))
        except apsw.Error as error:
            trouble = trouble_of(error)
            if trouble is Trouble.FULL:
                self.use_reserve(now)
            self.failed(trouble, error)
            return
        self.short_of_space = False
        self.degraded = None

    def close(self) -> None:
        """Refuse whatever comes now."""
        self.closed_to_writes = True
        self.trouble = Trouble.CLOSED

    def _fall_short(self) -> None:
        self.trouble = Trouble.FULL
        self.degraded = Trouble.FULL.value
        self.short_of_space = True
