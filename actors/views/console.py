"""A machine's console as its provider keeps it, while somebody looks: image pull, crash loops, what no log file holds.

The provider is asked only as long as the reader takes what comes; nobody looking means no call at all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final, NamedTuple, cast

from actors.journal.interface import Journal
from actors.runtime.world import Clock
from actors.supervisor.state import Job
from actors.views.finding import find_job
from messages.documents import ConsoleOut
from messages.errors import Refusal
from messages.ids import JobId
from messages.jobs import Requester
from messages.machines import ProviderKind
from providers.interface import LogChunk, Provider, Unavailable

CONSOLE_INTERVAL_S: Final = 2.0
"""Between two questions for a console that is followed; where a provider's own stream has no end, each takes longer."""
READERS_MAX: Final = 8
"""Consoles read at once: every reader asks the provider again and again."""
FAILURES_MAX: Final = 10
"""Questions in a row that a provider may leave without an answer before a reader is told."""
PAUSE_S_MAX: Final = 30.0
"""Between two of them, where the provider is left alone for a while."""


class Place(NamedTuple):
    """How far a console was read: positions are the provider's own, and each attempt has another machine."""

    attempt: int
    position: int


class Consoles:
    """Reads the console of the machine a job has now, or had last."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        providers: Mapping[ProviderKind, Provider],
        folded: Callable[[JobId], Awaitable[Job]],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._providers = providers
        self._folded = folded
        self._readers = 0

    async def read(
        self, requester: Requester, ref: str, attempt: int, position: int, follow: bool
    ) -> AsyncIterator[ConsoleOut]:
        """Yield what came past a place; with ``follow`` until the job is over, through every machine it has.

        Raises Refusal ``E-NOTFOUND`` without a machine or once console and machine are gone, ``E-BUSY`` for too many
        readers; Unavailable while the provider does not answer.
        """
        job_id = await find_job(self._journal, requester.user_id, ref)
        if self._readers >= READERS_MAX:
            raise Refusal("E-BUSY", f"{READERS_MAX} consoles are being read already")
        self._readers += 1
        try:
            chunks = self._read(job_id, Place(attempt, position), follow)
            async with aclosing(cast("AsyncGenerator[ConsoleOut, None]", chunks)):
                async for chunk in chunks:
                    yield chunk
        finally:
            self._readers -= 1

    async def _read(self, job_id: JobId, place: Place, follow: bool) -> AsyncIterator[ConsoleOut]:
        failures = 0
        while True:
            pause_s = CONSOLE_INTERVAL_S
            # What the journal holds before the look decides whether the look was the last one.
            job = await self._folded(job_id)
            last = job.closed is not None or not follow
            try:
                async with aclosing(self._look(job, place, last=last)) as pieces:
                    async for place, text in pieces:
                        yield ConsoleOut(position=f"{place.attempt}:{place.position}", text=text)
                failures = 0
            except Unavailable as error:
                failures += 1
                if last or failures >= FAILURES_MAX:
                    raise
                pause_s = min(PAUSE_S_MAX, max(pause_s, error.retry_after_s))
            if last:
                return
            await self._clock.sleep(pause_s)

    async def _look(self, job: Job, place: Place, *, last: bool) -> AsyncGenerator[tuple[Place, str], None]:
        """Ask once. Raises Refusal ``E-NOTFOUND`` where nothing was to be read and nothing will be."""
        hint = f"What the work itself said is kept: lastcall logs {job.name}"
        attempt = next((a for a in reversed(job.attempts) if a.machine), None)
        if attempt is None or attempt.machine is None:
            if last:
                raise Refusal("E-NOTFOUND", f"{job.name} has no machine", hint=hint)
            return
        if place.attempt != attempt.number:
            place = Place(attempt.number, 0)
        chunks = self._provider(job).training.logs(attempt.machine.id, place.position)
        async with aclosing(cast("AsyncGenerator[LogChunk, None]", chunks)):
            async for chunk in chunks:
                place = Place(attempt.number, chunk.position)
                yield place, chunk.text
        if last and place.position == 0 and (attempt.gone or attempt.ended):
            raise Refusal(
                "E-NOTFOUND", f"the machine of {job.name} is gone and nothing of its console is left", hint=hint
            )

    def _provider(self, job: Job) -> Provider:
        provider = self._providers.get(job.binding.provider)
        if provider is None:
            raise Refusal("E-NOTFOUND", f"{job.name} ran with {job.binding.provider}, which is not in use here")
        return provider
