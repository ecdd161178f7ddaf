"""Commands: accepted once, for ever. The stream ``command/<id>`` holds the digest and the answer.

The same id and body get the stored answer; the same id with another body is refused. Accepting comes first and
holds everything that is to be done, so that a crash right after it loses nothing: what was accepted and not done is
done at the next start.
"""

from __future__ import annotations

import hashlib
import json

from actors.journal.interface import NEW, Journal, WrongVersion
from messages.base import Record
from messages.errors import Refusal
from messages.events import CommandAccepted
from messages.ids import CommandId


def digest(name: str, body: Record) -> str:
    """Return the SHA-256 of a command's canonical body."""
    canonical = json.dumps([name, body.model_dump(mode="json")], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def answered(journal: Journal, command_id: CommandId, asked: str) -> CommandAccepted | None:
    """Return the earlier acceptance of this command, or ``None``. Raises ``Refusal`` E-IDEMPOTENCY on another body."""
    for recorded in await journal.read(f"command/{command_id}"):
        if isinstance(recorded.event, CommandAccepted):
            if recorded.event.digest != asked:
                raise Refusal("E-IDEMPOTENCY", "The same key came with another body.")
            return recorded.event
    return None


async def accept(journal: Journal, accepted: CommandAccepted) -> CommandAccepted:
    """Append the acceptance; of two at the same time the first one's counts for both."""
    stream = f"command/{accepted.command_id}"
    try:
        await journal.append(stream, NEW, [accepted], actor="Dispatcher", cause=accepted.command_id)
    except WrongVersion:
        earlier = await answered(journal, accepted.command_id, accepted.digest)
        return earlier or accepted
    return accepted
