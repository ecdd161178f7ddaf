"""The journal's interface: ``append``, ``read``, ``follow``, ``query``.

An append is atomic for one stream. The fence is the expected version: who decided from an older state is told
``WrongVersion`` and decides again. Nothing may need two streams at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import Enum
from typing import Any, NamedTuple, NewType, Protocol

from messages.base import Instant
from messages.events import Event

Version = NewType("Version", int)
"""How many events a stream has. Opaque: compare for equality and hand back."""

Position = NewType("Position", int)
"""A place in the whole journal. Opaque and ordered."""

START = Position(0)
"""Before the first event."""


class Expected(Enum):
    """Expectations other than an exact version."""

    NEW = "new"
    """The stream must not exist."""
    ANY = "any"
    """For observations: what was seen is true whatever was decided meanwhile."""


NEW = Expected.NEW
ANY = Expected.ANY


class Recorded(NamedTuple):
    """An event as it stands in the journal."""

    event: Event
    event_id: str
    stream: str
    version: Version
    position: Position
    at: Instant
    cause: str | None
    """The command that led to it."""
    actor: str


class Appended(NamedTuple):
    """Where an append ended."""

    version: Version
    position: Position


class JournalError(Exception):
    """Root of what the journal raises."""


class WrongVersion(JournalError):
    """The stream has moved on: read it, decide again."""

    def __init__(self, stream: str, expected: object, found: int) -> None:
        super().__init__(f"stream {stream}: expected {expected}, found version {found}")
        self.found = Version(found)


class JournalUnavailable(JournalError):
    """The disk did not take it (full, read-only, failing sync): nothing was appended, launch nothing new."""


class JournalUnsure(JournalUnavailable):
    """A sync or write failed in the middle: the journal takes nothing more until it is opened again.

    What was being appended may or may not be there then: whole, never half.
    """


class JournalRefused(JournalError):
    """The journal on disk cannot be used: unknown event or schema, damaged, another installation's."""


class Journal(Protocol):
    """One journal; safe to share by every actor of a node."""

    async def append(
        self,
        stream: str,
        expected: Version | Expected,
        events: Sequence[Event],
        *,
        actor: str,
        cause: str | None = None,
    ) -> Appended:
        """Append one or more events to one stream, durable when this returns.

        Raises WrongVersion, JournalUnavailable.
        """
        ...

    async def read(self, stream: str, after: Version = Version(0)) -> list[Recorded]:
        """Return the stream's events after ``after``; an unknown stream is empty."""
        ...

    async def streams(self, prefix: str) -> list[str]:
        """Return the names of all streams that begin with ``prefix``, ordered."""
        ...

    def follow(self, after: Position) -> AsyncIterator[Recorded]:
        """Yield every event after ``after`` in order, then wait for more; a slow reader reads from disk."""
        ...

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read from the read models, on a connection that cannot write."""
        ...

    async def close(self) -> None:
        """Finish what waits and let go of the file."""
        ...
