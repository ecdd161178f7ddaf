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
        log: Callable[..., Any],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._rules = rules
        self._runner = runner
        self._granted = granted
        self._log = log
        self._version = Version(0)
        self._job: Job | None = None
        self._undecided: list[Input] = []
        self.job_id = job_id

    @property
    def job(self) -> Job:
        """The state as of the last read. Raises ``LookupError`` before the stream exists."""
        if self._job is None:
            raise LookupError(f"{self.job_id} has no events")
        return self._job

    @property
    def waits_for_disk(self) -> bool:
        """Whether a decision could not be journaled yet; hear ``Woke`` again soon."""
        return bool(self._undecided)

    async def refresh(self) -> Job:
        """Read what was appended since the last read."""
        recorded = await self._journal.read(f"job/{self.job_id}", self._version)
        self._job = fold((r.event for r in recorded), self._job)
        if recorded:
            self._version = recorded[-1].version
        return self.job

    async def hear(self, heard: Input) -> Job:
        """Take one input: decide, append, and start what is pending."""
        await self.refresh()
        again, self._undecided = self._undecided, []
        for one in (*again, heard):
            await self._take(one)
        job = self.job
        self._runner.ensure(job, pending(job, self._rules.run, granted=self._granted(job.id)))
        return job

    async def _take(self, heard: Input) -> None:
        for _ in range(CONFLICTS_MAX):
            events = decide(self.job, heard, self._clock.now(), self._rules)
            if not events:
                return
            cause = heard.command_id if isinstance(heard, StopAsked) else None
            try:
                await self._append(events, cause)
                return
            except WrongVersion:
                await self.refresh()
            except JournalUnavailable as error:
                self._log("decision_waits_for_disk", job_id=self.job_id, error=str(error))
                self._undecided.append(heard)
                self._end_from_memory(events)
                return
        raise Contended(f"{self.job_id}: the stream moved on {CONFLICTS_MAX} times in a row")

    async def _append(self, events: list[ev.Event], cause: str | None) -> None:
        appended = await self._journal.append(
            f"job/{self.job_id}", self._version, events, actor="PodSupervisor", cause=cause
        )
        self._version = appended.version
        self._job = fold(events, self._job)

    def _end_from_memory(self, events: list[ev.Event]) -> None:
        """Start only what ends a machine: everything else needs its decision on disk first."""
        imagined = self.job
        for event in events:
            imagined = evolve(imagined, event)
        due = pending(imagined, self._rules.run, granted=False)
        self._runner.ensure(imagined, (effect for effect in due if isinstance(effect, End)))

    def next_wake(self) -> datetime | None:
        """Return when the job must be looked at again although nothing happened."""
        return next_wake(self.job, self._rules)


WOKE = Woke()
