"""What a node has for each account it rents from: a FleetWatch, a bill reader, and the rules of its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from actors.fleet.actor import Delivery, FleetWatch, Kept
from actors.fleet.bills import BillReader
from actors.fleet.certainty import Certainty
from actors.fleet.judging import Account
from actors.fleet.messages import Adopt
from actors.runtime.actor import Actor, Ref
from actors.runtime.world import World
from actors.supervisor.driver import JobDriver
from actors.supervisor.rules import Rules
from actors.supervisor.state import Job
from lastcall.parts import Parts
from messages.ids import JobId
from messages.machines import ProviderKind
from providers.interface import PacesCreates

UNPROVEN_MACHINES_MAX = 1_500
"""Machines of an account that are not known to end themselves (design.md 12): ends go through one call quota."""
LIST_INTERVAL_S_MAX = 15.0
"""Launches queue while the provider's quota allows no shorter list interval (design.md 6)."""
FLEET = "fleet"
"""Name of the actor that watches where new jobs go; the others are called ``fleet/<kind>``."""


class Hooks(NamedTuple):
    """What the accounts need of the rest of the node."""

    spawn: Callable[[Callable[[], Actor[Any]], str], Ref[Any]]
    deliver: Delivery
    drive: Callable[[JobId, Rules], JobDriver]
    suspect: Callable[[str], None]
    closed: Callable[[Job], None]


class Fleets:
    """The accounts of a node. A job is of the one it began with, whatever the configuration says now."""

    def __init__(self, world: World, parts: Parts, hooks: Hooks) -> None:
        """Start a FleetWatch for each account."""
        self._world = world
        self._parts = parts
        self._hooks = hooks
        self._jobs: dict[JobId, ProviderKind] = {}
        """Open jobs that are supervised or handed over, and whose account they are on."""
        self.kept: dict[ProviderKind, Kept] = {}
        self._rules: dict[ProviderKind, Rules] = {}
        self.certainties: dict[ProviderKind, Certainty] = {}
        self.refs: dict[ProviderKind, Ref[Any]] = {}
        for kind, provider in parts.rented.items():
            self.kept[kind] = Kept()
            self.certainties[kind] = Certainty(provider.training, world.clock, provider.storage)
            self._rules[kind] = Rules(parts.naming, provider.training.timings, world.run, parts.layout(kind))

    def start(self) -> None:
        """Begin to watch every account."""
        for kind in self._rules:
            name = FLEET if kind == self._parts.kind else f"{FLEET}/{kind}"
            self.refs[kind] = self._hooks.spawn(partial(self._watch, kind), name)

    def _watch(self, kind: ProviderKind) -> FleetWatch:
        rented, hooks, rules = self._parts.providers[kind], self._hooks, self._rules[kind]
        return FleetWatch(
            rented.provider,
            rented.account,
            self._parts.journal,
            self._parts.naming,
            self.kept[kind],
            hooks.deliver,
            lambda job_id: hooks.drive(job_id, rules),
            hooks.suspect,
            hooks.closed,
            self._parts.log,
            self.certainties[kind].sure,
        )

    # ------------------------------------------------------------------------------------------- jobs

    def bind(self, job_id: JobId, kind: ProviderKind) -> None:
        """Note where a job is rented."""
        self._jobs[job_id] = kind

    def forget(self, job_id: JobId) -> None:
        """Drop a job that is over."""
        self._jobs.pop(job_id, None)

    def rules(self, job_id: JobId) -> Rules:
        """Return the rules a job is under. Raises KeyError for one that is not supervised."""
        return self._rules[self._jobs[job_id]]

    def of(self, job_id: JobId) -> Ref[Any]:
        """Return the FleetWatch of a job's account."""
        return self.refs[self._jobs[job_id]]

    def certainty(self, job_id: JobId) -> Certainty:
        """Return whether our clock may judge a job's deadlines. Raises KeyError for one that is not supervised."""
        return self.certainties[self._jobs[job_id]]

    def hand_over(self, job_id: JobId) -> None:
        """Give a job whose supervisor is parked to its FleetWatch."""
        self.of(job_id).tell(Adopt(job_id=job_id))

    def adopted(self, job_id: JobId) -> bool:
        """Tell whether a FleetWatch has this job."""
        return any(job_id in kept.adopted for kept in self.kept.values())

    def held_back(self, kind: ProviderKind, machines: int) -> str | None:
        """Say why no machine may be rented beside the ``machines`` there are: they must be looked at, and ended."""
        training = self._parts.providers[kind].provider.training
        if training.self_ending != "proven" and machines >= UNPROVEN_MACHINES_MAX:
            return f"{kind} has {machines} machines, the most that can be ended from here in time"
        interval_s = training.timings.list_interval_s
        if interval_s <= LIST_INTERVAL_S_MAX:
            return None
        return f"the provider's list may be asked only every {interval_s:.0f} s, too rarely for another machine"

    def creates_now(self, kind: ProviderKind) -> int | None:
        """Return how many creates a provider could take now, or ``None`` where nobody knows of a bound."""
        training = self._parts.providers[kind].provider.training
        return training.creates_now() if isinstance(training, PacesCreates) else None

    # ------------------------------------------------------------------------------------------- accounts

    def accounts(self) -> tuple[Account, ...]:
        """Return every account, the one new jobs go to first."""
        return tuple(Account(provider, self._parts.binding(kind)) for kind, provider in self._parts.rented.items())

    def read_bills(self, ledger: Ref[Any]) -> list[asyncio.Task[None]]:
        """Begin to read the bill of every account that has one to read."""
        parts, loop = self._parts, asyncio.get_running_loop()
        providers: Mapping[ProviderKind, Any] = parts.rented
        readers = {
            kind: BillReader(provider.training, parts.journal, self._world.clock, ledger, parts.log)
            for kind, provider in providers.items()
            if provider.training.has_bill
        }
        return [loop.create_task(reader.run(), name=f"bills {kind}") for kind, reader in readers.items()]
