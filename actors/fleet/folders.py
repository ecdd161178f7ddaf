"""What the folders of watched jobs say: read at a look, kept for the screen, told only where it decides something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.fleet.messages import Live, Watched
from actors.runtime.world import Clock
from actors.storage.folder import FolderView, JobFolder
from actors.supervisor.inputs import FolderSeen, Input
from messages.folder import RESULT, STARTED
from messages.ids import JobId
from messages.jobs import JobState
from providers.interface import Provider, ProviderError


class Folders:
    """Reads the job folders of one account."""

    def __init__(
        self,
        provider: Provider,
        watched: Mapping[JobId, Watched],
        tell: Callable[[JobId, Input], None],
        clock_sure: Callable[[], bool],
        log: Callable[..., Any],
        unstarted: Callable[[JobId], str] = lambda _: "",
    ) -> None:
        """``watched`` is the caller's table as it is at any time; ``tell`` hears what decides something.

        ``unstarted`` says why a machine may not have begun the work.
        """
        self._provider = provider
        self._watched = watched
        self._tell = tell
        self._clock_sure = clock_sure
        self._log = log
        self._unstarted = unstarted
        self._live: dict[JobId, Live] = {}
        self._heard_s: dict[JobId, float] = {}
        """When each job's heartbeat was last seen to be a new one."""

    def live(self, job_ids: Iterable[JobId]) -> dict[JobId, Live]:
        """Return what those of the jobs last said of themselves that did."""
        return {job_id: self._live[job_id] for job_id in job_ids if job_id in self._live}

    def heard_s(self, job_id: JobId) -> float | None:
        """Return when a job's heartbeat was last seen to be a new one, on the monotonic clock."""
        return self._heard_s.get(job_id)

    def drop(self, job_id: JobId) -> None:
        """Forget a job."""
        self._live.pop(job_id, None)
        self._heard_s.pop(job_id, None)

    async def look(self, watched: Watched, clock: Clock) -> None:
        """Read one job's folder and note what it says; one that cannot be read is logged."""
        late = self._start_is_late(watched, clock)
        view = await self.view(watched, runs=watched.phase is JobState.RUNNING)
        if view is not None:
            self.note(watched, view, clock, late=late)

    async def view(self, watched: Watched, *, runs: bool = False) -> FolderView | None:
        """Return what is in the folder, ``None`` where it cannot be read."""
        try:
            return await JobFolder(self._provider.storage, watched.folder).look(runs=runs)
        except (ProviderError, OSError, TimeoutError) as error:
            self._log("folder_unreadable", job_id=watched.job_id, error=str(error))
            return None

    def note(self, watched: Watched, view: FolderView, clock: Clock, *, late: bool = False) -> None:
        """Keep what the job says of itself, and wake its supervisor only for what decides something."""
        current = self._watched.get(watched.job_id)
        if current is None or current.attempt != watched.attempt:
            return
        before = self._live.get(watched.job_id)
        if view.heartbeat is not None and (before is None or before.heartbeat != view.heartbeat):
            self._heard_s[watched.job_id] = clock.monotonic()
        self._live[watched.job_id] = Live(heartbeat=view.heartbeat, progress=view.progress)
        nothing = view.started is None and view.marker is None and not {STARTED, RESULT} & view.reasons.keys()
        if view.marker or (view.started and watched.phase is not JobState.RUNNING) or (late and nothing):
            seen = FolderSeen(
                attempt=watched.attempt,
                started=view.started,
                marker=view.marker,
                no_start=late and nothing,
                why=self._unstarted(watched.job_id) if late and nothing else "",
            )
            self._tell(watched.job_id, seen)

    def _start_is_late(self, watched: Watched, clock: Clock) -> bool:
        """Tell whether a look that begins now should find a start: missing data is no evidence, an empty folder is."""
        if watched.phase is not JobState.STARTING or watched.made_at is None or not self._clock_sure():
            return False
        waited_s = (clock.now() - watched.made_at).total_seconds()
        return waited_s >= self._provider.training.timings.start_allowance_s
