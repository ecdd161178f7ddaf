"""What effects need of the node, and how an observation reaches the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from actors.journal.interface import ANY, Journal, JournalUnavailable
from actors.ledger.requests import Held, ReserveMoney
from actors.runtime.world import World
from actors.storage.access import Layout
from actors.supervisor.state import Job
from actors.supervisor.work import Programs
from messages import events as ev
from messages.admin import BringDataset, Collected, CollectResult
from messages.folder import Control, Spec
from messages.ids import JobId
from messages.jobs import ResultMarker
from messages.machines import ProviderKind
from providers.interface import CloudStorageProvider, Provider

DETAIL_CHARS_MAX = 500
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 30.0


def plain(error: BaseException) -> str:
    """Return an error's words as text that any journal takes: cut, and free of what is no Unicode."""
    words = str(error) or repr(error)
    return words[:DETAIL_CHARS_MAX].encode("utf-8", "replace").decode()


class Ask(Protocol):
    """How the runner asks another actor; the reply follows the request."""

    async def reserve(self, asked: ReserveMoney) -> Held:
        """Ask the ledger to hold money. Raises ``Refusal``."""
        ...

    async def collect(self, asked: CollectResult) -> Collected:
        """Ask storage to verify and keep a result. Raises ``Unavailable``."""
        ...

    async def bring(self, asked: BringDataset) -> None:
        """Ask storage to have a data set where the job's machine reads it. Raises ``Refusal`` or a provider's error."""
        ...


class Folder(Protocol):
    """The part of a job folder the runner uses (``actors.storage.folder.JobFolder``)."""

    async def write_spec(self, spec: Spec) -> None:
        """Write ``spec.json``."""
        ...

    async def write_control(self, control: Control) -> None:
        """Replace ``control.json``."""
        ...

    async def read_marker(self) -> ResultMarker | None:
        """Read ``result.json``; ``None`` when there is none."""
        ...

    async def count_log(self) -> tuple[int, int]:
        """Return how many log files there are, and their bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything the effects need of the node."""

    world: World
    journal: Journal
    providers: Mapping[ProviderKind, Provider]
    ask: Ask
    program: Programs
    folder: Callable[[CloudStorageProvider, str], Folder]
    layout: Layout
    log: Callable[..., Any]
    may_launch: Callable[[], bool]
    """Whether a create may be sent now; False in safe mode, while draining, and without a journal."""
    observed: Callable[[JobId], None]
    """Called with the job's id after each observation."""

    def provider(self, job: Job) -> Provider:
        """Return the provider the job began with."""
        return self.providers[job.binding.provider]

    def folder_of(self, job: Job, attempt: int) -> Folder:
        """Return the job folder of one attempt."""
        key = self.layout.job_folder(job.user_id, job.id, attempt)
        return self.folder(self.provider(job).storage, key)

    async def append(self, job_id: JobId, *events: ev.Event) -> None:
        """Append an observation; a disk that does not take it is asked again until it does."""
        wait_s = BACKOFF_FIRST_S
        while True:
            try:
                await self.journal.append(f"job/{job_id}", ANY, events, actor="EffectRunner")
                return
            except JournalUnavailable as error:
                self.log("observation_waits_for_disk", job_id=job_id, error=str(error))
                await self.world.clock.sleep(wait_s)
                wait_s = min(BACKOFF_MAX_S, wait_s * 2)
