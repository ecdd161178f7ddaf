"""The base of everything that is said: frozen, closed models, and the three classes of message.

A message is validated where bytes come in (socket, file, journal) and the same frozen instance then travels on:
nothing is validated a second time inside the process.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

Lane = Literal["control", "observation", "request"]

R = TypeVar("R")


def as_utc(value: datetime) -> datetime:
    """Return ``value`` in UTC; a naive time is refused, because nobody can know what it meant."""
    if value.tzinfo is None:
        raise ValueError("a time needs a zone, for example 2026-11-23T14:03:00Z")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(as_utc)]
"""A point in time, always UTC. Stored as microseconds, written as RFC 3339."""


def seconds(value: float) -> timedelta:
    """Return a span of ``value`` seconds."""
    return timedelta(seconds=value)


class Record(BaseModel):
    """A frozen value without identity: part of a message, an event or a document."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="float")


class Message(Record):
    """Something one actor says to another. ``lane`` decides what a full mailbox does with it."""

    lane: ClassVar[Lane] = "request"


class Control(Message):
    """Stop, deadline, effect result: has reserved slots in every mailbox and is never dropped."""

    lane: ClassVar[Lane] = "control"


class Observation(Message):
    """What was seen of the world. One slot per ``slot`` and mailbox: the latest wins."""

    lane: ClassVar[Lane] = "observation"

    @property
    def slot(self) -> str:
        """The coalescing slot; by default one per class."""
        return type(self).__name__


class Request(Message, Generic[R]):
    """A question whose answer has type ``R``: ``reply: R = await ref.ask(question, timeout_s=…)``.

    Refused with ``Busy`` when the mailbox is full.
    """

    lane: ClassVar[Lane] = "request"
