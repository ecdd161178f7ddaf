"""What a listing means for the watched jobs: whom to tell, and whose absence is worth a closer look. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actors.fleet.messages import Watched
from actors.supervisor.inputs import Sighted
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


class Shown:
    """What one listing shows, by name: looked up for every watched job."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self._first: dict[str, Machine] = {}
        self._further: dict[str, list[Machine]] = {}
        """Machines of a name that another one has too."""
        for machine in listing.machines:
            if machine.state is not MachineState.GONE and self._first.setdefault(machine.name, machine) is not machine:
                self._further.setdefault(machine.name, []).append(machine)

    def findings(self, watched: Iterable[Watched]) -> Findings:
        """Compare the listing with what is watched.

        A supervisor is told of machines it has not journaled yet, at every listing until it has; an ambiguous create
        hears of every listing, because absence is its news.
        """
        found = Findings([], [], [])
        complete, account = self.listing.complete, self.listing.account
        for one in watched:
            machines = self._named(one.name)
            adopted = None
            for machine in machines:  # a loop: a generator for each of ten thousand jobs would cost as much again
                if machine.id == one.machine_id:
                    adopted = machine
            if one.ambiguous or (machines and not one.unanswered and _is_news(one, machines, adopted)):
                found.sighted.append((one, machines))
            if complete and account == one.account:
                if adopted is not None:
                    found.present.append((one, adopted))
                elif one.phase in _MAY_VANISH and one.machine_id is not None:
                    found.missing.append(one)
        return found

    def _named(self, name: str) -> tuple[Machine, ...]:
        first = self._first.get(name)
        if first is None:
            return ()
        return (first, *self._further[name]) if name in self._further else (first,)


def _is_news(one: Watched, machines: tuple[Machine, ...], adopted: Machine | None) -> bool:
    """Tell whether its supervisor has not journaled what is listed under its name."""
    for machine in machines:
        if machine.id not in one.known_ids:
            return True
    return adopted is not None and _repriced(one, adopted)


def _repriced(one: Watched, machine: Machine) -> bool:
    known, listed = one.rate_usd_per_hour, machine.rate_usd_per_hour
    return known is not None and listed is not None and listed != known and one.phase in _MAY_VANISH


def sighted(watched: Watched, listing: Listing, machines: tuple[Machine, ...], *, folder_empty: bool) -> Sighted:
    """Return what a supervisor hears of what is listed under its job's name."""
    return Sighted(
        name=watched.name,
        account=listing.account,
        absent_since=listing.absent_since(watched.name),
        machines=machines,
        folder_empty=folder_empty,
    )
