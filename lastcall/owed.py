"""What a setup spends: it has no books, so it leaves a note in the state directory, which the daemon books and drops.

A note is on the disk before the money is spent, at the most that it can be, and may be written anew once it is known.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from actors.ledger.requests import Charge
from actors.runtime.actor import Ref
from actors.runtime.world import Clock
from messages.base import Record
from messages.ids import UserId
from messages.money import Usd

FOLDER: Final = "owed"
SUFFIX: Final = ".json"
ASK_S: Final = 60.0
EVERY_S: Final = 3_600.0
"""How often the daemon looks: a setup may run beside it."""


class Owed(Record):
    """Something that a setup pays for."""

    provider: str
    what: str
    """In words, one line."""
    amount_usd: Usd
    """At most, until it is known."""
    at: datetime


class Note(NamedTuple):
    """A note and its name, by which it is booked once."""

    name: str
    owed: Owed


class OwedNotes:
    """The notes of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    def leave(self, name: str, owed: Owed) -> None:
        """Write a note, or write it anew; it is on the disk when this returns. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f"{name}.new"
        with fresh.open("w", encoding="utf-8") as file:
            file.write(owed.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path(name))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def drop(self, name: str) -> None:
        """Take a note away; one that is gone is gone. Raises OSError."""
        self._path(name).unlink(missing_ok=True)

    def all(self) -> list[Note]:
        """Return every note that can be read, ordered by name. Raises OSError."""
        found = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                found.append(Note(path.stem, Owed.model_validate_json(path.read_bytes())))
            except ValidationError:
                continue  # somebody else's; it stays
        return found

    async def book(self, ledger: Ref[Any], owner: UserId) -> int:
        """Have every note booked to ``owner``, whatever the budgets say, and drop it; return how many there were.

        Raises OSError and what the ledger raises: the note is booked at the next look then, once.
        """
        notes = self.all()
        for name, owed in notes:
            charge = Charge(
                user_id=owner,
                provider=owed.provider,
                what=owed.what,
                amount_usd=owed.amount_usd,
                source=f"setup:{name}",
                is_spent=True,
            )
            await ledger.ask(charge, ASK_S)
            self.drop(name)
        return len(notes)

    async def run(self, ledger: Ref[Any], owner: UserId, clock: Clock, log: Callable[..., Any]) -> None:
        """Book for ever. Whatever goes wrong ends one look, never the looking."""
        while True:
            try:
                if booked := await self.book(ledger, owner):
                    log("setups_booked", count=booked)
            except Exception as error:
                log("setups_not_booked", error=str(error) or repr(error))
            await clock.sleep(EVERY_S)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"
