"""Refusals are audited at a bounded rate: a flood of them must not become a flood of events."""

from __future__ import annotations

import logging

from actors.admin.services import Audit
from actors.runtime.world import Clock

_log = logging.getLogger("lastcall.admin")


class RefusalAudit:
    """A token bucket before ``audit``. What it holds back is counted and told with the next one that passes."""

    def __init__(self, audit: Audit, clock: Clock, *, per_s: float, burst: int) -> None:
        self._audit = audit
        self._clock = clock
        self._per_s = per_s
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = clock.monotonic()
        self.held_back = 0
        """Refusals not audited one by one since the last that was."""

    async def refused(self, who: str, what: str, resource: str, code: str, detail: str) -> None:
        """Record one refusal. Never raises: an audit that fails is logged, the answer still goes out."""
        if not self._take():
            self.held_back += 1
            return
        held, self.held_back = self.held_back, 0
        note = f"{detail} (and {held} more refusals before it)" if held else detail
        try:
            await self._audit(who, what, resource, False, code, note)
        except Exception:
            _log.exception("audit_failed", extra={"what": what, "code": code})

    def _take(self) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
