"""The audit trail: who did what to which thing, accepted or refused, as events on the stream ``audit``.

A trail that cannot be written stops nothing: reads go on, and a change fails by its own append. What was lost is
counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

from actors.journal.interface import ANY, Journal, JournalError, JournalUnavailable
from actors.runtime.world import Clock
from messages.errors import Refusal
from messages.events import Audited
from messages.jobs import Requester
from messages.machines import ProviderKind
from providers.interface import ProviderError

STREAM: Final = "audit"
ACTOR: Final = "StorageActor"
RESOURCE_CHARS_MAX: Final = 200
DETAIL_CHARS_MAX: Final = 300

R = TypeVar("R")
_log = logging.getLogger("lastcall.storage")


def who_of(requester: Requester) -> str:
    """Return how a requester stands in the trail: where from, and which user."""
    return f"{requester.via} {requester.user_id}"


class AuditTrail:
    """Writes one event per accepted or refused operation of a storage actor."""

    def __init__(self, journal: Journal, clock: Clock, provider: ProviderKind) -> None:
        self._journal = journal
        self._clock = clock
        self._provider = provider
        self.lost = 0
        """Events that could not be written."""

    async def record(
        self, who: str, what: str, resource: str, *, code: str | None = None, detail: str = "", success: bool = True
    ) -> None:
        """Append one event. Never raises because of the journal."""
        event = Audited(
            who=who,
            what=what,
            resource=_printable(resource, RESOURCE_CHARS_MAX),
            success=success,
            provider=self._provider,
            code=code,
            detail=_printable(detail, DETAIL_CHARS_MAX),
            at=self._clock.now(),
        )
        try:
            await self._journal.append(STREAM, ANY, [event], actor=ACTOR)
        except JournalError:
            self.lost += 1

    async def judged(self, who: str, what: str, resource: str, operation: Awaitable[R], *, quiet: bool = False) -> R:
        """Await ``operation`` and record how it went; ``quiet`` records refusals only.

        A journal that takes nothing becomes ``Refusal("E-JOURNAL")``, a fault of ours is logged and becomes
        ``Refusal("E-INTERNAL")``; what a provider raises passes through.
        """
        try:
            result = await operation
        except Refusal as refusal:
            await self.record(who, what, resource, code=refusal.code, detail=refusal.detail, success=False)
            raise
        except JournalUnavailable as error:
            await self.record(who, what, resource, code="E-JOURNAL", success=False)
            raise Refusal("E-JOURNAL") from error
        except ProviderError as error:
            await self.record(who, what, resource, detail=type(error).__name__, success=False)
            raise
        except Exception as error:
            # One request that meets a fault of ours must not take the others down with the actor.
            _log.exception("storage_request_failed", extra={"what": what, "who": who})
            await self.record(who, what, resource, code="E-INTERNAL", detail=type(error).__name__, success=False)
            raise Refusal("E-INTERNAL") from error
        if not quiet:
            await self.record(who, what, resource)
        return result


def _printable(text: str, chars_max: int) -> str:
    """Cut ``text`` and replace what a terminal or log might act upon."""
    return "".join(char if char.isprintable() else "?" for char in text[:chars_max])
