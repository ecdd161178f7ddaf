"""Deleting what nobody asked to keep: folders and logs of jobs that are over, environments and bundles out of use.

Only for a positive reason: a job that the journal holds as closed for so long, an environment or bundle that nothing
touched for so long. What belongs to a job the journal does not know stays, and so do data sets and models, always.
While any job is open no environment and no bundle goes: which one it will use is decided on its machine (fault 41).
That is looked at again before every few deletions, and the file that makes it count as whole goes first: who comes
later than a look finds it missing and makes it anew, and what is made anew is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from actors.runtime.world import Clock
from actors.storage.access import Area, Granted, Layout, decide_access
from actors.storage.jobs import Ended, KnownJobs
from messages.folder import LOG_FOLDER
from messages.ids import JobId, UserId
from messages.storage import ObjectInfo
from messages.upkeep import Pruned
from providers.interface import CloudStorageProvider, Refused

ENVIRONMENTS: Final = "environments"
"""Below the store's root: prepared environments (``lastcall.bundles``), one folder each."""
ENVIRONMENT_MARK: Final = "environment.json"
"""Without it an environment counts as not there (``containers.job.prepare``)."""
BUNDLES: Final = "bundles"
"""Below the store's root: job bundles (``containers.bundle``), one folder each."""
BUNDLE_MARK: Final = "manifest.json"
"""Without it a bundle counts as not there."""
OBJECTS_MAX: Final = 20_000
"""Deletions of one run; the next one goes on."""
RUN_S_MAX: Final = 600.0
"""One run begins nothing new after so long."""
AT_ONCE: Final = 8
"""Deletions under way at once."""

G = TypeVar("G")


@runtime_checkable
class SweepsUploads(Protocol):
    """Optional: the store keeps unfinished uploads, and can drop those of writers that died (fault 34)."""

    async def sweep_uploads(self, older_than: timedelta) -> int:
        """Drop uploads that began so long ago and return how many. Raises Unavailable."""
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

    async def run(self, *, dry_run: bool) -> Report:
        """Prune once, boundedly. Raises what the store and the journal raise; running it again completes it."""
        report = Report()
        run = _Run(self, report, dry_run, self.clock.monotonic() + self.run_s_max, self.objects_max)
        await run.job_folders(await self.jobs.ended())
        own = {self.layout.prefix(area).split("/", 1)[0] for area in Area}
        if ENVIRONMENTS not in own:
            await run.environments()
        if BUNDLES not in own:
            await run.bundles()
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

    # ------------------------------------------------------------------------------------------- jobs

    async def job_folders(self, jobs: Mapping[JobId, Ended]) -> None:
        """Delete folders of jobs that are over for so long, and the logs in younger ones."""
        prefix = self._all.layout.prefix(Area.JOBS)
        async for (user, job), found in self._grouped(f"{prefix}/", self._job_of):
            closed = jobs.get(job)
            if closed is None or closed.user_id != user:
                continue
            age = self._now - closed.at
            if age > self._all.retention.job_folders:
                await self._delete(found, self._report.job_folders)
            elif age > self._all.retention.logs:
                logs = [one for one in found if _is_log(self._all.layout, user, one.key)]
                if logs:
                    await self._delete(logs, self._report.logs)

    def _job_of(self, key: str) -> tuple[UserId, JobId] | None:
        """Return whose job a key belongs to, as its own user would be granted it."""
        folder = key.removeprefix(self._all.layout.prefix(Area.JOBS) + "/").split("/", 1)[0]
        try:
            user = UserId(folder.removeprefix("user_"))
            access = decide_access(self._all.layout, user, key)
            return (user, JobId(access.rest[0])) if isinstance(access, Granted) and len(access.rest) > 2 else None
        except ValueError:
            return None

    # ------------------------------------------------------------------------------------------- shared things

    async def environments(self) -> None:
        """Delete prepared environments that no job has used for so long."""
        async for folder, found in self._grouped(f"{ENVIRONMENTS}/", _second):
            if self._is_old(found):
                mark = f"{ENVIRONMENTS}/{folder}/{ENVIRONMENT_MARK}"
                await self._delete_unused(found, mark, self._report.environments)

    async def bundles(self) -> None:
        """Delete bundles of older versions that no job has used for so long."""
        current = self._all.current_bundle()
        used: frozenset[str] | None = None
        async for folder, found in self._grouped(f"{BUNDLES}/", _second):
            prefix = f"{BUNDLES}/{folder}"
            if current is None or prefix == current or not self._is_old(found):
                continue
            if used is None:
                used = await self._all.jobs.bundles_since(self._now - self._all.retention.environments)
                if used is None:
                    return
            if prefix not in used:
                await self._delete_unused(found, f"{prefix}/{BUNDLE_MARK}", self._report.bundles)

    def _is_old(self, found: list[ObjectInfo]) -> bool:
        return self._now - max(one.modified for one in found) > self._all.retention.environments

    async def _delete_unused(self, found: list[ObjectInfo], mark: str, count: Count) -> None:
        found.sort(key=lambda one: one.key != mark)
        await self._delete(found, count, first=1 if found[0].key == mark else 0, shared=True)

    # ------------------------------------------------------------------------------------------- deleting

    async def _grouped(
        self, prefix: str, group_of: Callable[[str], G | None]
    ) -> AsyncIterator[tuple[G, list[ObjectInfo]]]:
        """Yield what is under ``prefix`` in groups; keys come ordered, so a group is whole once another begins."""
        group: G | None = None
        found: list[ObjectInfo] = []
        async for stored in self._all.store.list(prefix):
            of = group_of(stored.key)
            if of != group:
                if group is not None:
                    yield group, found
                if self._is_over():
                    return
                group, found = of, []
            if of is not None:
                found.append(stored)
        if group is not None:
            yield group, found

    def _is_over(self) -> bool:
        if self._left > 0 and self._all.clock.monotonic() < self._until:
            return False
        self._report.complete = False
        return True

    async def _delete(self, found: list[ObjectInfo], count: Count, *, first: int = 0, shared: bool = False) -> None:
        """Delete objects, the ``first`` of them before all others; what does not fit is the next run's.

        What is ``shared`` goes only while no job is open: one that comes meanwhile may be making it anew already.
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

    async def _delete_one(self, key: str) -> None:
        """Delete one object; what no key can name (a hidden file of a library) stays, and is part of nothing whole."""
        try:
            await self._all.store.delete(key)
        except Refused:
            return


def _second(key: str) -> str | None:
    parts = key.split("/")
    return parts[1] if len(parts) > 2 and not parts[1].startswith(".") else None


def _is_log(layout: Layout, user: UserId, key: str) -> bool:
    rest = key.removeprefix(layout.home(Area.JOBS, user) + "/").split("/")
    return len(rest) > 3 and rest[2] == LOG_FOLDER
