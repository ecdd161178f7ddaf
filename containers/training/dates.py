"""What a cell says as a date. The one rule that inspection, training and prediction share; standard library only.

A column is one of dates when every cell that is not missing is a date in one of the ``WAYS``, with or without a time:

* ``iso``: ``2026-11-26``, ``2026/11/26``, ``2026-11-26T18:30:00+01:00`` and whatever else ISO 8601 allows;
* ``day-first``: ``26/11/2026``, ``26.11.26 18:30``;
* ``month-first``: ``11/26/2026 6:30 PM``.

A column in which every day is at most 12 can be read both ways; then the file's other columns tell, else what the model
learnt from, else the day comes first and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

ISO = "iso"
DAY_FIRST = "day-first"
MONTH_FIRST = "month-first"
WAYS = (ISO, DAY_FIRST, MONTH_FIRST)

CENTURY_FROM = 69
"""Two digits from here on are of the 1900s, as POSIX has it (strptime, ``%y``)."""

_CLOCK = (
    r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?(?: ?(?P<zone>Z|[+-]\d{2}:?\d{2}))?)?"
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<b>\d{1,2})(?P=mark)(?P<c>\d{1,2})" + _CLOCK, re.ASCII)
_YEAR_LAST = re.compile(
    r"(?P<b>\d{1,2})(?P<mark>[-/.])(?P<c>\d{1,2})(?P=mark)(?P<year>\d{4}|(?<=[/.])\d{2})" + _CLOCK, re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST, _GREATEST = -62_135_510_400, 253_402_214_400
"""A day after the first and before the last that there is a date for: zones move dates by less."""


def seconds(cell: str, way: str) -> int | None:
    """Return a cell's time as whole seconds since 1970 (UTC where it names no zone), or ``None`` if it is none."""
    text = cell.strip()
    if way == ISO:
        return _iso(text)
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 1900 if year >= CENTURY_FROM else 2000
    first, second = int(found["b"]), int(found["c"])
    day, month = (first, second) if way == DAY_FIRST else (second, first)
    return _since(year, month, day, found)


def _iso(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        found = _YEAR_FIRST.fullmatch(text)
        return _since(int(found["year"]), int(found["b"]), int(found["c"]), found) if found else None
    return _kept(_whole(when if when.tzinfo else when.replace(tzinfo=UTC)))


def _since(year: int, month: int, day: int, found: re.Match[str]) -> int | None:
    hour = int(found["hour"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    try:
        when = datetime(year, month, day, hour, int(found["minute"] or 0), int(found["second"] or 0), tzinfo=UTC)
    except ValueError:
        return None
    return _kept(_whole(when) - _offset(found["zone"]))


def _kept(since: int) -> int | None:
    return since if _LEAST <= since <= _GREATEST else None


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    size = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -size if zone[0] == "-" else size


def _whole(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(seconds=1)


def all_seconds(cells: Iterable[str], way: str) -> list[int] | None:
    """Return ``seconds`` of each of these cells, or ``None`` when one of them is no date."""
    found: list[int] = []
    for cell in cells:
        since = seconds(cell, way)
        if since is None:
            return None
        found.append(since)
    return found


def text(since: int) -> str:
    """Return seconds since 1970 as ISO 8601, without the time where it is midnight."""
    when = _EPOCH + timedelta(seconds=since)
    return when.date().isoformat() if since % 86_400 == 0 else when.replace(tzinfo=None).isoformat(sep=" ")
