"""One append on its way to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from actors.journal.codec import Encoded, encode
from actors.journal.interface import ANY, NEW, Appended, Expected, Version
from messages.events import Event

STARTING_KINDS = frozenset({"job.queued", "job.launch_intended", "ledger.reserved", "dataset.added", "prediction.made"})
"""Kinds that begin something: refused while the disk is full, so that the reserve is left to the ends."""


class Append:
    """Encoded events for one stream, what its version must be, and the future of the answer."""

    __slots__ = ("actor", "bodies", "cause", "events", "expected", "future", "stream")

    def __init__(
        self,
        stream: str,
        expected: Version | Expected,
        events: Sequence[Event],
        cause: str | None,
        actor: str,
        future: asyncio.Future[Appended],
    ) -> None:
        self.stream = stream
        self.expected = expected
        self.events = events
        self.bodies: Sequence[Encoded] = (encode(events[0]),) if len(events) == 1 else [encode(e) for e in events]
        self.cause = cause
        self.actor = actor
        self.future = future

    def fits(self, version: int) -> bool:
        """Whether the stream may have this version."""
        expected = self.expected
        return expected is ANY or version == (0 if expected is NEW else expected)

    @property
    def starts_something(self) -> bool:
        """Whether one of its events begins something new."""
        return not STARTING_KINDS.isdisjoint(event.kind for event in self.events)
