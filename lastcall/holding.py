"""Which providers a daemon holds: the configured one, every one its journal has open jobs with, and earlier ones.

A job keeps the provider and the account it began with. So the keys of a provider with open jobs cannot be taken away:
the daemon says which jobs and which settings, and does not start. An earlier provider without open jobs is held as
long as its keys are there: data and models lie with it, and a machine that shows up late is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

from actors.journal.interface import Journal
from actors.runtime.world import World
from lastcall.account import account_of, unless, until_answered
from lastcall.config.load import AVAILABLE_PROVIDERS, REQUIRED, missing
from lastcall.config.settings import Settings
from lastcall.parts import Rented
from lastcall.renting import close_provider, open_provider
from messages.errors import Refusal
from messages.machines import ProviderKind
from providers.interface import Provider, ProviderError, Refused
from providers.transport import Transport

NAMED_MAX = 5
"""Jobs that the refusal names; of more it says how many there are."""
EARLIER_S = 10.0
"""An earlier provider without open jobs gets so long to answer at the start; then the daemon goes on without it."""


class OpenJob(NamedTuple):
    """A job that is not over, and where it is bound to."""

    id: str
    name: str
    provider: ProviderKind
    account: str


async def open_jobs(journal: Journal) -> list[OpenJob]:
    """Return the jobs that are not over, oldest first. Raises JournalUnavailable."""
    rows = await journal.query(
        "SELECT job_id, name, provider, account FROM jobs WHERE state != 'closed' ORDER BY position"
    )
    return [OpenJob(*row) for row in rows]


async def earlier(journal: Journal) -> tuple[ProviderKind, ...]:
    """Return every provider the journal knows a job or a data set of. Raises JournalUnavailable."""
    rows = await journal.query(
        "SELECT provider FROM jobs UNION SELECT json_extract(document, '$.provider') FROM datasets ORDER BY 1"
    )
    return tuple(kind for (kind,) in rows if kind is not None)


def needed(settings: Settings, jobs: Iterable[OpenJob]) -> tuple[ProviderKind, ...]:
    """Return the providers that must be held, the configured one first.

    Raises Refusal ``E-BOUND`` for one whose settings are not there any more.
    """
    bound: dict[ProviderKind, list[OpenJob]] = {}
    for job in jobs:
        bound.setdefault(job.provider, []).append(job)
    for kind, those in bound.items():
        if kind not in AVAILABLE_PROVIDERS:
            raise Refusal("E-BOUND", f"{_named(those)}; {kind} is not part of this build")
        if lacking := missing(settings, kind):
            keys = ", ".join(f"{key} ({variable})" for key, variable in lacking.items())
            raise Refusal("E-BOUND", f"{_named(those)}; not set any more: {keys}")
    return tuple(dict.fromkeys((kind_of(settings.provider), *bound)))


def check_accounts(jobs: Iterable[OpenJob], accounts: Mapping[ProviderKind, str]) -> None:
    """See that the accounts that answer are those that open jobs are bound to.

    Raises Refusal ``E-BOUND`` for a provider that is reached by keys: those of the other account were taken away.
    """
    others = [job for job in jobs if job.account != accounts[job.provider] and REQUIRED.get(job.provider)]
    if others:
        kind, account = others[0].provider, others[0].account
        those = [job for job in others if (job.provider, job.account) == (kind, account)]
        raise Refusal("E-BOUND", f"{_named(those)} as {account}; what is set now is of {accounts[kind]}")


def kind_of(name: str) -> ProviderKind:
    """Return a provider's name from the configuration as its kind. Raises Refusal ``E-CONFIG`` for any other word."""
    found: dict[str, ProviderKind] = {kind: kind for kind in get_args(ProviderKind)}
    if name not in found:
        raise Refusal("E-CONFIG", f"provider {name!r} is not known")
    return found[name]


def _named(jobs: Sequence[OpenJob]) -> str:
    words = ", ".join(f"{job.name} ({job.id})" for job in jobs[:NAMED_MAX])
    more = f" and {len(jobs) - NAMED_MAX} more" if len(jobs) > NAMED_MAX else ""
    what = "1 open job is" if len(jobs) == 1 else f"{len(jobs)} open jobs are"
    return f"{what} bound to {jobs[0].provider}: {words}{more}"


@dataclass
class Holding:
    """Opens providers, and closes what it opened. Raises what ``lastcall.account`` raises once told to stop."""

    settings: Settings
    state_dir: Path
    world: World
    transport: Transport
    stop: asyncio.Event
    log: Callable[..., Any]
    held: dict[ProviderKind, Rented] = field(default_factory=dict)
    _opened: list[Provider] = field(default_factory=list)

    async def open(self, journal: Journal) -> None:
        """Open all there is to hold.

        Raises Refusal ``E-BOUND``, Refused for the configured provider, JournalUnavailable, OSError.
        """
        jobs = await open_jobs(journal)
        kinds = needed(self.settings, jobs)
        for kind in kinds:
            try:
                self.held[kind] = await self._needed(kind)
            except Refused as no:
                bound = [job for job in jobs if job.provider == kind]
                if not bound or kind == kinds[0]:
                    raise
                raise Refusal("E-BOUND", f"{_named(bound)}; it refuses what is set: {no}") from no
        check_accounts(jobs, {kind: rented.account for kind, rented in self.held.items()})
        for kind in await earlier(journal):
            if kind not in kinds and kind in AVAILABLE_PROVIDERS and not missing(self.settings, kind):
                await self._earlier(kind)

    async def close(self) -> None:
        """Let go of every provider; machines keep running."""
        for provider in self._opened:
            await close_provider(provider)

    async def _needed(self, kind: ProviderKind) -> Rented:
        """Open a provider that machines wait for: asked until it answers."""
        clock = self.world.clock
        provider = await until_answered(lambda: self._open(kind), clock, self.stop, self.log)
        return Rented(provider, await account_of(provider.training, clock, self.stop, self.log))

    async def _earlier(self, kind: ProviderKind) -> None:
        try:
            async with asyncio.timeout(EARLIER_S):
                self.held[kind] = await unless(self.stop, self._rented(kind))
        except (ProviderError, OSError, TimeoutError) as error:
            self.log("earlier_provider_left_out", provider=kind, error=str(error) or repr(error))

    async def _rented(self, kind: ProviderKind) -> Rented:
        provider = await self._open(kind)
        return Rented(provider, await provider.training.fingerprint())

    def _open(self, kind: ProviderKind) -> Coroutine[Any, Any, Provider]:
        return self._kept(open_provider(kind, self.settings, self.state_dir, self.world, self.transport))

    async def _kept(self, opening: Coroutine[Any, Any, Provider]) -> Provider:
        provider = await opening
        self._opened.append(provider)
        return provider
