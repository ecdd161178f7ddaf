"""What was accepted is done although the process died, nobody ends what is not theirs, and one look is never proof."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from actors.dispatcher.actor import WhyQueued
from actors.journal.interface import JournalUnavailable
from actors.journal.sqlite import SqliteJournal
from actors.ledger.requests import MoneyTotals
from actors.storage.folder import JobFolder
from actors.supervisor.tools import Folder
from messages.admin import RemoveDataset, StopAll
from messages.errors import Refusal
from messages.events import AccrualStarted, Settled
from messages.ids import JobId
from messages.jobs import JobState, Outcome, ResultMarker, StopReason
from messages.machines import Listing, LogPrice, Offer
from messages.money import accrued
from providers.fake.scripts import Script, Write, fixed
from providers.fake.training import FakeTraining
from providers.interface import CloudStorageProvider, Need, NotFound, ProviderError, Unavailable
from tests.support.journals import Append, Through
from tests.support.node import ANA, ASK_S, BEN, NodeKit, good, unhurried, virtually

LONG = good(100)
SILENT = Script(starts_after_s=1, writes=good().writes[:1])
"""A machine that starts its work and says nothing more."""


class Severed(Through):
    """A journal in front of a process that dies, or a disk that refuses, at the first event of a kind."""

    def __init__(self, inner: SqliteJournal, kind: str, *, refuses: bool = False) -> None:
        super().__init__(inner)
        self.kind: str | None = kind
        self.refuses = refuses
        self.died = asyncio.Event()

    async def before(self, asked: Append) -> None:
        if self.died.is_set() or any(event.kind == self.kind for event in asked.events):
            if self.refuses:
                self.kind = None
                raise JournalUnavailable("disk full")
            self.died.set()
            await asyncio.get_running_loop().create_future()


async def severed(house: NodeKit, kind: str, **more: Any) -> Severed:
    """Restart the node so that nothing is written from the first event of ``kind`` on."""
    return await house.restart_behind(partial(Severed, kind=kind, **more))


async def die(house: NodeKit, journal: Severed, *clients: asyncio.Task[Any]) -> None:
    """Wait for the death, start again, and have the clients give up for good."""
    await journal.died.wait()
    await house.restart()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


def outcome(job: Any) -> Outcome:
    found: Outcome = job.closed.outcome
    return found


# ---------------------------------------------------------------------------------------------- accepted, not done


def test_an_accepted_training_is_queued_after_a_crash_although_nobody_asks_again() -> None:
    """Rule 10, fault 43: the crash came between the acceptance and the job."""

    async def story(house: NodeKit) -> None:
        dataset, command = await house.upload(), house.command()
        journal = await severed(house, "job.queued")
        client = asyncio.create_task(house.train(command=command, dataset=dataset))
        job_id = JobId.derived(command)
        await die(house, journal, client)
        await house.clock.sleep(1)
        assert "job.queued" in await house.kinds(f"job/{job_id}")
        assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1
        await house.restart()
        await house.clock.sleep(20)
        assert (await house.kinds(f"job/{job_id}")).count("job.queued") == 1

    virtually(story)


def test_an_accepted_training_is_queued_without_a_restart_when_the_disk_is_back() -> None:
    async def story(house: NodeKit) -> None:
        dataset, command = await house.upload(), house.command()
        await severed(house, "job.queued", refuses=True)
        job_id = await house.train(command=command, dataset=dataset)
        assert await house.kinds(f"job/{job_id}") == []
        await house.clock.sleep(10)
        assert "job.queued" in await house.kinds(f"job/{job_id}")
        assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED

    virtually(story)


@pytest.mark.parametrize("running", [True, False], ids=["running", "queued"])
def test_an_accepted_stop_ends_its_job_after_a_crash_although_nobody_asks_again(running: bool) -> None:
    """Rule 10: the crash came before the supervisor could write the stop down."""

    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        first = await house.running(LONG, dataset=dataset)
        second = await house.train(dataset=dataset)
        stopped, left = (first, second) if running else (second, first)
        journal = await severed(house, "job.stop_accepted")
        client = asyncio.create_task(house.halt(stopped))
        await die(house, journal, client)
        assert outcome(await house.closed(stopped, within_s=20)) is Outcome.CANCELLED
        assert outcome(await house.closed(left)) is Outcome.SUCCEEDED
        assert house.billing() == 0

    virtually(story, settings={"limits": {"max_machines": 1}})


def test_stopping_everything_stops_only_what_is_ones_own() -> None:
    """Fault 88."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(LONG, LONG)
        anas, bens = await house.train(ANA), await house.train(BEN)
        queued = await house.train(BEN)
        await house.until(bens, JobState.RUNNING)
        answer = await house.node.dispatcher.ask(StopAll(command_id=house.command(), requester=BEN), ASK_S)
        assert answer.stopped == (bens, queued)
        for job_id in (bens, queued):
            assert outcome(await house.closed(job_id, within_s=30)) is Outcome.CANCELLED
        assert outcome(await house.closed(anas)) is Outcome.SUCCEEDED

    virtually(story, settings={"limits": {"max_machines": 2}})


