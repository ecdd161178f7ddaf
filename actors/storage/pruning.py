"""Pruning as a service of the storage actor: on request, and once a day by itself; one run at a time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from actors.journal.interface import JournalError
from actors.storage.access import Area
from actors.storage.audit import who_of
from actors.storage.jobs import KnownJobs
from actors.storage.parts import StorageParts
from actors.storage.prune import BUNDLES, Count, Done, Pruner, Report, Retention, SweepsUploads
from actors.storage.sweep import Swept
from messages.errors import Refusal
from messages.ids import JobId
from messages.upkeep import Pruned, PruneDocument, PruneStorage
from providers.interface import ProviderError

FIRST_S: Final = 900.0
"""From the start to the first prune: what the journal still has to catch up with comes first."""
DAILY_S: Final = 86_400.0
LEFTOVERS: Final = "leftovers"

_log = logging.getLogger("lastcall.storage")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What may be pruned, and when."""

    jobs: KnownJobs | None = None
    """Without it nothing is pruned."""
    retention: Retention = field(default_factory=Retention)
    current_bundle: Callable[[], str | None] = lambda: None
    """Key of the folder of the bundle that new jobs get, where there is one."""
    first_s: float = FIRST_S
    daily_s: float = DAILY_S


class PruneService:
    """Prunes one provider's store."""

    def __init__(self, parts: StorageParts, upkeep: Upkeep, sweep: Callable[[], Awaitable[Swept | None]]) -> None:
        self._parts = parts
        self._upkeep = upkeep
        self._sweep = sweep
        self._running = False
        self._done = Done()
        self._accepting: dict[JobId, float] = {}
        """Jobs that asked for their data set, until when they may not be journaled yet."""

    def accepting(self, job: JobId) -> None:
        """Note that a job is being accepted: nothing it may use is deleted before the journal knows it."""
        now = self._parts.world.clock.monotonic()
        self._accepting = {one: until for one, until in self._accepting.items() if until > now}
        self._accepting[job] = now + self._parts.settings.hold_s

    async def daily(self) -> None:
        """Prune for ever, once a day; where store or journal do not answer, it is logged and left to the next day."""
        if self._upkeep.jobs is None:
            return
        clock, wait_s = self._parts.world.clock, self._upkeep.first_s
        while True:
            await clock.sleep(wait_s)
            wait_s = self._upkeep.daily_s
            try:
                await self._prune("sys", dry_run=False)
            except (Refusal, ProviderError, JournalError, OSError) as error:
                _log.warning("storage_not_pruned", extra={"error": f"{type(error).__name__}: {error}"})

    async def asked(self, msg: PruneStorage) -> PruneDocument:
        """Prune because somebody asked. Raises Refusal E-BUSY, E-JOURNAL, and what the store raises.

        What can be done is done and audited before anything is raised.
        """
        who = who_of(msg.requester)
        work = self._prune(who, dry_run=msg.dry_run)
        return await self._parts.audit.judged(who, "storage.prune", "", work, quiet=True)

    async def _prune(self, who: str, *, dry_run: bool) -> PruneDocument:
        if self._running or self._upkeep.jobs is None:
            raise Refusal("E-BUSY", "The store is being pruned already.")
        self._running = True
        try:
            pruner = self._pruner(self._upkeep.jobs)
            report = await pruner.run(dry_run=dry_run)
            leftovers = Count() if dry_run else await self._leftovers(report)
        finally:
            self._running = False
        document = _document(report, leftovers, dry_run)
        words = _words(document)
        if words and not dry_run:
            await self._parts.audit.record(who, "storage.prune", "", detail=words)
        for kind, error in report.failed.items():
            _log.warning("storage_kind_not_pruned", extra={"what": kind, "error": f"{type(error).__name__}: {error}"})
        for error in report.failed.values():
            raise error
        return document

    def _pruner(self, jobs: KnownJobs) -> Pruner:
        return Pruner(
            store=self._parts.store,
            layout=self._parts.layout,
            jobs=jobs,
            clock=self._parts.world.clock,
            retention=self._upkeep.retention,
            launching=self._launching,
            current_bundle=self._upkeep.current_bundle,
            done=self._done,
        )

    def _launching(self) -> bool:
        now = self._parts.world.clock.monotonic()
        return any(until > now for until in self._accepting.values())

    async def _leftovers(self, report: Report) -> Count:
        """Delete what dead writers left: staged and removed objects, and uploads the store keeps unfinished."""
        swept, store = await self._sweep(), self._parts.store
        objects = sum(swept) if swept else 0
        if isinstance(store, SweepsUploads):
            layout = self._parts.layout
            ours = [*(f"{layout.prefix(area)}/" for area in Area), f"{BUNDLES}/"]
            try:
                age = timedelta(seconds=self._parts.settings.staging_age_s)
                objects += await store.sweep_uploads(age, ours)
            except ProviderError as error:
                report.failed[LEFTOVERS] = error
                report.complete = False
        return Count(things=objects, objects=objects)


def added(found: Sequence[PruneDocument]) -> PruneDocument:
    """Return what was pruned in several stores as one answer."""

    def together(name: str) -> Pruned:
        parts: list[Pruned] = [getattr(one, name) for one in found]
        return Pruned(
            things=sum(one.things for one in parts),
            objects=sum(one.objects for one in parts),
            size_bytes=sum(one.size_bytes for one in parts),
        )

    return PruneDocument(
        dry_run=found[0].dry_run,
        job_folders=together("job_folders"),
        logs=together("logs"),
        environments=together("environments"),
        bundles=together("bundles"),
        leftovers=together("leftovers"),
        kept_in_use=sum(one.kept_in_use for one in found),
        complete=all(one.complete for one in found),
    )


def _document(report: Report, leftovers: Count, dry_run: bool) -> PruneDocument:
    return PruneDocument(
        dry_run=dry_run,
        job_folders=report.job_folders.pruned(),
        logs=report.logs.pruned(),
        environments=report.environments.pruned(),
        bundles=report.bundles.pruned(),
        leftovers=leftovers.pruned(),
        kept_in_use=report.kept_in_use,
        complete=report.complete,
    )


def _words(found: PruneDocument) -> str:
    counts = {
        "job folders": found.job_folders,
        "logs": found.logs,
        "environments": found.environments,
        "bundles": found.bundles,
        "leftovers": found.leftovers,
    }
    return ", ".join(f"{one.things} {name} ({one.size_bytes} bytes)" for name, one in counts.items() if one.things)
