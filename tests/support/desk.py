"""A ledger over a journal in memory, without a node around it: months go by in no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from decimal import Decimal
from typing import Any

import apsw

from actors.journal.interface import ANY, JournalUnavailable
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.ledger.actor import CostLedger
from actors.ledger.budgets import Budgets
from actors.runtime.actor import Ref
from actors.runtime.system import ActorSystem
from actors.runtime.virtual import SeededEntropy, VirtualClock
from actors.views.tables import CostsTable, JobsTable
from messages import events as ev
from messages.ids import JobId
from messages.jobs import Outcome
from tests.support.jobs import JOB, START, TIMINGS, queued
from tests.support.journals import Append, Through


class Counting(Through):
    """A journal whose disk can be full for the ledger."""

    full = False
    pause_s = 0.0
    """How long an append takes."""
    taken: int | None = None
    """Appends the disk still takes; ``None``: any number."""

    async def before(self, asked: Append) -> None:
        if asked.stream == "ledger":
            await asyncio.sleep(self.pause_s)
            if self.full or self.taken == 0:
                raise JournalUnavailable("disk full")
            self.taken = None if self.taken is None else self.taken - 1


class Desk:
    """One ledger over a journal in memory; ``open`` again is a restart."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.disk = apsw.Connection(":memory:")
        self.journal: Counting
        self.ledger: Ref[Any]

    @asynccontextmanager
    async def open(self, budgets: Budgets | None = None) -> AsyncIterator[None]:
        entropy = SeededEntropy(0)
        inner = SqliteJournal.memory(
            clock=self.clock,
            entropy=entropy.bytes,
            projections=(*standard(), JobsTable(), CostsTable()),
            connection=self.disk,
        )
        self.journal = Counting(inner)
        system = ActorSystem(self.clock, entropy)
        timings = {"fake": TIMINGS}
        self.ledger = system.spawn(
            lambda: CostLedger(self.journal, self.clock, budgets or Budgets(), UTC, timings, "fake"),  # type: ignore[arg-type]
            "ledger",
        )
        await self.clock.sleep(0.1)
        try:
            yield
        finally:
            await system.shutdown(5)
            await inner.close()

    async def tell(self, stream: str, *events: ev.Event) -> None:
        await self.journal.append(stream, ANY, events, actor="somebody")
        await self.clock.sleep(0.1)

    async def kinds(self) -> list[str]:
        return [r.event.kind.removeprefix("ledger.") for r in await self.journal.read("ledger")]

    async def ask(self, request: Any) -> Any:
        return await self.ledger.ask(request, 5)

    async def closed(self, job_id: JobId = JOB, cost: str = "1") -> None:
        over = ev.JobClosed(outcome=Outcome.SUCCEEDED, cost_usd=Decimal(cost), at=self.clock.now())
        await self.tell(f"job/{job_id}", queued(job_id=job_id), over)
