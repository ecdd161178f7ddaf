"""How a local machine reads in a listing. Pure."""

from __future__ import annotations

from datetime import datetime

from messages.machines import Machine, MachineState
from providers.local.ended import Ended
from providers.local.registry import Entry


def running(entry: Entry, *, here: bool, wrapper_alive: bool) -> Machine:
    """Show a machine that is not proven gone; ``here`` = same boot and pid namespace as ours."""
    state, status = _state(entry, here, wrapper_alive)
    return Machine(
        id=entry.name,
        name=entry.name,
        account=entry.record.account,
        state=state,
        rate_usd_per_hour=entry.record.rate_usd_per_hour,
        first_seen=entry.record.began,
        raw_status=status,
    )


def stray(name: str, account: str, first_seen: datetime, count: int) -> Machine:
    """Show processes that carry a name of which this directory knows nothing."""
    return Machine(
        id=name,
        name=name,
        account=account,
        state=MachineState.RUNNING,
        rate_usd_per_hour=None,
        first_seen=first_seen,
        raw_status=f"{count} processes, not launched from this directory",
    )


def ended(line: Ended) -> Machine:
    """Show a machine proven gone."""
    return Machine(
        id=line.name,
        name=line.name,
        account=line.account,
        state=MachineState.GONE,
        rate_usd_per_hour=line.rate_usd_per_hour,
        first_seen=line.began,
        raw_status=f"gone since {line.ended:%Y-%m-%dT%H:%M:%SZ}",
    )


def _state(entry: Entry, here: bool, wrapper_alive: bool) -> tuple[MachineState, str]:
    if not here:
        return MachineState.UNKNOWN, "in another pid namespace"
    count = len(entry.members)
    if entry.damaged:
        state = MachineState.ENDING if entry.ending else MachineState.RUNNING if count else MachineState.UNKNOWN
        return state, f"{count} processes, its record is damaged"
    if entry.ending:
        return MachineState.ENDING, f"{count} processes"
    if not count:
        return MachineState.UNKNOWN, "its lock is held, its processes are not seen"
    return MachineState.RUNNING, f"{count} processes" if wrapper_alive else f"{count} processes without their wrapper"
