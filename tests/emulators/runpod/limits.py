"""Quotas per account and window, told in ``RateLimit`` headers and enforced by 429 (fact sheet 0)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tests.emulators.runpod.problems import Problem

WINDOWS = {"minute": 60, "hour": 3600, "day": 86_400}
"""Seconds each lasts; windows begin on the clock."""


class Quotas:
    """What each account has used of its windows."""

    def __init__(self, quotas: Mapping[str, int]) -> None:
        self._quotas = {name: quotas[name] for name in WINDOWS if name in quotas}
        self._used: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, account: str, now: float, exhausted: Collection[str]) -> dict[str, str]:
        """Count one call and return its headers. Raises Problem 429 when a window is used up, or in ``exhausted``.

        An exempt account (no quotas) gets no headers.
        """
        spent = [
            name
            for name in WINDOWS
            if name in exhausted or (name in self._quotas and self._left(account, name, now, exhausted) <= 0)
        ]
        if not spent:
            for name in self._quotas:
                number, used = self._window(account, name, now)
                self._used[account, name] = (number, used + 1)
        headers = self._headers(account, now, exhausted)
        if spent:
            wait = max(self._resets(name, now) for name in spent)
            raise Problem(
                429,
                f"rate limit exceeded for the {spent[-1]} window",
                headers={**headers, "retry-after": str(wait)},
            )
        return headers

    def _window(self, account: str, name: str, now: float) -> tuple[int, int]:
        number = int(now // WINDOWS[name])
        before, used = self._used.get((account, name), (number, 0))
        return number, used if before == number else 0

    def _left(self, account: str, name: str, now: float, exhausted: Collection[str]) -> int:
        return 0 if name in exhausted else self._quotas[name] - self._window(account, name, now)[1]

    def _resets(self, name: str, now: float) -> int:
        return int((now // WINDOWS[name] + 1) * WINDOWS[name] - now) + 1

    def _headers(self, account: str, now: float, exhausted: Collection[str]) -> dict[str, str]:
        if not self._quotas:
            return {}
        left = [
            f'"{name}";r={max(0, self._left(account, name, now, exhausted))};t={self._resets(name, now)}'
            for name in self._quotas
        ]
        policy = [f'"{name}";q={quota};w={WINDOWS[name]}' for name, quota in self._quotas.items()]
        return {"ratelimit": ", ".join(left), "ratelimit-policy": ", ".join(policy)}
