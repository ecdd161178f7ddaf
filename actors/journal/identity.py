"""Whose journal a file is: the generation it was made for, the place it was made in, and what makes it suspect."""

from __future__ import annotations

from dataclasses import dataclass

import apsw


@dataclass(frozen=True, slots=True)
class Identity:
    """What the journal says of itself. Empty strings while it was never adopted."""

    generation: str = ""
    home: str = ""
    copied: bool = False
    """It is a backup that was put back."""
    lost: str = ""
    """Why its newest events seem to be missing; empty when they are not."""

    @property
    def new(self) -> bool:
        """Whether no installation has adopted it yet."""
        return not self.generation


def read_identity(connection: apsw.Connection) -> Identity:
    """Read it from the journal."""
    found: dict[str, str] = {str(key): str(value) for key, value in connection.execute("SELECT key, value FROM meta")}
    return Identity(
        generation=found.get("generation", ""),
        home=found.get("home", ""),
        copied="copied" in found,
        lost=found.get("lost", ""),
    )


def write_identity(connection: apsw.Connection, identity: Identity) -> None:
    """Write it, inside the caller's transaction."""
    connection.execute("DELETE FROM meta WHERE key IN ('generation', 'home', 'copied', 'lost')")
    values = {"generation": identity.generation, "home": identity.home, "lost": identity.lost}
    if identity.copied:
        values["copied"] = "1"
    for key, value in values.items():
        connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, value))
