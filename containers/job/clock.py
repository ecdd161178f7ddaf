"""Time: the wall clock for deadlines, a clock that counts suspend for spans, and RFC 3339 text."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)"
)  # Python 3.9 reads neither "Z" nor fractions of any length by itself


class Clock:
    """The real clocks; tests hand in their own."""

    def wall(self) -> float:
        """Return seconds since 1970, UTC."""
        return time.time()

    def boot(self) -> float:
        """Return seconds that only go forward and count suspend (Linux ``CLOCK_BOOTTIME``)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def instant(epoch_s: float) -> str:
    """Write a time as RFC 3339 UTC with microseconds."""
    return datetime.fromtimestamp(epoch_s, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def epoch(text: str) -> float:
    """Read an RFC 3339 time with its zone; raises ``ValueError`` on anything else."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not an RFC 3339 time with a zone")
    *numbers, fraction, zone = found.groups()
    year, month, day, hour, minute, second = (int(n) for n in numbers)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    if zone not in "Zz":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        moment += -offset if zone[0] == "+" else offset
    return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
