"""What goes wrong between a sender and a mailbox, each with the registered code a user may read.

All of them are refusals: raised while an actor serves an ask they are its answer, not its failure.
"""

from __future__ import annotations

from typing import ClassVar

from messages.errors import Refusal


class ActorError(Refusal):
    """Root of what sending and asking raise; ``actor`` is the name of the actor spoken to."""

    registered: ClassVar[str] = "E-INTERNAL"

    def __init__(self, actor: str, detail: str) -> None:
        self.actor = actor
        super().__init__(self.registered, f"{actor}: {detail}")


class Busy(ActorError):
    """A bound is reached: the message was not taken. Try again later or wait with ``send``."""

    registered = "E-BUSY"


class AskTimeout(ActorError):
    """No answer in time. The request may still be handled: it stays in the mailbox."""

    registered = "E-BUSY"


class ActorStopped(ActorError):
    """The actor is stopping or has stopped; the request was not, or not wholly, handled."""

    registered = "E-DRAINING"


class ActorRestarted(ActorError):
    """The actor failed while a deferred reply was being worked on; that work was cancelled."""


class ActorParked(ActorError):
    """The actor failed past its restart limit and takes nothing any more."""


class ActorStuck(ActorError):
    """The actor did not end although it was cancelled: its code swallows cancellation. Reported, never awaited."""
