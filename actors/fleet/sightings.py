"""What a listing means for the watched jobs: whom to tell, and whose absence is worth a closer look. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actors.fleet.messages import Watched
from messages.jobs import JobState
from messages.machines import Listing, Machine, MachineState

_MAY_VANISH = frozenset({JobState.STARTING, JobState.RUNNING})


class Findings(NamedTuple):
    """What follows from one listing."""

    sighted: list[tuple[Watched, tuple[Machine, ...]]]
    """Jobs to tell what is listed under their name."""
    missing: list[Watched]
    """Jobs whose machine a complete listing no longer shows."""
    present: list[tuple[Watched, Machine]]
    """Jobs whose machine a complete listing of their account shows."""


def findings(listing: Listing, watched: Iterable[Watched]) -> Findings:
    """Compare a listing with what is watched.

    A supervisor is told of machines it has not journaled yet, at every listing until it has; an ambiguous create
    hears of every listing, because absence is its news.
    """
    by_name: dict[str, list[Machine]] = {}
    for machine in listing.machines:
        if machine.state is not MachineState.GONE:
            by_name.setdefault(machine.name, []).append(machine)
    sighted: list[tuple[Watched, tuple[Machine, ...]]] = []
    missing: list[Watched] = []
    present: list[tuple[Watched, Machine]] = []
    for one in watched:
        machines = tuple(by_name.get(one.name, ()))
        ids = frozenset(m.id for m in machines)
        adopted = next((m for m in machines if m.id == one.machine_id), None)
        news = bool(ids.difference(one.known_ids)) or (adopted is not None and _repriced(one, adopted))
        if one.ambiguous or (news and not one.unanswered):
            sighted.append((one, machines))
        if adopted is not None and listing.complete and listing.account == one.account:
            present.append((one, adopted))
        if _is_missing(one, ids, listing):
            missing.append(one)
    return Findings(sighted, missing, present)


def _repriced(one: Watched, machine: Machine) -> bool:
    known, listed = one.rate_usd_per_hour, machine.rate_usd_per_hour
    return None not in (known, listed) and one.phase in _MAY_VANISH and listed != known


def _is_missing(one: Watched, ids: frozenset[str], listing: Listing) -> bool:
    trusted = listing.complete and listing.account == one.account
    return trusted and one.phase in _MAY_VANISH and one.machine_id is not None and one.machine_id not in ids
