"""EffectRunner: makes the calls that are pending and itself appends what was seen of them.

It lives beside the supervisors, so a crash or restart of one of them loses neither a call nor its observation.
Each effect of a job runs at most once at a time. Observations are appended with ANY: what was seen is true
whatever was decided meanwhile. Ending a machine never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from actors.supervisor import ending, launching, reading
from actors.supervisor.pending import Collect, Effect, End, Launch, Reserve
from actors.supervisor.state import Job
from actors.supervisor.tools import BACKOFF_FIRST_S, BACKOFF_MAX_S, Tools
from messages.ids import JobId


class EffectRunner:
    """Runs effects of every job of a node."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._flying: dict[tuple[JobId, str], asyncio.Task[None]] = {}
        self._sent: set[tuple[JobId, str]] = set()
        """Creates this process has begun: whatever became of them, none is begun twice."""
        self._failures: dict[tuple[JobId, str], int] = {}
        self._closing = False

    def creates_in_flight(self) -> list[asyncio.Task[None]]:
        """Return the create calls that are out: an orderly stop waits for their answers."""
        return [task for (_, key), task in self._flying.items() if key.startswith("launch/")]

    def ends_in_flight(self) -> frozenset[str]:
        """Return the ids of the machines whose end is under way and not yet proven and recorded."""
        return frozenset(key.split("/", 2)[2] for _, key in self._flying if key.startswith("end/"))

    def ensure(self, job: Job, effects: Iterable[Effect]) -> None:
        """Start every effect of ``job`` that is not running."""
        for effect in effects:
            where = (job.id, effect.key)
            if where in self._flying or where in self._sent or self._closing:
                continue
            if isinstance(effect, Launch):
                self._sent.add(where)
            self._flying[where] = asyncio.create_task(self._fly(job, effect), name=f"effect {job.id} {effect.key}")

    def forget(self, job_id: JobId) -> None:
        """Drop what is remembered of a job that is over."""
        for where in [where for where in self._failures if where[0] == job_id]:
            del self._failures[where]
        self._sent -= {where for where in self._sent if where[0] == job_id}

    async def close(self) -> None:
        """Stop running effects. Machines keep running; what was not observed is reconciled at the next start."""
        self._closing = True
        tasks = list(self._flying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flying.clear()

    # ------------------------------------------------------------------------------------------- flying

    async def _fly(self, job: Job, effect: Effect) -> None:
        try:
            await self._run(job, effect)
            self._failures.pop((job.id, effect.key), None)
        except Exception as error:
            self._tools.log("effect_failed", job_id=job.id, effect=effect.key, error=repr(error))
            failed = self._failures.get((job.id, effect.key), 0)
            self._failures[job.id, effect.key] = failed + 1
            await self._tools.world.clock.sleep(min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(failed, 16)))
        finally:
            self._flying.pop((job.id, effect.key), None)
            if not self._closing:
                self._tools.observed(job.id)

    async def _run(self, job: Job, effect: Effect) -> None:
        match effect:
            case Reserve():
                await launching.reserve(self._tools, job, effect)
            case Launch():
                await launching.launch(self._tools, job, effect)
            case End():
                await ending.end(self._tools, job, effect)
            case Collect():
                await reading.collect(self._tools, job, effect)
            case _:
                await reading.seek(self._tools, job, effect)
