"""A room to examine: no configuration of anybody, a transport that must not be needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lastcall.doctor.command import CHECKS, examine
from lastcall.doctor.findings import Check, Finding, Room
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_wire import Wire


def room(root: Path, **environ: str) -> Room:
    home = {"HOME": str(root), "XDG_CONFIG_HOME": str(root / "config"), "LASTCALL_STATE_DIR": str(root / "s")}
    return Room({**home, **environ}, root, Wire(), ManualClock())


async def examined(where: Room, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    told: list[Finding] = []
    findings = await examine(where, told.append, checks)
    assert told == findings
    return findings


def named(findings: Sequence[Finding], name: str) -> Finding:
    """Return the only finding of this name."""
    [found] = [one for one in findings if one.name == name]
    return found


def status(**changes: Any) -> dict[str, Any]:
    """Return a daemon's view of itself in which all is well."""
    actor = {"name": "dispatcher", "depth": 0, "oldest_s": 0.0, "restarts": 0, "handled": 1, "parked": False}
    return {"version": "0", "safe_mode": None, "alarms": [], "actors": [actor], "machines_running": 0, **changes}
