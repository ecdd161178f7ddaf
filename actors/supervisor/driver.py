"""JobDriver: the shell around ``decide``: reads the stream, appends what was decided, starts what is pending.

Decisions carry the exact version they were made from; a runner's observation in between means reading again and
deciding again. A disk that takes no decision must not keep a machine alive: ends go ahead from memory, and the
decision is made again when the disk is back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from actors.journal.interface import Journal, JournalUnavailable, Version, WrongVersion
from actors.runtime.world import Clock
from actors.supervisor.decide import decide, next_wake
from actors.supervisor.inputs import Input, StopAsked, Woke
from actors.supervisor.pending import End, pending
from actors.supervisor.rules import Rules
from actors.supervisor.runner import EffectRunner
from actors.supervisor.state import Job, evolve, fold
from messages import events as ev
from messages.ids import JobId

CONFLICTS_MAX = 50
"""Times in a row that an observation may come between reading and appending."""


class Contended(RuntimeError):
    """The stream moved on at every try: something appends to it in a loop."""


class JobDriver:
    """One job's state and its way into the journal. Owned by one actor or task at a time."""

    def __init__(
        self,
        job_id: JobId,
        journal: Journal,
        clock: Clock,
        rules: Rules,
        runner: EffectRunner,
        granted: Callable[[JobId], bool],
        may_launch: Callable[[], bool],
        log: Callable[..., Any],
        clock_sure: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock_sure = clock_sure
        self._journal = journal
        self._clock = clock
        self._rules = rules
        self._runner = runner
        self._granted = granted
        self._may_launch = may_launch
        self._log = log
        self._version = Version(0)
        self._job: Job | None = None
        self._stop: StopAsked | None = None
        """A stop the disk has not taken yet."""
        self.waits_for_disk = False
        """Whether a decision could not be journaled; hear ``Woke`` again soon."""
        self.job_id = job_id

    @property
    def job(self) -> Job:
        """The state as of the last read. Raises ``LookupError`` before the stream exists."""
        if self._job is None:
            raise LookupError(f"{self.job_id} has no events")
        return self._job

    async def refresh(self) -> Job:
        """Read what was appended since the last read. Raises JournalUnavailable."""
        recorded = await self._journal.read(f"job/{self.job_id}", self._version)
        self._job = fold((r.event for r in recorded), self._job)
        if recorded:
            self._version = recorded[-1].version
        return self.job

    async def hear(self, heard: Input) -> Job:
        """Take one input: decide, append, and start what is pending.

        Raises JournalUnavailable only while the job was never read. What is seen again anyway (folders, listings) is
        not kept while the disk takes nothing; a stop is.
        """
        if isinstance(heard, StopAsked):
            self._stop = self._stop or heard
        self.waits_for_disk = False
        try:
            await self.refresh()
            for one in (self._stop, heard):
                if one is not None:
                    await self._take(one)
            self._stop = None
        except JournalUnavailable as error:
            if self._job is None:
                raise
            self.waits_for_disk = True
            self._log("decision_waits_for_disk", job_id=self.job_id, error=str(error))
            self._end_from_memory(self._stop or heard)
        job, may_launch = self.job, self._may_launch()
        if not self.waits_for_disk:
            granted = self._granted(job.id)
            self._runner.ensure(job, pending(job, self._rules.run, granted=granted, may_launch=may_launch))
        return job

    async def _take(self, heard: Input) -> None:
        for _ in range(CONFLICTS_MAX):
            events = self._decide(heard)
            if not events:
                return
            try:
                await self._append(events, heard.command_id if isinstance(heard, StopAsked) else None)
                return
            except WrongVersion:
                await self.refresh()
        raise Contended(f"{self.job_id}: the stream moved on {CONFLICTS_MAX} times in a row")

    def _decide(self, heard: Input) -> list[ev.Event]:
        rules = self._rules._replace(may_launch=self._may_launch(), clock_sure=self._clock_sure())
        return decide(self.job, heard, self._clock.now(), rules)

    async def _append(self, events: list[ev.Event], cause: str | None) -> None:
        appended = await self._journal.append(
            f"job/{self.job_id}", self._version, events, actor="PodSupervisor", cause=cause
        )
        self._version = appended.version
        self._job = fold(events, self._job)

    def _end_from_memory(self, heard: Input) -> None:
        """Start only what ends a machine: everything else needs its decision on disk first."""
        imagined = self.job
        for event in self._decide(heard):
            imagined = evolve(imagined, event)
        due = pending(imagined, self._rules.run, granted=False, may_launch=False)
        self._runner.ensure(imagined, (effect for effect in due if isinstance(effect, End)))

    def next_wake(self) -> datetime | None:
        """Return when the job must be looked at again although nothing happened."""
        return next_wake(self.job, self._rules)

    def waits_for_clock(self) -> bool:
        """Tell whether no instant can be waited for: the clock may still be set; look again soon instead."""
        return not self._clock_sure()


WOKE = Woke()