# ---------------------------------------------------------------------------------------------- nothing new now


WHY = ["degraded", "safe mode", "draining"]


def forbid(house: NodeKit, why: str, *, on: bool) -> None:
    """Let nothing new start, for one of the three reasons; or let it start again."""
    match why:
        case "degraded":
            house.degraded = "the disk is full" if on else None
        case "safe mode":
            house.node.safe_mode = "a second writer" if on else None
        case _:
            house.node.draining = on


@pytest.mark.parametrize("why", WHY)
def test_no_queued_job_starts_while_nothing_new_may_start_and_it_does_afterwards(why: str) -> None:
    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        first = await house.train(dataset=dataset)
        await house.until(first, JobState.RUNNING)
        second = await house.train(dataset=dataset)
        forbid(house, why, on=True)
        with pytest.raises(Refusal, match="E-"):
            await house.train(dataset=dataset)
        assert outcome(await house.closed(first)) is Outcome.SUCCEEDED
        await house.clock.sleep(300)
        assert (await house.job(second)).phase is JobState.QUEUED
        assert house.cloud.launches == 1
        assert await house.kinds(f"job/{second}") == ["job.queued"]
        waiting: dict[JobId, str] = await house.node.dispatcher.ask(WhyQueued(), ASK_S)
        assert list(waiting) == [second]
        forbid(house, why, on=False)
        assert outcome(await house.closed(second, within_s=90)) is Outcome.SUCCEEDED

    virtually(story, settings={"limits": {"max_machines": 1}})


@pytest.mark.parametrize("why", WHY)
def test_no_further_machine_is_tried_while_nothing_new_may_start_and_it_is_afterwards(why: str) -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(SILENT)
        await house.clock.sleep(10)
        forbid(house, why, on=True)
        house.cloud.end("fake-1")
        await house.clock.sleep(300)
        job = await house.job(job_id)
        assert job.closed is None
        assert [a.ended is not None for a in job.attempts] == [True]
        assert (await house.kinds("ledger")).count("ledger.reserved") == 1
        assert house.cloud.launches == 1
        forbid(house, why, on=False)
        assert outcome(await house.closed(job_id, within_s=90)) is Outcome.SUCCEEDED
        assert house.cloud.launches == 2

    virtually(story)


def test_a_data_set_removed_between_plan_and_queue_makes_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 41."""

    async def story(house: NodeKit) -> None:
        dataset, command = await house.upload(), house.command()
        sound = FakeTraining.offers

        async def offers(self: FakeTraining, need: Need) -> list[Offer]:
            monkeypatch.undo()
            removal = RemoveDataset(command_id=house.command(), requester=ANA, ref=dataset)
            await house.node.storage.ask(removal, ASK_S)
            return await sound(self, need)

        monkeypatch.setattr(FakeTraining, "offers", offers)
        with pytest.raises(Refusal, match="E-NOTFOUND"):
            await house.train(command=command, dataset=dataset)
        await house.clock.sleep(20)
        assert await house.kinds(f"job/{JobId.derived(command)}") == []
        assert await house.kinds(f"command/{command}") == []
        assert house.cloud.launches == 0

    virtually(story)


# ---------------------------------------------------------------------------------------------- one look is no proof


def test_an_orphan_before_its_hard_deadline_is_ended_only_on_a_complete_listing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault 6: that its attempt is over is a reason for whoever sees all; only its own name is one by itself."""

    async def story(house: NodeKit) -> None:
        request = (await house.closed(await house.train())).attempts[0].request
        assert request is not None
        sound = FakeTraining.list_machines

        async def cut(self: FakeTraining) -> Listing:
            return (await sound(self)).model_copy(update={"complete": False})

        monkeypatch.setattr(FakeTraining, "list_machines", cut)
        house.cloud.plant(request.name)
        await house.clock.sleep(20)
        assert house.clock.now() < request.hard_deadline
        assert house.billing() == 1
        assert await house.kinds("fleet") == []
        monkeypatch.undo()
        await house.clock.sleep(10)
        assert house.billing() == 0
        assert await house.kinds("fleet") == ["fleet.orphan_reaped", "fleet.orphan_gone"]

    virtually(story)


