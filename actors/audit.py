"""The audit: every accepted or refused operation as an event (who, what, resource, success, provider)."""

from __future__ import annotations

from actors.journal.interface import ANY, Journal
from actors.runtime.world import Clock
from messages import events as ev

STREAM = "audit"


async def audited(
    journal: Journal,
    clock: Clock,
    *,
    who: str,
    what: str,
    resource: str,
    success: bool,
    provider: str,
    actor: str,
    code: str | None = None,
    detail: str = "",
) -> None:
    """Append one audit event. Raises JournalUnavailable."""
    event = ev.Audited(
        who=who,
        what=what,
        resource=resource[:200],
        success=success,
        provider=provider,
        code=code,
        detail=detail[:500],
        at=clock.now(),
    )
    await journal.append(STREAM, ANY, [event], actor=actor)
