"""Checks of the daemon: that it answers, how its actors are, and what it says of machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lastcall import __version__
from lastcall.doctor.findings import Finding, Room, Unanswered
from messages.errors import error

WAITING_S: Final = 30.0
"""A message that has waited so long means an actor that hangs."""
DEPTH: Final = 500
"""Messages waiting for one actor that are more than a burst."""
START = "start it: lastcall daemon"


async def daemon(room: Room) -> Sequence[Finding]:
    """Whether it answers; leaves its view in the room."""
    try:
        room.status = room.ask_daemon("/v1/status")
    except Unanswered as error:
        room.hangs = True
        return [Finding("daemon", "fail", str(error), "look into its log; restart it: machines keep running")]
    if room.status is None:
        where = room.places.socket if room.places is not None else "its socket"
        return [Finding("daemon", "warn", f"not running: nobody answers at {where}", START)]
    version = room.status["version"]
    if version != __version__:
        detail = f"version {version} runs, this command is {__version__}"
        return [Finding("daemon", "warn", detail, "restart the daemon: machines keep running")]
    return [Finding("daemon", "ok", f"answers, version {version}")]


async def safe_mode(room: Room) -> Sequence[Finding]:
    """Whether new work is taken, and standing alarms."""
    if room.status is None:
        return []
    found = []
    if room.status["safe_mode"]:
        detail = f"nothing is launched: {room.status['safe_mode']}"
        found.append(Finding("safe mode", "fail", detail, "docs/errors/E-SAFEMODE.md"))
    for alarm in room.status["alarms"]:
        page = error(alarm["code"]).docs if alarm.get("code") else "lastcall status"
        found.append(Finding("alarm", "warn", f"{alarm['alarm']}: {alarm['detail']}", page))
    return found


async def actors(room: Room) -> Sequence[Finding]:
    """Parked actors, and such that do not come forward."""
    if room.status is None:
        return []
    rows: list[Mapping[str, Any]] = room.status["actors"]
    found = [
        Finding("actors", "fail", f"{row['name']} is parked", "restart lastcall daemon")
        for row in rows
        if row["parked"]
    ]
    for row in rows:
        if not row["parked"] and (row["oldest_s"] > WAITING_S or row["depth"] > DEPTH):
            detail = f"{row['name']}: {row['depth']} messages wait, the oldest for {row['oldest_s']:.0f} s"
            found.append(Finding("actors", "warn", detail, "look again in a minute; then restart lastcall daemon"))
    waiting = sum(row["depth"] for row in rows)
    return found or [Finding("actors", "ok", f"{len(rows)} kinds well, {waiting} messages wait")]


async def machines(room: Room) -> Sequence[Finding]:
    """What the provider lists, against what the journal knows."""
    if room.status is None:
        return []
    try:
        document = room.ask_daemon("/v1/machines")
    except Unanswered as error:
        return [Finding("machines", "fail", str(error), "lastcall machines ls")]
    if document is None:
        return [Finding("machines", "warn", "the daemon went away", START)]
    if not document["complete"]:
        detail = "the provider's listing is not complete: there may be more machines"
        return [Finding("machines", "warn", detail, "lastcall machines ls")]
    orphans = [row["name"] for row in document["machines"] if row["ours"] == "orphan"]
    if orphans:
        return [
            Finding("machines", "fail", f"owned by no open job: {', '.join(orphans)}", "lastcall machines reconcile")
        ]
    return [Finding("machines", "ok", f"{document['running']} running, all owned by open jobs")]
