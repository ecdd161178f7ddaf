"""The bill reader: asks the provider every hour what it billed, and has the ledger book what that says.

One call reads the bill of every job that is closed and not matched, and of those matched lately, because bills are
corrected. Nothing waits for it, and what it cannot read now it reads an hour later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from actors.fleet.charges import machines_of
from actors.journal.interface import ANY, Journal, Version
from actors.ledger.billing import MISSING_ALARM_S, Reading, Rented, add_up, window_start
from actors.ledger.requests import BookBills, JobBill, OpenBill, OpenBills
from actors.runtime.actor import Ref
from actors.runtime.slices import in_slices
from actors.runtime.world import Clock
from messages import events as ev
from messages.ids import JobId
from providers.interface import BilledLine, CloudTrainingProvider

READ_EVERY_S = 3_600.0
"""Between two looks at the bill; its finest bucket is an hour."""
FIRST_READ_S = 300.0
"""After the start: until then jobs and their machines have the quota for themselves."""
SLICE_LINES = 4_096
SLICE_JOBS = 256
"""Lines and jobs matched between two turns of the others: a few milliseconds."""
ASK_S = 60.0
ALARM = "bill_missing"
FLEET_STREAM = "fleet"


class BillReader:
    """Reads the bill of one provider account."""

    def __init__(
        self,
        training: CloudTrainingProvider,
        journal: Journal,
        clock: Clock,
        ledger: Ref[Any],
        log: Callable[..., Any],
    ) -> None:
        self._training = training
        self._journal = journal
        self._clock = clock
        self._ledger = ledger
        self._log = log
        self._machines: dict[JobId, tuple[str, ...]] = {}
        """What was rented for the jobs of the last look: closed jobs rent nothing more."""
        self._orphans: dict[JobId, list[ev.OrphanGone]] = {}
        self._fleet_read = Version(0)

    async def run(self) -> None:
        """Read for ever. Whatever goes wrong ends one look, never the reading."""
        await self._clock.sleep(FIRST_READ_S)
        while True:
            try:
                await self.read()
            except Exception as error:
                self._log("bill_not_read", error=str(error) or repr(error))
            await self._clock.sleep(READ_EVERY_S)

    async def read(self) -> None:
        """Look at the bill once. Raises what the provider, the journal or the ledger raises."""
        now = self._clock.now()
        open_now: tuple[OpenBill, ...] = await self._ledger.ask(OpenBills(), ASK_S)
        began = await self._began(open_now)
        expected = [one for one in open_now if one.job_id in began]
        self._forget(expected)
        if not expected:
            return
        since = window_start(began.values(), now)
        lines = await self._training.billed(since, now)
        if not lines:
            return
        await self._read_fleet()
        jobs = [await self._rented(one, began[one.job_id]) for one in expected]
        reading = await self._add_up(jobs, lines, since, now)
        booked = BookBills(bills=reading.bills, missing=reading.missing, provider=self._training.kind)
        corrected = await self._ledger.ask(booked, ASK_S)
        self._log("bill_read", lines=len(lines), jobs=len(reading.bills), corrected=corrected)
        await self._report(reading, expected, now)

    async def _add_up(
        self, jobs: Sequence[Rented], lines: Sequence[BilledLine], since: datetime, now: datetime
    ) -> Reading:
        """Match lines and jobs a few at a time: a month of thousands of jobs has very many of both."""
        by_machine: dict[str, list[BilledLine]] = {}
        async for some_lines in in_slices(self._clock, lines, SLICE_LINES):
            for line in some_lines:
                by_machine.setdefault(line.machine_id, []).append(line)
        bills: list[JobBill] = []
        missing: list[JobId] = []
        async for some in in_slices(self._clock, jobs, SLICE_JOBS):
            theirs = [line for job in some for machine in job.machines for line in by_machine.get(machine, ())]
            reading = add_up(some, theirs, since, now)
            bills += reading.bills
            missing += reading.missing
        return Reading(tuple(bills), tuple(missing))

    # ------------------------------------------------------------------------------------------- whose machines

    def _forget(self, expected: Sequence[OpenBill]) -> None:
        """Keep nothing of jobs whose bill is final."""
        wanted = frozenset(one.job_id for one in expected)
        for job_id in self._machines:
            if job_id not in wanted:
                self._orphans.pop(job_id, None)
        self._machines = {job_id: ids for job_id, ids in self._machines.items() if job_id in wanted}

    async def _began(self, open_now: Sequence[OpenBill]) -> dict[JobId, datetime]:
        """Return when each job was ordered; jobs of another provider are on another bill."""
        sql = "SELECT job_id, created_at FROM jobs WHERE provider = ? AND job_id IN (SELECT value FROM json_each(?))"
        asked = (self._training.kind, json.dumps([one.job_id for one in open_now]))
        rows = await self._journal.query(sql, asked)
        return {JobId(job_id): datetime.fromisoformat(created_at) for job_id, created_at in rows}

    async def _read_fleet(self) -> None:
        """Learn of machines that were found late."""
        for recorded in await self._journal.read(FLEET_STREAM, self._fleet_read):
            event = recorded.event
            if isinstance(event, ev.OrphanGone) and event.job_id:
                self._orphans.setdefault(event.job_id, []).append(event)
            self._fleet_read = recorded.version

    async def _rented(self, job: OpenBill, began: datetime) -> Rented:
        if job.job_id not in self._machines:
            recorded = await self._journal.read(f"job/{job.job_id}")
            self._machines[job.job_id] = machines_of(r.event for r in recorded)
        late = self._orphans.get(job.job_id, [])
        machines = dict.fromkeys((*self._machines[job.job_id], *(orphan.machine.id for orphan in late)))
        over_at = max((job.closed_at, *(orphan.proof.absent_since for orphan in late)))
        return Rented(job, began, tuple(machines), over_at)

    # ------------------------------------------------------------------------------------------- what is missing

    async def _report(self, reading: Reading, expected: Sequence[OpenBill], now: datetime) -> None:
        if reading.missing:
            self._log("bill_missing", jobs=len(reading.missing), first=reading.missing[0])
        closed_at = {one.job_id: one.closed_at for one in expected}
        for job_id in reading.missing:
            if (now - closed_at[job_id]).total_seconds() >= MISSING_ALARM_S:
                await self._raise_alarm(job_id, closed_at[job_id], now)

    async def _raise_alarm(self, job_id: JobId, closed_at: datetime, now: datetime) -> None:
        """Raise one alarm for a job, also over restarts."""
        detail = f"{job_id} closed on {closed_at:%Y-%m-%d}, and the provider's bill has no line for its machines."
        if await self._journal.query("SELECT 1 FROM alarms WHERE alarm = ? AND detail = ?", (ALARM, detail)):
            return
        await self._journal.append(
            "node", ANY, [ev.AlarmRaised(alarm=ALARM, detail=detail, at=now)], actor="BillReader"
        )
