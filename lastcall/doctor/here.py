"""Checks of this computer: Python and its libraries, configuration, state directory, journal."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import quote

from actors.journal.interface import JournalRefused
from actors.journal.schema import check_sqlite
from lastcall import paths
from lastcall.cli.text import size
from lastcall.config.load import load
from lastcall.config.problems import ConfigError
from lastcall.doctor.findings import Finding, Room
from messages.errors import Refusal

PYTHON_MIN: Final = (3, 11)
CORE: Final = ("aiohttp", "apsw", "click", "prometheus-client", "pydantic", "rich", "structlog")
TRAINING: Final = ("numpy", "pandas", "scikit-learn", "skops", "threadpoolctl")
DISK_FAIL_BYTES: Final = 256 << 20
"""With less the journal is close to refusing what begins."""
DISK_WARN_BYTES: Final = 2 << 30
"""With less a large upload does not fit."""
OTHERS: Final = 0o077
JOURNAL: Final = "journal.sqlite"
CHECKED_BYTES_MAX: Final = 1 << 30
"""A larger journal is opened, and not read through."""


async def python(_: Room) -> Sequence[Finding]:
    """The interpreter and the libraries."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    found = []
    if sys.version_info >= PYTHON_MIN:
        found.append(Finding("python", "ok", f"Python {version}"))
    else:
        found.append(Finding("python", "fail", f"Python {version}; 3.11 or newer is needed", "install a newer Python"))
    core, training = _missing(CORE), _missing(TRAINING)
    if core:
        found.append(Finding("libraries", "fail", f"missing: {', '.join(core)}", "install lastcall again"))
    elif training:
        detail = f"missing for trainings and predictions on this computer: {', '.join(training)}"
        found.append(Finding("libraries", "warn", detail, "install lastcall[train]"))
    else:
        found.append(Finding("libraries", "ok", "all there"))
    return found


async def sqlite(_: Room) -> Sequence[Finding]:
    """The SQLite that the journal uses."""
    try:
        check_sqlite()
    except JournalRefused as error:
        return [Finding("SQLite", "fail", str(error), "install a newer apsw")]
    return [Finding("SQLite", "ok", f"as the journal needs it (apsw {metadata.version('apsw')})")]


async def configuration(room: Room) -> Sequence[Finding]:
    """Every setting, from every place; leaves it in the room."""
    flags = {key: value for key, value in (("host", room.host), ("state_dir", room.state_dir)) if value}
    try:
        room.places = paths.find(
            room.environ, room.working_directory, state_dir=room.state_dir, host=room.host, config=room.config
        )
        room.loaded = load(room.environ, room.working_directory, flags=flags, config=room.config)
    except ConfigError as error:
        return [Finding("configuration", "fail", line, "lastcall config check") for line in error.lines]
    except Refusal as error:
        return [Finding("configuration", "fail", str(error), "lastcall config check")]
    found = [Finding("configuration", "warn", line, "see the line itself") for line in room.loaded.warnings]
    names = ", ".join(str(path) for path in room.loaded.files) or "defaults and environment only"
    return [Finding("configuration", "ok", f"provider {room.loaded.settings.provider}; {names}"), *found]


async def state(room: Room) -> Sequence[Finding]:
    """The state directory and the room on its disk."""
    if room.places is None:
        return []
    directory = room.places.state_dir
    if not directory.exists():
        return [Finding("state", "ok", f"{directory} will be made at the first start")]
    found = []
    try:
        mode, free = directory.stat().st_mode, shutil.disk_usage(directory).free
    except OSError as error:
        return [Finding("state", "fail", f"{directory}: {error.strerror}", "check its owner and the disk")]
    if mode & OTHERS:
        found.append(Finding("state", "warn", f"others can look into {directory}", f"chmod 700 {directory}"))
    if free < DISK_FAIL_BYTES:
        found.append(Finding("disk", "fail", f"{size(free)} free for {directory}", "make room on that disk"))
    elif free < DISK_WARN_BYTES:
        found.append(Finding("disk", "warn", f"{size(free)} free for {directory}", "make room on that disk soon"))
    else:
        found.append(Finding("disk", "ok", f"{size(free)} free"))
    return found if mode & OTHERS else [Finding("state", "ok", str(directory)), *found]


async def journal(room: Room) -> Sequence[Finding]:
    """The journal: as the daemon sees it, or read only where none runs."""
    if room.status is not None:
        said = [alarm["detail"] for alarm in room.status["alarms"] if "journal" in alarm["alarm"]]
        if said:
            return [Finding("journal", "fail", said[-1], "make room, or restart lastcall daemon")]
        return [Finding("journal", "ok", "written by the daemon")]
    if room.places is None:
        return []
    path = room.places.state_dir / JOURNAL
    if not path.exists():
        return [Finding("journal", "ok", "there is none yet")]
    return [await asyncio.to_thread(_read_journal, path)]


def _read_journal(path: Path) -> Finding:
    """Open it so that nothing can be written, and read it through."""
    damaged = "put a backup in its place, or move it away to begin anew"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)) as connection:
            if path.stat().st_size <= CHECKED_BYTES_MAX:
                [(verdict,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
                if verdict != "ok":
                    return Finding("journal", "fail", f"{path} is damaged: {verdict}", damaged)
            [(events,)] = connection.execute("SELECT count(*) FROM events").fetchall()
    except (sqlite3.DatabaseError, OSError) as error:
        return Finding("journal", "fail", f"{path} cannot be read: {error}", damaged)
    return Finding("journal", "ok", f"whole, {events} events")


def _missing(names: Sequence[str]) -> list[str]:
    def is_there(name: str) -> bool:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            return False
        return True

    return [name for name in names if not is_there(name)]
