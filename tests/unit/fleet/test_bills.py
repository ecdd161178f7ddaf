"""The bill reader over weeks: whose bill it asks for, how far back, and when a person is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.fleet.bills import FIRST_READ_S, READ_EVERY_S, BillReader
from messages import events as ev
from messages.ids import JobId
from messages.jobs import Binding
from providers.interface import BilledLine, Unavailable
from tests.support.desk import Desk
from tests.support.jobs import ACCOUNT, JOB, START, machine, queued
from tests.support.virtual import virtual

OTHER = JobId("job_bbbbbbbbbb")
DAY_S = 86_400.0
HOUR = timedelta(hours=1)


class Office(Desk):
    """A ledger, a bill that a test writes, and the reader between them."""

    kind = "fake"

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[BilledLine] = []
        self.windows: list[tuple[datetime, datetime]] = []
        self.logged: list[str] = []
        self.error: Exception | None = None

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        self.windows.append((since, until))
        if self.error:
            raise self.error
        return [line for line in self.lines if line.began < until and line.ended > since]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        training: Any = self
        async with self.open():
            reader = BillReader(training, self.journal, self.clock, self.ledger, lambda e, **_: self.logged.append(e))
            self.reader = reader
            task = asyncio.ensure_future(reader.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def job(self, job_id: JobId, *machine_ids: str, provider: str = "fake") -> None:
        """A job ran for the last hour, on these machines, and closed now."""
        order = queued(job_id=job_id)
        binding = Binding.model_validate({"provider": provider, "account": ACCOUNT, "config_digest": "c"})
        made = [ev.MachineFound(attempt=1, machine=machine("n", m), at=START) for m in machine_ids]
        order = order.model_copy(update={"at": self.clock.now() - HOUR, "binding": binding})
        await self.tell(f"job/{job_id}", order, *made)
        over = ev.JobClosed.model_validate({"outcome": "succeeded", "cost_usd": "1", "at": self.clock.now()})
        await self.tell(f"job/{job_id}", over)

    def bill(self, machine_id: str, amount: str = "1") -> None:
        now = self.clock.now()
        self.lines.append(BilledLine(machine_id, now - HOUR, now, Decimal(amount)))

    async def of(self, stream: str, kind: type[ev.Event]) -> list[Any]:
        return [r.event for r in await self.journal.read(stream) if isinstance(r.event, kind)]


@virtual
async def test_a_bill_that_never_comes_calls_a_person_after_a_week_and_once() -> None:
    office = Office()
    async with office.reading():
        office.bill("foreign")
        await office.job(JOB, "m1")
        await office.clock.sleep(7 * DAY_S - READ_EVERY_S)
        assert await office.of("node", ev.AlarmRaised) == []
        assert "bill_missing" in office.logged
        await office.clock.sleep(2 * READ_EVERY_S)
        [alarm] = await office.of("node", ev.AlarmRaised)
        assert alarm.alarm == "bill_missing"
        assert JOB in alarm.detail
        await office.clock.sleep(3 * DAY_S)
    async with office.reading():
        await office.clock.sleep(DAY_S)
        assert len(await office.of("node", ev.AlarmRaised)) == 1
        assert await office.of("ledger", ev.Billed) == []
        office.lines.append(BilledLine("m1", START - HOUR, START, Decimal("1.5")))
        await office.clock.sleep(DAY_S)
        [billed] = await office.of("ledger", ev.Billed)
        assert billed.difference_usd == Decimal("0.5")


@virtual
async def test_one_call_an_hour_reads_the_bill_of_every_open_job_and_none_is_made_without_one() -> None:
    office = Office()
    async with office.reading():
        await office.clock.sleep(DAY_S)
        assert office.windows == []
        for job_id, machine_id in ((JOB, "m1"), (OTHER, "m2")):
            await office.job(job_id, machine_id)
            office.bill(machine_id)
        await office.clock.sleep(4 * READ_EVERY_S)
        assert len(await office.of("ledger", ev.Billed)) == 2
        assert len(office.windows) <= 3
        since, until = office.windows[0]
        assert (since.minute, since.second, since.microsecond) == (0, 0, 0)
        assert timedelta(hours=3) <= until - since <= timedelta(hours=6)
        await office.clock.sleep(4 * DAY_S)
        asked = len(office.windows)
        assert 60 < asked < 80  # matched, and read again for three days
        await office.clock.sleep(DAY_S)
        assert len(office.windows) == asked


@virtual
async def test_the_first_look_comes_some_minutes_after_the_start() -> None:
    office = Office()
    async with office.open():
        await office.job(JOB, "m1")
        office.bill("m1")
        await office.clock.sleep(4 * READ_EVERY_S)
    async with office.reading():
        await office.clock.sleep(FIRST_READ_S - 1)
        assert office.windows == []
        await office.clock.sleep(2)
        assert len(office.windows) == 1


@virtual
async def test_jobs_of_another_provider_are_on_another_bill() -> None:
    office = Office()
    async with office.reading():
        await office.job(JOB, "m1", provider="runpod")
        office.bill("foreign")
        await office.clock.sleep(8 * DAY_S)
        assert office.windows == []
        assert await office.of("node", ev.AlarmRaised) == []
        await office.job(OTHER, "m2")
        office.bill("m2")
        await office.clock.sleep(8 * DAY_S)
        assert [e.job_id for e in await office.of("ledger", ev.Billed)] == [OTHER]
        assert await office.of("node", ev.AlarmRaised) == []


@virtual
async def test_a_bill_that_comes_after_a_month_is_not_read_any_more() -> None:
    office = Office()
    async with office.reading():
        await office.job(JOB, "m1")
        office.bill("foreign")
        await office.clock.sleep(32 * DAY_S)
        asked = len(office.windows)
        assert all(until - since <= timedelta(days=31, hours=1) for since, until in office.windows)
        office.lines.append(BilledLine("m1", START - HOUR, START, Decimal("1.5")))
        await office.clock.sleep(DAY_S)
        assert len(office.windows) == asked
        assert await office.of("ledger", ev.Billed) == []


@virtual
async def test_a_machine_found_late_is_on_the_bill_of_its_job() -> None:
    office = Office()
    async with office.reading():
        await office.job(JOB, "m1")
        office.bill("m1")
        office.bill("late", "0.5")
        proof = {"account": ACCOUNT, "at": START, "absent_since": START, "listing_began": START, "evidence": ()}
        late = ev.OrphanGone.model_validate(
            {"machine": machine("n", "late"), "reason": "r", "proof": proof, "cost_usd": "0.25", "at": START}
        )
        await office.tell("fleet", late, late.model_copy(update={"job_id": JOB}))
        await office.clock.sleep(5 * READ_EVERY_S)
        [billed] = await office.of("ledger", ev.Billed)
        assert (billed.billed_usd, billed.difference_usd) == (Decimal("1.5"), Decimal("0.25"))
        assert billed.machines == ("late", "m1")


@virtual
async def test_nothing_is_kept_of_a_job_whose_bill_is_final() -> None:
    office = Office()
    async with office.reading():
        await office.job(JOB, "m1")
        office.bill("m1")
        proof = {"account": ACCOUNT, "at": START, "absent_since": START, "listing_began": START, "evidence": ()}
        late = ev.OrphanGone.model_validate(
            {
                "machine": machine("n", "x"),
                "reason": "r",
                "proof": proof,
                "cost_usd": "0.25",
                "at": START,
                "job_id": JOB,
            }
        )
        await office.tell("fleet", late)
        kept = []
        for _ in range(10):
            await office.clock.sleep(READ_EVERY_S)
            kept += list(office.reader._orphans)
        assert JOB in kept
        await office.clock.sleep(33 * DAY_S)
        assert office.reader._orphans == {}


@virtual
async def test_a_machine_found_late_starts_the_wait_for_its_lines_anew() -> None:
    """What the books got for it is not taken back because its lines lag."""
    office = Office()
    async with office.reading():
        await office.job(JOB, "m1")
        office.bill("m1")
        await office.clock.sleep(1.5 * DAY_S)
        now = office.clock.now()
        proof = {"account": ACCOUNT, "at": now, "absent_since": now, "listing_began": now, "evidence": ()}
        gone = {"machine": machine("n", "late"), "reason": "r", "proof": proof, "cost_usd": "0.25", "at": now}
        await office.tell("fleet", ev.OrphanGone.model_validate({**gone, "job_id": JOB}))
        await office.clock.sleep(1.5 * READ_EVERY_S)
        assert [e.delta_usd for e in await office.of("ledger", ev.Corrected)] == [Decimal("0.25")]
        office.lines.append(BilledLine("late", now - HOUR, now, Decimal("0.5")))
        await office.clock.sleep(4 * READ_EVERY_S)
        assert [e.delta_usd for e in await office.of("ledger", ev.Corrected)] == [Decimal("0.25")] * 2


@pytest.mark.parametrize("error", [Unavailable("502"), ValueError("a fault of ours"), TimeoutError()])
@virtual
async def test_whatever_goes_wrong_ends_one_look_and_never_the_reading(error: Exception) -> None:
    office = Office()
    office.error = error
    async with office.reading():
        await office.job(JOB, "m1")
        office.bill("m1")
        await office.clock.sleep(6 * READ_EVERY_S)
        assert set(office.logged) == {"bill_not_read"}
        office.error = None
        await office.clock.sleep(READ_EVERY_S)
        assert len(await office.of("ledger", ev.Billed)) == 1


@virtual
async def test_however_few_are_matched_at_a_time_every_job_has_all_of_its_machines_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for bound in (
        "actors.fleet.bills.SLICE_LINES",
        "actors.fleet.bills.SLICE_JOBS",
        "actors.ledger.actor.SLICE_ACCOUNTS",
    ):
        monkeypatch.setattr(bound, 1)
    office = Office()
    jobs = [JobId.derived("slices", str(number)) for number in range(7)]
    async with office.reading():
        for number, job_id in enumerate(jobs):
            await office.job(job_id, f"a{number}", f"b{number}")
            for machine_id in [] if number == 3 else (f"a{number}", f"b{number}"):
                office.bill(machine_id, str(number))
        office.bill("foreign")
        await office.clock.sleep(6 * READ_EVERY_S)
        billed = {one.job_id: one.billed_usd for one in await office.of("ledger", ev.Billed)}
    assert billed == {job_id: 2 * number for number, job_id in enumerate(jobs) if number != 3}
    assert "bill_missing" in office.logged
