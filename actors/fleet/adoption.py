"""A parked job's way to its end: FleetWatch drives it until it is closed, without its supervisor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from actors.runtime.world import Clock
from actors.supervisor.driver import WOKE, JobDriver
from actors.supervisor.inputs import Input
from actors.supervisor.state import Job

STEP_S = 1.0
"""Between two looks at a parked job; its effects go on meanwhile."""
HEARD_MAX = 32
"""Inputs kept for a parked job; the latest count."""


class Parked:
    """One parked job and what was seen of it meanwhile."""

    def __init__(self, driver: JobDriver, watch: Callable[[Job], None]) -> None:
        self.driver = driver
        self.heard: deque[Input] = deque(maxlen=HEARD_MAX)
        self._watch = watch

    async def step(self) -> bool:
        """Take what was heard; return True once the job is closed."""
        job = await self.driver.hear(self.heard.popleft() if self.heard else WOKE)
        self._watch(job)
        return job.closed is not None

    async def drive(self, clock: Clock, log: Callable[..., Any]) -> None:
        """Return once the job is closed. A fault that parked the supervisor may come back: logged, never final."""
        while True:
            try:
                if await self.step():
                    return
            except Exception as error:
                log("parked_job_failed", job_id=self.driver.job_id, error=repr(error))
            await clock.sleep(STEP_S)