def test_a_machine_not_found_once_and_then_found_is_left_alone() -> None:
    """Fault 7: the listing lies and one answer agrees with it."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(LONG)
        await house.clock.sleep(10)
        house.cloud.fault_next_listing("empty", "empty", "empty")  # enough for a closer look
        house.cloud.faults.fail_next("describe", error=NotFound("who?"))
        job = await house.closed(job_id)
        assert not house.cloud.faults._waiting["describe"]  # it was asked, and said so
        assert outcome(job) is Outcome.SUCCEEDED
        assert [a.end.reason for a in job.attempts if a.end] == [StopReason.MARKER]
        assert house.cloud.launches == 1

    virtually(story)


def test_one_empty_listing_does_not_even_start_a_closer_look() -> None:
    """Fault 7: an account that lists nothing looks the same as a listing that is broken."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(LONG)
        await house.clock.sleep(10)
        house.cloud.fault_next_listing("empty", "empty")
        house.cloud.faults.fail_next("describe", error=NotFound("who?"), times=2)
        job = await house.closed(job_id)
        assert len(house.cloud.faults._waiting["describe"]) == 2  # nobody asked
        assert outcome(job) is Outcome.SUCCEEDED

    virtually(story)


@pytest.mark.parametrize("answer", ["another account", "none"])
def test_a_machine_not_found_twice_is_left_alone_unless_the_right_account_says_so(
    monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Fault 8: a key of another account finds nothing at all."""

    async def story(house: NodeKit) -> None:
        asked = 0

        async def fingerprint(self: FakeTraining) -> str:
            nonlocal asked
            asked += 1
            if answer == "none":
                raise Unavailable("down")
            return "fake:somebody-else"

        job_id = await house.running(LONG)
        await house.clock.sleep(10)
        house.cloud.fault_next_listing("empty", "empty", "empty")  # enough for a closer look
        house.cloud.faults.fail_next("describe", error=NotFound("who?"), times=2)
        monkeypatch.setattr(FakeTraining, "fingerprint", fingerprint)
        await house.clock.sleep(10)
        assert asked == 1
        monkeypatch.undo()
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert [a.end.reason for a in job.attempts if a.end] == [StopReason.MARKER]

    virtually(story)


def test_a_machine_whose_describe_fails_is_not_gone() -> None:
    """Fault 14."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(LONG)
        await house.clock.sleep(10)
        house.cloud.fault_next_listing("empty", "empty")
        errors: tuple[ProviderError, ...] = (Unavailable("502"), NotFound("who?"), Unavailable("502"))
        for error in errors:
            house.cloud.faults.fail_next("describe", error=error)
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1

    virtually(story)


class SlowFolder(JobFolder):
    """A job folder whose last files become readable only after the first look at it."""

    def __init__(self, store: CloudStorageProvider, key: str, looked: Callable[[str], None]) -> None:
        super().__init__(store, key)
        self._looked = looked

    async def read_marker(self) -> ResultMarker | None:
        found = await super().read_marker()
        self._looked(self.key)
        return found


def test_a_marker_that_becomes_visible_only_at_the_second_read_counts() -> None:
    """The machine is gone; storage shows its last files a moment later."""

    async def story(house: NodeKit) -> None:
        late = good().writes[1:]
        looks: list[float] = []

        def looked(key: str) -> None:
            looks.append(house.clock.monotonic())
            for write in late:
                request = house.cloud.machines["fake-1"].request
                assert request is not None
                house.cloud._write(request, write, house.clock.now())

        def folder(store: CloudStorageProvider, key: str) -> Folder:
            return SlowFolder(store, key, looked)

        house.node.runner._tools = replace(house.node.runner._tools, folder=folder)
        job_id = await house.running(SILENT)
        await house.clock.sleep(10)
        house.cloud.end("fake-1")
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1
        assert len(looks) == 2
        assert looks[1] - looks[0] >= house.provider.training.timings.marker_gap_s
        assert job.attempts[0].gone is not None

    virtually(story)


def test_two_looks_that_show_no_marker_are_as_far_apart_as_storage_needs() -> None:
    async def story(house: NodeKit) -> None:
        looks: list[float] = []

        def folder(store: CloudStorageProvider, key: str) -> Folder:
            return SlowFolder(store, key, lambda _: looks.append(house.clock.monotonic()))

        house.node.runner._tools = replace(house.node.runner._tools, folder=folder)
        job_id = await house.running(SILENT)
        await house.clock.sleep(10)
        house.cloud.end("fake-1")
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert len(job.attempts) == 2
        assert len(looks) == 2
        assert looks[1] - looks[0] >= house.provider.training.timings.marker_gap_s

    virtually(story)


# ---------------------------------------------------------------------------------------------- the price of the disk


def test_the_disk_of_a_machine_is_paid_for_while_it_runs_and_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """I8: an offer has two prices, and both are billed."""
    sound = FakeTraining._offer

    def offer(self: FakeTraining, place: str) -> Offer:
        return sound(self, place).model_copy(update={"disk_usd_per_hour": Decimal("0.72")})

    monkeypatch.setattr(FakeTraining, "_offer", offer)
    rate = Decimal("0.36") + Decimal("0.72")

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(3000))
        await house.clock.sleep(1000)
        started = [r.event for r in await house.journal.read("ledger") if isinstance(r.event, AccrualStarted)]
        assert [event.rate_usd_per_hour for event in started] == [rate]
        totals = await house.node.ledger.ask(MoneyTotals(), ASK_S)
        span_s = (house.clock.now() - started[0].at).total_seconds()
        assert totals.running_usd == accrued(rate, span_s)
        job = await house.closed(job_id)
        ended = job.attempts[0].ended
        assert ended is not None
        assert ended.rate_usd_per_hour == rate
        assert ended.billed_from is not None
        assert ended.billed_until is not None
        assert ended.cost_usd == accrued(rate, (ended.billed_until - ended.billed_from).total_seconds())
        assert job.closed is not None
        assert job.closed.cost_usd == ended.cost_usd > accrued(rate, 3000)

    unhurried(story)


