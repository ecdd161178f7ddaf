"""Deleting what nobody asked to keep: folders and logs of jobs that are over, environments and bundles out of use.

Only for a positive reason: a job that the journal holds as closed for so long, an environment or bundle that nothing
touched for so long. What belongs to a job the journal does not know stays, and so do data sets and models, always.
While any job is open no environment and no bundle goes: which one it will use is decided on its machine (fault 41).
That is looked at again before every few deletions, and the file that makes it count as whole goes first: who comes
later than a look finds it missing and makes it anew, and what is made anew is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple, Protocol, runtime_checkable

from actors.journal.interface import JournalError
from actors.runtime.world import Clock
from actors.storage.access import Area, Layout
from actors.storage.folders import folders
from actors.storage.jobs import Ended, KnownJobs
from messages.folder import LOG_FOLDER
from messages.ids import JobId
from messages.storage import ObjectInfo
from messages.upkeep import Pruned
from providers.interface import CloudStorageProvider, NotFound, ProviderError, Refused

ENVIRONMENTS: Final = "environments"
"""Below the store's root: prepared environments (``lastcall.bundles``), one folder each."""
ENVIRONMENT_MARK: Final = "environment.json"
"""Without it an environment counts as not there (``containers.job.prepare``)."""
BUNDLES: Final = "bundles"
"""Below the store's root: job bundles (``containers.bundle``), one folder each."""
BUNDLE_MARK: Final = "manifest.json"
"""Without it a bundle counts as not there."""
USED: Final = "used"
"""File in an environment or bundle that every use of it touches (``containers.job.prepare``)."""
OBJECTS_MAX: Final = 20_000
"""Deletions of one run; the next one goes on."""
RUN_S_MAX: Final = 600.0
"""One run begins nothing new after so long."""
AT_ONCE: Final = 8
"""Deletions under way at once."""
FAILURES_MAX: Final = 3
"""After so many things of one kind that could not be looked at, or deleted, the next kind is tried."""


@runtime_checkable
class SweepsUploads(Protocol):
    """Optional: the store keeps unfinished uploads, and can drop those of writers that died (fault 34)."""

    async def sweep_uploads(self, older_than: timedelta, prefixes: Sequence[str]) -> int:
        """Drop uploads of keys under ``prefixes`` that began so long ago and return how many. Raises Unavailable."""
        ...


class Retention(NamedTuple):
    """How long things stay after their last use."""

    job_folders: timedelta = timedelta(days=30)
    logs: timedelta = timedelta(days=30)
    environments: timedelta = timedelta(days=30)
    """Also of bundles."""


@dataclass(slots=True)
class Count:
    """What was deleted of one kind, or would be."""

    things: int = 0
    objects: int = 0
    size_bytes: int = 0

    def add(self, found: list[ObjectInfo]) -> None:
        """Count one thing of these objects."""
        self.things += 1
        self.objects += len(found)
        self.size_bytes += sum(one.size_bytes for one in found)

    def pruned(self) -> Pruned:
        """Return it as it is told."""
        return Pruned(things=self.things, objects=self.objects, size_bytes=self.size_bytes)


@dataclass(slots=True)
class Report:
    """What one run did, or would do."""

    job_folders: Count = field(default_factory=Count)
    logs: Count = field(default_factory=Count)
    environments: Count = field(default_factory=Count)
    bundles: Count = field(default_factory=Count)
    kept_in_use: int = 0
    complete: bool = True
    failed: dict[str, Exception] = field(default_factory=dict, compare=False)
    """Kind of thing → the first error that kept it, or some of it, from being looked at."""


@dataclass(slots=True)
class Done:
    """Jobs of which earlier runs left nothing to do: their folders need no look again. Forgotten at a restart."""

    folders: set[JobId] = field(default_factory=set)
    logs: set[JobId] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Pruner:
    """One store, and what is known of its use."""

    store: CloudStorageProvider
    layout: Layout
    jobs: KnownJobs
    clock: Clock
    retention: Retention
    launching: Callable[[], bool]
    """Whether a job was accepted that the journal may not hold yet."""
    current_bundle: Callable[[], str | None]
    """Key of the folder of the bundle that new jobs get; without it no bundle goes."""
    objects_max: int = OBJECTS_MAX
    run_s_max: float = RUN_S_MAX
    done: Done = field(default_factory=Done)
    """Kept from run to run."""

    async def run(self, *, dry_run: bool) -> Report:
        """Prune once, boundedly; running it again completes it. One kind that fails keeps no other from its turn."""
        report = Report()
        run = _Run(self, report, dry_run, self.clock.monotonic() + self.run_s_max, self.objects_max)
        own = {self.layout.prefix(area).split("/", 1)[0] for area in Area}
        kinds: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("job folders", run.job_folders),
            (ENVIRONMENTS, run.environments),
            (BUNDLES, run.bundles),
        )
        for name, work in kinds:
            if name not in own:
                await run.kind(name, work)
        return report

    async def in_use(self) -> bool:
        """Return whether a job is open, or is just being accepted."""
        return self.launching() or await self.jobs.any_open()


