"""The opening: may this process run the work at all? At most one process ever gets a yes for an attempt.

Platforms restart containers for ever, and two may race. So: the folder must be readable, must hold no marker, and
``started.json`` must be ours alone, still so after a pause in which a slower writer would show.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Callable, NamedTuple

from containers.job import folder as names
from containers.job.clock import Clock, epoch, instant
from containers.job.folder import Folder, dump
from containers.job.policy import RESTART_MEMORY_SHARE, Reason
from containers.job.settings import Settings
from containers.job.spec import Spec, parse_spec

WAIT_S = 1.0
"""Pause between two looks at a folder that cannot be read, or less where the whole wait is short."""


class Opening(NamedTuple):
    """The answer: a spec to run, or a reason not to."""

    spec: Spec | None = None
    reason: Reason | None = None
    started_at: float | None = None
    """When the work of this attempt began, wall clock; also where another process began it."""
    memory_was_full: bool = False
    marker_exists: bool = False
    held_elsewhere: bool = False
    """Another machine of the same attempt has the work: how the attempt ends is its to say."""
    detail: str = ""


def open_attempt(folder: Folder, settings: Settings, nonce: str, clock: Clock, noticed: Callable[[], bool]) -> Opening:
    """Go through all steps. Returns after at most the folder wait and the settling pause, as long as calls return."""
    until = clock.boot() + settings.folder_wait_s
    pause = min(WAIT_S, max(settings.folder_wait_s / 10, 0.05))
    claimed: float | None = None
    detail = ""
    while not noticed():
        try:
            if folder.exists(names.RESULT):
                return Opening(marker_exists=True)
            document = folder.read(names.SPEC)
            spec = _parse(document, settings.attempt)
            if isinstance(spec, str):
                return Opening(reason=Reason.FOLDER, detail=spec)
            if claimed is None:
                claimed = clock.wall()
                if not _claim(folder, settings, nonce, claimed, clock):
                    return _started_before(folder, settings)
            if folder.read(names.STARTED).get("nonce") != nonce:
                return _started_before(folder, settings)
            return Opening(spec=spec, started_at=claimed)
        except (OSError, ValueError) as error:
            detail = f"{type(error).__name__}: {error}"
            if claimed is not None and not _may_be_ours(folder, nonce):
                claimed = None
        if clock.boot() >= until:
            return Opening(reason=Reason.FOLDER, detail=detail)
        clock.sleep(pause)
    return Opening(reason=Reason.INTERRUPTED)


def _parse(document: dict[str, Any], attempt: int) -> Spec | str:
    """Return the spec, or why it is none: it is written whole, so waiting would not mend it."""
    try:
        return parse_spec(document, attempt)
    except ValueError as error:
        return f"{names.SPEC}: {error}"


def _claim(folder: Folder, settings: Settings, nonce: str, wall: float, clock: Clock) -> bool:
    started = {
        "attempt": settings.attempt,
        "nonce": nonce,
        "started_at": instant(wall),
        "machine": settings.machine,
        "machine_id": settings.machine_id,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    if not folder.create(names.STARTED, dump(started)):
        return False
    if settings.nonce_settle_s:
        clock.sleep(settings.nonce_settle_s)
    return True


def _may_be_ours(folder: Folder, nonce: str) -> bool:
    """Whether an interrupted claim succeeded: then it is not made a second time."""
    try:
        return folder.read(names.STARTED).get("nonce") == nonce
    except (OSError, ValueError):
        return False


def held_elsewhere(started: dict[str, Any], settings: Settings) -> bool:
    """Tell whether ``started.json`` is another machine's: a provider may make two of one create (fault 17)."""
    holder = started.get("machine_id")
    return isinstance(holder, str) and bool(holder) and settings.machine_id not in (None, holder)


def _started_before(folder: Folder, settings: Settings) -> Opening:
    """Somebody else's start: say what is known of it. Nothing runs here."""
    started = _read(folder, names.STARTED)
    try:
        started_at = epoch(str(started.get("started_at")))
    except ValueError:
        started_at = None
    return Opening(
        reason=Reason.RESTARTED,
        started_at=started_at,
        memory_was_full=_memory_was_full(_read(folder, names.HEARTBEAT)),
        held_elsewhere=held_elsewhere(started, settings),
        detail="this attempt had been started before",
    )


def _memory_was_full(heartbeat: dict[str, Any]) -> bool:
    used, limit = heartbeat.get("rss_bytes"), heartbeat.get("memory_limit_bytes")
    return isinstance(used, int) and isinstance(limit, int) and limit > 0 and used >= limit * RESTART_MEMORY_SHARE


def _read(folder: Folder, name: str) -> dict[str, Any]:
    try:
        return folder.read(name)
    except (OSError, ValueError):
        return {}
