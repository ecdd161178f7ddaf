"""A cloud's own books, in words that an auditor of any cloud understands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Lived:
    """What one machine's life was, judged from outside any client; times in seconds since 1970."""

    id: str
    name: str
    foreign: bool
    """Somebody else's."""
    asked_at: float
    """When the create call came in."""
    exists_from: float | None
    """When it came into being; ``None`` while it is still to come."""
    visible_at: float | None
    """From when on lists show it."""
    ended_at: float | None
    """When it stopped billing; ``None`` while it bills or will."""
    ended_by_us: bool
    """By a call with the account's key."""
    how: str
    """What ended it, for people."""
    was_started: bool
    """Something of ours began to run on it."""
    bills_from: float | None = None
    """When the machine itself began to bill; ``None`` where it never did."""
    paused: bool = False
    """It was stopped once without being ended."""
