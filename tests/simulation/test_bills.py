"""The ledger against the provider's bill: what shows late, lags, differs or changes, and nothing counted twice (I8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.journal.sqlite import SqliteJournal
from actors.views.money import MoneyViews
from messages import events as ev
from messages.ids import JobId
from messages.jobs import JobState
from providers.fake.scripts import Script
from providers.fake.training import FakeTraining
from providers.interface import BilledLine, Unavailable
from tests.support.node import ANA, BEN, NodeKit, good, unhurried, virtually

HOUR_S = 3_600.0
CENT = Decimal("0.01")

pytestmark = pytest.mark.no_cover
"""Days of bills go by in each story; unit and integration tests reach what reads and books them."""


class Bill:
    """The provider's bill as tests bend it, between the node and the cloud's own books."""

    def __init__(self, house: NodeKit, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        self.lag_s = 0.0
        self.extra: dict[str, Decimal] = {}
        self.hidden: set[str] = set()
        self.fails = 0
        self.reads = 0
        self._sound = house.provider.training.billed
        monkeypatch.setattr(house.provider.training, "billed", self.billed)

    async def billed(self, since: datetime, until: datetime) -> list[BilledLine]:
        self.reads += 1
        if self.fails:
            self.fails -= 1
            raise Unavailable("502")
        lines = [line for line in await self._sound(since, until) if line.machine_id not in self.hidden]
        shown = [line for line in lines if (until - line.ended).total_seconds() >= self.lag_s]
        return [half for line in shown for half in self._halves(line)]

    def _halves(self, line: BilledLine) -> list[BilledLine]:
        """A machine's bill comes in several lines."""
        amount = line.amount_usd + self.extra.get(line.machine_id, Decimal(0))
        middle = line.began + (line.ended - line.began) / 2
        first = line._replace(ended=middle, amount_usd=amount / 3)
        return [first, BilledLine(line.machine_id, middle, line.ended, amount - amount / 3)]


async def booked(house: NodeKit) -> Decimal:
    """Return everything the ledger has booked to jobs."""
    total = Decimal(0)
    for event in await of_ledger(house):
        if isinstance(event, ev.Settled):
            total += event.observed_usd
        elif isinstance(event, ev.Corrected):
            total += event.delta_usd
    return total


async def of_ledger(house: NodeKit) -> list[ev.Event]:
    return [r.event for r in await house.journal.read("ledger")]


async def corrections(house: NodeKit) -> list[ev.Corrected]:
    return [event for event in await of_ledger(house) if isinstance(event, ev.Corrected)]


def audited(house: NodeKit) -> Decimal:
    """Return what the auditor saw bill, whoever knew of it."""
    return sum((line.amount(house.clock.now()) for line in house.cloud.books()), Decimal(0))


def agree(ledger: Decimal, auditor: Decimal) -> bool:
    """I8 in exact words: within one cent or one per cent, whichever is more."""
    return abs(ledger - auditor) <= max(CENT, auditor / 100)


async def closed_job(house: NodeKit, run_s: float = 3000) -> tuple[JobId, str]:
    """Let one job run to its end; return it with its machine's name."""
    house.cloud.script_next(good(run_s))
    job_id = await house.train()
    await house.clock.sleep(run_s)
    job = await house.closed(job_id)
    request = job.attempts[0].request
    assert request is not None
    return job.id, request.name


async def costs(house: NodeKit, who: Any = ANA, by: str = "day") -> Any:
    return await MoneyViews(house.journal, house.clock, house.node.ledger).costs(who.user_id, by)


# ---------------------------------------------------------------------------------------------- found late


def test_a_surplus_that_shows_after_its_job_closed_is_ended_and_booked_once() -> None:
    async def story(house: NodeKit) -> None:
        job_id, name = await closed_job(house)
        late = house.cloud.plant(name, Script(listed_after_s=5000))
        await house.clock.sleep(5000 + 90)
        assert house.billing() == 0
        [correction] = await corrections(house)
        assert (correction.job_id, correction.source, correction.user_id) == (job_id, late, ANA.user_id)
        assert correction.delta_usd == pytest.approx(Decimal("0.50"), abs=CENT)
        assert agree(await booked(house), audited(house))
        for _ in range(2):
            await house.restart()
            await house.clock.sleep(60)
        assert len(await corrections(house)) == 1

    unhurried(story)


