"""One append on its way to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from actors.journal.codec import Encoded, encode
from actors.journal.interface import NEW, Appended, Expected, Version
from messages.events import Event

STARTING_KINDS = frozenset({"job.queued", "job.launch_intended", "ledger.reserved", "dataset.added", "prediction.made"})
"""Kinds that begin something: refused while the disk is full, so that the reserve is left to the ends."""


class Append:
    """Encoded events for one stream, what its version must be, and the future of the answer."""

    __slots__ = ("actor", "at", "cause", "events", "expected", "future", "starts_something", "stream", "version")

    def __init__(
        self,
        stream: str,
        expected: Version | Expected,
        events: Sequence[Event],
        *,
        at: int,
        cause: str | None,
        actor: str,
        future: asyncio.Future[Appended],
    ) -> None:
        self.stream = stream
        self.expected = expected
        self.version: int | None = (0 if expected is NEW else None) if isinstance(expected, Expected) else expected
        """The version the stream must have; ``None`` for any."""
        self.events: list[tuple[Event, Encoded]] = [(event, encode(event)) for event in events]
        self.starts_something = not STARTING_KINDS.isdisjoint([event.kind for event in events])
        self.at = at
        self.cause = cause
        self.actor = actor
        self.future = future
