"""What a service's answers say of the time (fault 15): our clock may be off, or theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from providers.seams import ProviderClock


class Dated:
    """The clock of a service by the ``Date`` of its last answer."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None
        """What it said, and when it came, monotonic."""

    def heard(self, headers: Mapping[str, str], clock: ProviderClock) -> None:
        """Take an answer's headers (names in lower case); one that does not tell the time changes nothing."""
        said = _date_of(headers)
        if said is not None:
            self._last = (said, clock.monotonic())

    def off_s(self, clock: ProviderClock) -> float | None:
        """Return by how many seconds the service's clock is ahead of ours; ``None`` before its first ``Date``."""
        if self._last is None:
            return None
        said, at_s = self._last
        return (said - clock.now()).total_seconds() + clock.monotonic() - at_s


def _date_of(headers: Mapping[str, str]) -> datetime | None:
    """Return the time an answer was made, to the middle of its second; ``None`` where it does not say."""
    return _read(headers.get("date", ""))


@lru_cache(maxsize=32)  # many answers come in the same second
def _read(text: str) -> datetime | None:
    try:
        said = parsedate_to_datetime(text)
        return (said if said.tzinfo else said.replace(tzinfo=UTC)) + timedelta(seconds=0.5)
    except (ValueError, TypeError, OverflowError):
        return None