def test_a_surplus_of_an_earlier_attempt_is_booked_while_the_job_still_runs() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=None), good(6000))
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        while len(job.attempts) < 2:
            await house.clock.sleep(1)
            job = await house.job(job_id)
        request = job.attempts[0].request
        assert request is not None
        house.cloud.plant(request.name, Script(listed_after_s=3000))
        await house.clock.sleep(3100)
        assert len(await corrections(house)) == 1
        assert (await house.job(job_id)).phase is not JobState.CLOSED
        await house.closed(job_id, within_s=20_000)
        assert agree(await booked(house), audited(house))
        await house.clock.sleep(5 * HOUR_S)
        assert await booked(house) == audited(house)

    unhurried(story)


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 2.5])
def test_a_restart_at_any_moment_of_a_reap_loses_and_doubles_no_booking(after_s: float) -> None:
    """Rule 10: between the reason, the end, the proof and the booking."""

    async def story(house: NodeKit) -> None:
        _, name = await closed_job(house, run_s=100)
        house.cloud.plant(name, Script(listed_after_s=5000))
        await house.away(4900)
        await house.clock.sleep(90)
        while "fleet.orphan_reaped" not in await house.kinds("fleet"):
            await house.clock.sleep(0.05)
        await house.clock.sleep(after_s)
        await house.restart()
        await house.clock.sleep(120)
        assert house.billing() == 0
        [correction] = await corrections(house)
        assert correction.delta_usd == pytest.approx(Decimal("0.50"), abs=CENT)
        assert (await house.kinds("fleet")).count("fleet.orphan_gone") == 1

    virtually(story)


def test_a_machine_whose_end_a_dead_process_never_proved_is_booked_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next listing no longer shows it: only its journaled reason is left."""

    async def story(house: NodeKit) -> None:
        _, name = await closed_job(house)
        late = house.cloud.plant(name, Script(listed_after_s=3000))
        await house.clock.sleep(2900)
        monkeypatch.setattr(house.provider.training, "prove_gone", lambda _machine: house.clock.sleep(10**6))
        await house.clock.sleep(200)
        assert house.billing() == 0
        assert await house.kinds("fleet") == ["fleet.orphan_reaped"]
        assert await corrections(house) == []
        monkeypatch.undo()
        await house.restart()
        await house.clock.sleep(60)
        [correction] = await corrections(house)
        assert correction.source == late
        assert agree(await booked(house), audited(house))

    unhurried(story)


# ---------------------------------------------------------------------------------------------- bills


def test_a_bill_that_says_the_same_matches_the_job_and_corrects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        await closed_job(house)
        observed = await booked(house)
        await house.clock.sleep(10 * HOUR_S)
        assert observed == await booked(house) == audited(house)
        assert (await house.kinds("ledger")).count("ledger.billed") == 1
        assert await corrections(house) == []
        assert bill.reads > 4
        report = await costs(house)
        assert (report.difference_usd, report.unbilled_jobs) == (None, 0)

    unhurried(story)


def test_a_bill_is_believed_only_once_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 79: records lag."""

    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        bill.lag_s = HOUR_S
        job_id, _ = await closed_job(house)
        bill.extra["fake-1"] = CENT
        closed = (await house.job(job_id)).closed
        assert closed is not None
        while "ledger.billed" not in await house.kinds("ledger"):
            await house.clock.sleep(60)
        assert house.clock.now() - closed.at >= timedelta(hours=2)
        assert house.clock.now() - closed.at < timedelta(hours=4, minutes=5)
        [correction] = await corrections(house)
        assert correction.delta_usd == CENT
        assert correction.job_id == job_id
        assert await booked(house) == audited(house) + CENT

    unhurried(story)


