"""What instances said, as CloudWatch keeps it: one stream for each machine, read on from a token.

CloudWatch's forward token names the place behind the last line that was given: asking with it again gives nothing
twice, and the same token comes back once there is nothing more ("GetLogEvents"). So a position is the token, and how
many lines of the page behind it were told already.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from providers.aws.client import Call, Client
from providers.interface import KeptLine, NotFound, Refused, Unavailable

PAGE_BYTES_MAX: Final = 4 << 20
LINES_A_PAGE: Final = 1000
LINE_CHARS_MAX: Final = 16_384
_WHAT: Final = "for a machine's log"


class _Page(NamedTuple):
    lines: list[tuple[datetime, str]]
    onward: str | None
    """Token of the place behind the last line."""


async def kept_lines(client: Client, machine: str, position: str = "") -> AsyncIterator[KeptLine]:
    """Yield a machine's lines behind ``position``. Raises Refused or Unavailable; a stream there is not has none.

    Only this page and not the one behind it is repeated after a break, from the line that comes next.
    """
    told, token = _read(position)
    while True:
        page = await _page(client, machine, token)
        if page is None:
            return
        lines, onward = page
        for number, line in enumerate(lines, 1):
            if number > told:
                last = number == len(lines) and onward is not None
                yield KeptLine(f"0 {onward}" if last else f"{number} {token or ''}", *line)
        if onward is None or onward == token:
            return
        told, token = 0, onward


async def _page(
    client: Client, machine: str, token: str | None
) -> tuple[list[tuple[datetime, str]], str | None] | None:
    asked: dict[str, object] = {
        "logGroupName": client.settings.log_group,
        "logStreamName": machine,
        "startFromHead": True,
        "limit": LINES_A_PAGE,
    }
    if token is not None:
        asked["nextToken"] = token
    call = Call("logs", "GetLogEvents", asked, reply_bytes_max=PAGE_BYTES_MAX)
    try:
        said = await client.read(call, _WHAT)
    except NotFound:
        return None
    events = said.get("events")
    if not isinstance(events, list):
        raise Unavailable(f"AWS's answer when asked {_WHAT} could not be read")
    onward = said.get("nextForwardToken")
    return _Page([_line(event) for event in events], onward if isinstance(onward, str) and onward else None)


def _line(event: Any) -> tuple[datetime, str]:
    value = event if isinstance(event, dict) else {}
    at, message = value.get("timestamp"), value.get("message")
    try:
        when = datetime.fromtimestamp(int(at) / 1000, UTC) if at is not None else datetime.fromtimestamp(0, UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        when = datetime.fromtimestamp(0, UTC)
    return when, message[:LINE_CHARS_MAX] if isinstance(message, str) else ""


def _read(position: str) -> tuple[int, str | None]:
    told, _, token = position.partition(" ")
    if not position:
        return 0, None
    if not told.isascii() or not told.isdecimal():
        raise Refused("that is no position in a log")
    return int(told), token or None
