"""The account's call quota, learnt from the answers' headers, and who may use what is left of it. Pure.

RunPod counts calls per user in windows of a minute, an hour and a day, and says in every answer what is left
(fact sheet 0). Every priority leaves a share of each window to those above it; a terminate always goes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from providers.gate import Priority
from providers.runpod.settings import QuotaShares

WINDOWS_MAX = 8
"""Windows remembered; RunPod names three."""
RETRY_AFTER_MAX_S = 86_400.0
RETRY_AFTER_DEFAULT_S = 5.0
"""For a 429 that does not say when."""
PROBE_S = 60.0
"""So long after the last call one goes out whatever was said: a window of a day may have been lifted meanwhile."""

_POLICY = re.compile(r'"(?P<name>[^"]{1,32})"\s*;\s*q=(?P<q>[0-9]{1,12})\s*;\s*w=(?P<w>[0-9]{1,9})')
_LEFT = re.compile(r'"(?P<name>[^"]{1,32})"\s*;\s*r=(?P<r>[0-9]{1,12})\s*;\s*t=(?P<t>[0-9]{1,9})')


@dataclass(slots=True)
class _Window:
    quota: int
    span_s: float
    left: int
    resets_at: float


class Quota:
    """One account's windows. ``now`` is monotonic seconds."""

    def __init__(self, shares: QuotaShares | None = None) -> None:
        shares = shares or QuotaShares()
        self._share = {
            Priority.TERMINATE: 0.0,
            Priority.LIST: shares.listing,
            Priority.PROOF: max(shares.proof, shares.listing),
            Priority.REST: max(shares.rest, shares.proof, shares.listing),
        }
        self._lists_per_s = 0.0
        self._windows: dict[str, _Window] = {}
        self._policy: dict[str, tuple[int, float]] = {}
        self._parked_until: dict[Priority, float] = {}
        self._last_sent: float | None = None

    def wait_s(self, priority: Priority, now: float) -> float:
        """Return 0 when a call of this priority may go out now, else the seconds until it may."""
        if priority is Priority.TERMINATE or self._last_sent is None:
            return 0.0
        wait = max(0.0, self._parked_until.get(priority, now) - now)
        for window in self._windows.values():
            if now < window.resets_at and window.left <= self._kept(window, priority, window.resets_at - now):
                wait = max(wait, window.resets_at - now)
        return min(wait, max(0.0, self._last_sent + PROBE_S - now))

    def left(self, priority: Priority, now: float) -> int | None:
        """Return how many calls of this priority could go out now, or ``None`` while no window is known."""
        if self.wait_s(priority, now) > 0:
            return 0
        found: list[float] = []
        for window in self._windows.values():
            begun = now < window.resets_at
            calls, span_s = (window.left, window.resets_at - now) if begun else (window.quota, window.span_s)
            found.append(calls - self._kept(window, priority, span_s))
        return max(1, math.ceil(min(found))) if found else None

    def needs_for_lists(self, calls_per_s: float) -> None:
        """Say how many calls a second listings need: proofs and the rest leave them that until a window begins anew."""
        self._lists_per_s = max(0.0, calls_per_s)

    def _kept(self, window: _Window, priority: Priority, span_s: float) -> float:
        """Return how many calls of a window are for more important ones while it lasts another ``span_s``."""
        kept = window.quota * self._share[priority]
        if priority > Priority.LIST:
            lists = self._lists_per_s * span_s
            kept = max(kept, min(window.quota / 2, window.quota * self._share[Priority.LIST] + lists))
        return kept

    def sent(self, now: float) -> None:
        """Count a call that goes out, so that those in flight are not forgotten until their answers come."""
        self._last_sent = now
        for window in self._windows.values():
            if now >= window.resets_at:
                window.left, window.resets_at = window.quota, now + window.span_s
            window.left = max(0, window.left - 1)

    def answered(self, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer's headers (names in lower case); what cannot be read changes nothing.

        Any answer but a 429 (``refused``) means that there is quota again.
        """
        self._parked_until.clear()
        self._policy.update(_policies(headers.get("ratelimit-policy", "")[:2000]))
        for found in _LEFT.finditer(headers.get("ratelimit", "")[:2000]):
            policy = self._policy.get(found["name"])
            if policy is None or (found["name"] not in self._windows and len(self._windows) >= WINDOWS_MAX):
                continue
            quota, span_s = policy
            resets_at = now + min(float(found["t"]), span_s)
            self._windows[found["name"]] = _Window(quota, span_s, min(int(found["r"]), quota), resets_at)
        while len(self._policy) > WINDOWS_MAX:
            self._policy.pop(next(iter(self._policy)))

    def refused(self, priority: Priority, retry_after_s: float, now: float) -> None:
        """Hold back calls of this priority and below after a 429; what is more important still has its share."""
        until = now + min(max(0.0, retry_after_s), RETRY_AFTER_MAX_S)
        for each in Priority:
            if each >= max(priority, Priority.LIST):
                self._parked_until[each] = max(self._parked_until.get(each, 0.0), until)

    def lowest_rate(self) -> float | None:
        """Return the calls a second that the tightest window allows on average, or ``None`` while none is known."""
        rates = [quota / span_s for quota, span_s in self._policy.values()]
        return min(rates, default=None)


@lru_cache(maxsize=8)  # every answer says the same
def _policies(text: str) -> tuple[tuple[str, tuple[int, float]], ...]:
    """Return each window's calls and seconds."""
    found = ((one["name"], int(one["q"]), int(one["w"])) for one in _POLICY.finditer(text))
    return tuple((name, (calls, float(span_s))) for name, calls, span_s in found if calls and span_s)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return what ``Retry-After`` says in whole seconds, bounded; a date or nonsense counts as not said."""
    text = headers.get("retry-after", "").strip()
    return min(float(text), RETRY_AFTER_MAX_S) if text.isascii() and text.isdecimal() else RETRY_AFTER_DEFAULT_S