@pytest.mark.parametrize("readable", [True, False])
def test_a_log_that_costs_something_is_counted_in_the_folder_where_its_machine_could_not(
    monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    """Whose log cannot be counted pays for the most it can be, and is closed all the same."""
    sound = FakeTraining._offer
    price = LogPrice(usd_per_file=Decimal("0.001"), usd_per_gb=Decimal("1"), bytes_max=1 << 20, files_per_hour=3600)

    def offer(self: FakeTraining, place: str) -> Offer:
        return sound(self, place).model_copy(update={"log": price, "least_s": 300})

    async def blind(_: JobFolder) -> tuple[int, int]:
        raise Unavailable("503")

    monkeypatch.setattr(FakeTraining, "_offer", offer)
    if not readable:
        monkeypatch.setattr(JobFolder, "count_log", blind)
    wrote = (*SILENT.writes, *(Write(2, f"log/00000{n}.ndjson", fixed(b"x" * 512)) for n in (1, 2)))

    async def story(house: NodeKit) -> None:
        job_id = await house.running(Script(starts_after_s=1, writes=wrote))
        await house.clock.sleep(10)
        await house.halt(job_id)
        attempt = (await house.closed(job_id)).attempts[0]
        assert attempt.marker is None
        assert attempt.ended is not None
        assert attempt.intent is not None
        log_usd = price.usd(2, 1024) if readable else attempt.ended.fixed_usd
        assert attempt.ended.fixed_usd == log_usd
        assert log_usd > price.bytes_usd_max or readable
        booked = [r.event for r in await house.journal.read("ledger") if isinstance(r.event, Settled)]
        assert [event.observed_usd for event in booked] == [accrued(Decimal("0.36"), 300) + log_usd]

    virtually(story)