def test_a_bill_that_is_corrected_is_booked_again_also_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 79: records are corrected."""

    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        await closed_job(house)
        observed = await booked(house)
        bill.extra["fake-1"] = CENT
        await house.clock.sleep(5 * HOUR_S)
        bill.extra["fake-1"] = -2 * CENT
        await house.restart()
        await house.clock.sleep(3 * HOUR_S)
        assert [c.delta_usd for c in await corrections(house)] == [CENT, -3 * CENT]
        assert len({c.source for c in await corrections(house)}) == 2
        assert await booked(house) == observed - 2 * CENT
        for by in ("day", "job", "provider", "model"):
            report = await costs(house, by=by)
            assert report.total_usd == await booked(house)
            assert report.difference_usd == -2 * CENT
            assert [row.difference_usd for row in report.rows] == [-2 * CENT]
            assert [row.jobs for row in report.rows] == [1]
        assert (await costs(house, BEN)).difference_usd is None

    unhurried(story)


def test_a_late_surplus_is_not_paid_twice_when_it_is_on_the_bill_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        _, name = await closed_job(house)
        late = house.cloud.plant(name, Script(listed_after_s=5 * HOUR_S))
        bill.lag_s = 1800
        await house.clock.sleep(4 * HOUR_S)
        assert (await house.kinds("ledger")).count("ledger.billed") == 1
        await house.clock.sleep(HOUR_S + 300)
        assert [c.source for c in await corrections(house)] == [late]
        bill.extra[late] = CENT
        await house.clock.sleep(2 * HOUR_S)
        assert len(await corrections(house)) == 1  # its lines may not be complete yet
        await house.clock.sleep(3 * HOUR_S)
        assert await booked(house) == audited(house) + CENT
        assert len(await corrections(house)) == 2

    unhurried(story)


def test_lines_of_machines_that_are_not_ours_are_nobodys_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        foreign = house.cloud.plant("somebody-elses")
        await closed_job(house)
        observed = await booked(house)
        house.cloud.end(foreign)
        await house.clock.sleep(5 * HOUR_S)
        assert bill.reads > 1
        assert (await house.kinds("ledger")).count("ledger.billed") == 1
        assert await booked(house) == observed

    unhurried(story)


def test_a_job_without_a_line_keeps_what_was_observed_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        await closed_job(house)
        bill.hidden.add("fake-1")
        other = await house.closed(await house.train(BEN))
        observed = await booked(house)
        await house.clock.sleep(6 * HOUR_S)
        assert [e.job_id for e in await of_ledger(house) if isinstance(e, ev.Billed)] == [other.id]
        assert await booked(house) == observed
        assert ((await costs(house)).unbilled_jobs, (await costs(house, BEN)).unbilled_jobs) == (1, 0)
        assert any(event == "bill_missing" for event, _ in house.logged)
        bill.hidden.clear()
        await house.clock.sleep(HOUR_S)
        assert (await costs(house)).unbilled_jobs == 0

    unhurried(story)


def test_a_provider_that_shows_no_bill_is_never_asked_and_no_job_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeTraining, "has_bill", False)

    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        await closed_job(house)
        await house.closed(await house.train(BEN))
        observed = await booked(house)
        await house.clock.sleep(6 * HOUR_S)
        assert bill.reads == 0
        assert await booked(house) == observed
        assert (await costs(house)).unbilled_jobs == (await costs(house, BEN)).unbilled_jobs == 0

    unhurried(story)


@pytest.mark.parametrize("how", ["bills nothing", "fails"])
def test_a_bill_that_cannot_be_had_changes_nothing(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        failures = 3 if how == "fails" else 0
        bill.fails = failures
        if not failures:
            bill.hidden.add("fake-1")
        await closed_job(house)
        await house.clock.sleep(5 * HOUR_S)
        assert "ledger.billed" not in await house.kinds("ledger")
        assert (await costs(house)).unbilled_jobs == 0
        assert [event for event, _ in house.logged if event == "bill_not_read"] == ["bill_not_read"] * failures
        bill.hidden.clear()
        await house.clock.sleep(3 * HOUR_S)
        assert (await house.kinds("ledger")).count("ledger.billed") == 1

    unhurried(story)


def test_a_disk_that_takes_no_bill_gets_it_again_an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        bill = Bill(house, monkeypatch)
        await closed_job(house)
        bill.extra["fake-1"] = CENT
        sound, refused = SqliteJournal.append, [2]

        async def append(self: SqliteJournal, stream: str, *more: Any, **named: Any) -> Any:
            if refused[0] and any(isinstance(event, ev.Billed) for event in more[1]):
                refused[0] -= 1
                raise OSError("no space left")
            return await sound(self, stream, *more, **named)

        monkeypatch.setattr(SqliteJournal, "append", append)
        await house.clock.sleep(7 * HOUR_S)
        assert refused == [0]
        assert [c.delta_usd for c in await corrections(house)] == [CENT]
        assert await booked(house) == audited(house) + CENT

    unhurried(story)


def test_after_the_bill_the_books_are_the_auditors_to_the_micro_dollar() -> None:
    """I8 with everything at once: twins, lost answers, machines that ignore their end, late ones, and restarts."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(
            Script(starts_after_s=1, writes=good(2000).writes, twin=True),
            Script(starts_after_s=1, writes=good(900).writes, terminates_ignored=3),
            Script(starts_after_s=None),
        )
        ids = [await house.train(ANA), await house.train(BEN)]
        house.cloud.faults.fail_next("launch", after_effect=True)
        ids.append(await house.train(ANA))
        for job_id in ids:
            await house.closed(job_id, within_s=20_000)
        request = (await house.job(ids[0])).attempts[0].request
        assert request is not None
        house.cloud.plant(request.name, Script(listed_after_s=4000))
        await house.clock.sleep(4100)
        await house.restart()
        assert house.billing() == 0
        assert agree(await booked(house), audited(house))
        await house.clock.sleep(7 * HOUR_S)
        assert await booked(house) == audited(house)
        before = await of_ledger(house)
        await house.restart()
        await house.clock.sleep(3 * HOUR_S)
        assert await of_ledger(house) == before

    unhurried(story, settings={"limits": {"max_machines": 4, "max_machines_per_user": 4}})
