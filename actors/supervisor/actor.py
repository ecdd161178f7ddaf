"""PodSupervisor: one open job. A mailbox around ``JobDriver``; everything it knows is in the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from actors.journal.interface import JournalUnavailable
from actors.runtime.actor import Actor
from actors.supervisor.driver import WOKE, JobDriver
from actors.supervisor.inputs import Input, Woke
from actors.supervisor.state import Job

DISK_RETRY_S = 1.0
"""How soon a decision that the disk did not take is tried again."""

CLOCK_LOOK_S = 5.0
"""Between two looks whether a clock that could not be trusted can be."""


class Watcher(Protocol):
    """FleetWatch, as far as a supervisor knows it."""

    def watch(self, job: Job) -> None:
        """Say what of this job is to be looked for now; called after every change."""
        ...


class PodSupervisor(Actor[Input]):
    """Supervises one job: reserve, launch, watch, end, collect, confirm."""

    def __init__(self, driver: JobDriver, watcher: Watcher, closed: Callable[[Job], None]) -> None:
        self._driver = driver
        self._watcher = watcher
        self._closed = closed

    async def on_start(self) -> None:
        """Read the job and go on where the journal says it is."""
        await self._hear(WOKE)

    async def receive(self, msg: Input) -> None:
        """Take one input."""
        await self._hear(msg)

    async def _hear(self, msg: Input) -> None:
        try:
            job = await self._driver.hear(msg)
        except JournalUnavailable:  # never read yet: nothing is known, so nothing can be done
            self.ctx.after(DISK_RETRY_S, Woke(), key="disk")
            return
        self._watcher.watch(job)
        if self._driver.waits_for_disk:
            self.ctx.after(DISK_RETRY_S, Woke(), key="disk")
        elif (wake := self._driver.next_wake()) is not None and self._driver.waits_for_clock():
            self.ctx.after(CLOCK_LOOK_S, Woke(), key="wake")
        elif wake is not None:
            self.ctx.at(wake, Woke(), key="wake")
        if job.closed:
            self._closed(job)
