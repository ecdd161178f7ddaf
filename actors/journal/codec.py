"""Events as they are stored: a kind, the number of its shape, and a JSON body.

Bodies are written and read by pydantic under the aliases of the models, so that what comes back is equal to what
went in. Nothing is upcast yet: a kind or a shape that ``messages.events.EVENTS`` does not hold is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from actors.journal.interface import JournalRefused
from messages.events import EVENTS, Event

Encoded = tuple[str, int, str]
"""Kind, shape, body: an event, ready to be stored."""


def encode(event: Event) -> Encoded:
    """Write ``event``; raises ``JournalRefused`` for one that could not be read back."""
    kind = event.kind
    if EVENTS.get(kind) is not type(event):
        raise JournalRefused(f"{type(event).__name__} is not in the catalogue of events")
    try:
        # The serializer itself, without model_dump_json around it: half the time of an encode.
        body = event.__pydantic_serializer__.to_json(event, by_alias=True)
    except PydanticSerializationError as error:
        raise JournalRefused(f"an event {kind} cannot be written as JSON: {error}") from error
    return kind, event.schema_version, body.decode()


def decode(kind: str, schema: int, body: str) -> Event:
    """Read an event back; raises ``JournalRefused`` when this version of Lastcall does not know its shape."""
    cls = EVENTS.get(kind)
    if cls is None or cls.schema_version != schema:
        raise JournalRefused(unknown(kind, schema))
    try:
        return cast(Event, cls.__pydantic_validator__.validate_json(body))
    except ValidationError as error:
        raise JournalRefused(f"the journal holds an event {kind} that does not fit its shape: {error}") from error


def unknown(kind: str, schema: int) -> str:
    """Say which event is not known."""
    return f"the journal holds an event {kind!r} of shape {schema}, which this version does not know; use a newer one"


def check_known(kinds: Iterable[tuple[str, int]], events: Mapping[str, type[Event]] = EVENTS) -> None:
    """Raise ``JournalRefused`` when one of ``kinds`` (kind, shape) is not in the catalogue ``events``."""
    for kind, schema in kinds:
        cls = events.get(kind)
        if cls is None or cls.schema_version != schema:
            raise JournalRefused(unknown(kind, schema))
