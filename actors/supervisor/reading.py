"""Reading an ended attempt out: its artifacts after the marker, or twice "no marker" after Gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from actors.runtime.errors import ActorError
from actors.supervisor.pending import Collect, Seek
from actors.supervisor.state import Job
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S, Tools, plain
from messages import events as ev
from messages.admin import CollectResult
from messages.errors import Refusal
from messages.jobs import Requester
from providers.interface import ProviderError

STORAGE_UNREADABLE_S = 3600.0
"""After this long without readable storage a job whose machine is gone closes without its result."""

T = TypeVar("T")


async def collect(tools: Tools, job: Job, effect: Collect) -> None:
    """Have the artifacts the marker names verified and the model stored, and append what was found."""
    marker = effect.marker
    if not marker.artifacts:
        code = "E-NORESULT" if marker.outcome == "succeeded" else None
        await tools.append(job.id, ev.ResultCollected(attempt=effect.attempt, code=code))
        return
    asked = CollectResult(
        requester=Requester(user_id=job.user_id, via=job.via),
        job_id=job.id,
        attempt=effect.attempt,
        folder=effect.folder,
        name=job.name,
        dataset_id=job.plan.spec.dataset_id,
        dataset_name=job.dataset_name,
        artifacts=marker.artifacts,
        provider=job.binding.provider,
    )
    try:
        found = await until_readable(tools, job, lambda: tools.ask.collect(asked))
    except Refusal as no:
        if isinstance(no, ActorError) or no.code == "E-JOURNAL":
            raise  # nobody looked: asked again
        failed = ev.ResultCollected(attempt=effect.attempt, code="E-ARTIFACT", detail=plain(no))
        await tools.append(job.id, failed)
        return
    if found is None:
        at = tools.world.clock.now()
        await tools.append(job.id, ev.StorageUnreadable(attempt=effect.attempt, at=at))
        return
    collected = ev.ResultCollected(
        attempt=effect.attempt,
        model_id=found.model_id,
        metrics=found.metrics,
        code=found.code if marker.outcome == "succeeded" else None,
        detail=found.detail,
    )
    await tools.append(job.id, collected)


async def seek(tools: Tools, job: Job, effect: Seek) -> None:
    """Two reads, begun after Gone and far enough apart, must both say that there is no marker."""
    clock = tools.world.clock
    folder = tools.folder_of(job, effect.attempt)
    gap_s = tools.provider(job).training.timings.marker_gap_s
    for look in range(2):
        if look:
            await clock.sleep(gap_s)
        found = await until_readable(tools, job, lambda: _boxed(folder.read_marker()))
        if found is None:
            await tools.append(job.id, ev.StorageUnreadable(attempt=effect.attempt, at=clock.now()))
            return
        if found[0] is not None:
            await tools.append(job.id, ev.MarkerSeen(attempt=effect.attempt, marker=found[0]))
            return
    files, size = await _counted(tools, job, effect.attempt)
    absent = ev.MarkerAbsent(attempt=effect.attempt, log_files=files, log_bytes=size, at=clock.now())
    await tools.append(job.id, absent)


async def _counted(tools: Tools, job: Job, attempt: int) -> tuple[int, int] | tuple[None, None]:
    """Count a log that has to be paid for: the wrapper was ended before it could say how long its log is."""
    request = job.attempts[attempt - 1].request
    if request is None or request.offer.log is None:
        return None, None
    try:
        return await tools.folder_of(job, attempt).count_log()
    except (ProviderError, OSError, TimeoutError) as error:
        tools.log("log_not_counted", job_id=job.id, error=str(error))
        return None, None


async def until_readable(tools: Tools, job: Job, read: Callable[[], Awaitable[T]]) -> T | None:
    """Repeat a storage read until it answers; ``None`` after an hour of silence."""
    clock = tools.world.clock
    give_up = clock.monotonic() + STORAGE_UNREADABLE_S
    wait_s = BACKOFF_FIRST_S
    while clock.monotonic() < give_up:
        try:
            return await read()
        except (ProviderError, OSError, TimeoutError) as error:
            tools.log("storage_unreadable", job_id=job.id, error=str(error))
        await clock.sleep(wait_s)
        wait_s = min(BACKOFF_MAX_S, wait_s * 2)
    return None


async def _boxed(value: Awaitable[T]) -> tuple[T]:
    """Tell "read, and there is nothing" from "not readable"."""
    return (await value,)