class _Run:
    """One run and what is left of its bounds."""

    def __init__(self, pruner: Pruner, report: Report, dry_run: bool, until: float, left: int) -> None:
        self._all = pruner
        self._report = report
        self._dry_run = dry_run
        self._until = until
        self._left = left
        self._now = pruner.clock.now()
        self._kind = ""
        self._failures = 0

    async def kind(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Go through one kind of things; what goes wrong is kept in the report."""
        self._kind, self._failures = name, 0
        try:
            await work()
        except (ProviderError, JournalError, OSError) as error:
            self._failed(error)

    async def _try(self, work: Awaitable[None]) -> None:
        """Do one thing of a kind. Raises once too many have failed."""
        try:
            await work
        except ProviderError as error:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                raise
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._report.complete = False
        self._report.failed.setdefault(self._kind, error)

    # ------------------------------------------------------------------------------------------- jobs

    async def job_folders(self) -> None:
        """Delete folders of jobs that are over for so long, and the logs in younger ones."""
        jobs = await self._all.jobs.ended()
        prefix = self._all.layout.prefix(Area.JOBS)
        for home in await folders(self._all.store, f"{prefix}/"):
            for name in await folders(self._all.store, f"{prefix}/{home}/"):
                closed = jobs.get(JobId(name)) if _is_id(JobId, name) else None
                if closed is None or home != f"user_{closed.user_id}":
                    continue
                if self._is_over():
                    return
                await self._try(self._job_folder(JobId(name), closed, f"{prefix}/{home}/{name}/"))

    async def _job_folder(self, job: JobId, closed: Ended, place: str) -> None:
        age, retention, done = self._now - closed.at, self._all.retention, self._all.done
        if age > retention.job_folders:
            if job not in done.folders and await self._delete(await self._under(place), self._report.job_folders):
                done.folders.add(job)
        elif age > retention.logs and job not in done.logs:
            logs = [one for one in await self._under(place) if _is_log(one.key.removeprefix(place))]
            if await self._delete(logs, self._report.logs):
                done.logs.add(job)

    # ------------------------------------------------------------------------------------------- shared things

    async def environments(self) -> None:
        """Delete prepared environments that no job has used for so long."""
        for name in await folders(self._all.store, f"{ENVIRONMENTS}/"):
            if self._is_over():
                return
            if not name.startswith("."):
                place = f"{ENVIRONMENTS}/{name}/"
                await self._try(self._shared(place, ENVIRONMENT_MARK, self._report.environments))

    async def bundles(self) -> None:
        """Delete bundles of older versions that no job has used for so long."""
        current = self._all.current_bundle()
        names = await folders(self._all.store, f"{BUNDLES}/") if current is not None else []
        others = [name for name in names if not name.startswith(".") and f"{BUNDLES}/{name}" != current]
        used = await self._all.jobs.bundles_since(self._now - self._all.retention.environments) if others else None
        for name in others:
            if used is None or self._is_over():
                return
            if f"{BUNDLES}/{name}" not in used:
                await self._try(self._shared(f"{BUNDLES}/{name}/", BUNDLE_MARK, self._report.bundles))

    async def _shared(self, place: str, mark: str, count: Count) -> None:
        """Delete one thing if it is old. It is listed only then: an environment has some ten thousand files."""
        for name in (USED, mark):
            try:
                stored = await self._all.store.stat(f"{place}{name}")
            except NotFound:
                continue
            if not self._is_old([stored]):
                return
        found = await self._under(place)
        if found and self._is_old(found):
            found.sort(key=lambda one: one.key != f"{place}{mark}")
            await self._delete(found, count, first=1 if found[0].key == f"{place}{mark}" else 0, shared=True)

    def _is_old(self, found: list[ObjectInfo]) -> bool:
        return self._now - max(one.modified for one in found) > self._all.retention.environments

    # ------------------------------------------------------------------------------------------- deleting

    async def _under(self, place: str) -> list[ObjectInfo]:
        return [stored async for stored in self._all.store.list(place)]

    def _is_over(self) -> bool:
        if self._left > 0 and self._all.clock.monotonic() < self._until:
            return False
        self._report.complete = False
        return True

    async def _delete(self, found: list[ObjectInfo], count: Count, *, first: int = 0, shared: bool = False) -> bool:
        """Delete objects, the ``first`` of them before all others, and return whether none is left.

        What does not fit is the next run's. What is ``shared`` goes only while no job is open: one that comes
        meanwhile may be making it anew already.
        """
        chosen = found[: max(0, self._left)]
        if len(chosen) < len(found):
            self._report.complete = False
        gone: list[ObjectInfo] = []
        for start, end in [(0, first), *((at, at + AT_ONCE) for at in range(first, len(chosen), AT_ONCE))]:
            if start >= end:
                continue
            if shared and await self._all.in_use():
                self._report.kept_in_use += 1
                self._report.complete = self._report.complete and not gone
                break
            gone += chosen[start:end]
            if not self._dry_run:
                await asyncio.gather(*(self._delete_one(one.key) for one in chosen[start:end]))
        self._left -= len(gone)
        if gone:
            count.add(gone)
        return len(gone) == len(found) and not (gone and self._dry_run)

    async def _delete_one(self, key: str) -> None:
        """Delete one object; what no key can name (a hidden file of a library) stays, and is part of nothing whole."""
        try:
            await self._all.store.delete(key)
        except Refused:
            return


def _is_id(kind: type[JobId], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _is_log(rest: str) -> bool:
    """Say whether a file of a job, named from the job's folder on, is one of its logs: ``1/log/000001.ndjson``."""
    parts = rest.split("/")
    return len(parts) > 2 and parts[1] == LOG_FOLDER
