"""What the provider, the machine and the disk can do, and what must hold all the same (faults.md, design.md 9)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from actors.dispatcher.actor import Dispatcher
from actors.fleet.actor import FleetWatch
from actors.journal.interface import JournalUnavailable
from actors.ledger.actor import CostLedger
from actors.storage.actor import StorageActor
from actors.supervisor.actor import CLOCK_LOOK_S
from actors.supervisor.driver import WOKE, JobDriver
from actors.supervisor.rules import Naming
from messages.admin import PlanTraining, RemoveDataset, TrainOrder
from messages.errors import Refusal
from messages.events import AlarmRaised, Settled
from messages.jobs import JobState, Outcome
from messages.machines import MachineName
from providers.fake.scripts import Script
from providers.fake.training import FakeTraining
from providers.interface import Ambiguous, Denied, NoCapacity, ProviderError, Refused, Unavailable
from tests.support.journals import Append, Through
from tests.support.node import ANA, ASK_S, BEN, KEY, NodeKit, good, unhurried, virtually

SILENT = Script(starts_after_s=1)
"""A machine that runs and never says anything."""


def outcome(house_job: Any) -> Outcome:
    found: Outcome = house_job.closed.outcome
    return found


# ---------------------------------------------------------------------------------------------- creates


def test_a_lost_create_answer_never_leaves_a_machine_running() -> None:
    """Fault 1."""

    async def story(house: NodeKit) -> None:
        house.cloud.faults.fail_next("launch", after_effect=True)
        job = await house.closed(await house.train())
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1
        assert [a.ambiguous is not None for a in job.attempts] == [True]
        assert house.billing() == 0

    virtually(story)


def test_a_create_that_never_happened_is_made_again_only_after_the_quiet_time() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.faults.fail_next("launch", after_effect=False, error=Ambiguous("no answer"))
        job_id = await house.train()
        await house.clock.sleep(house.provider.training.timings.quiet_s - 2)
        assert house.cloud.launches == 0
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1
        assert job.attempts[0].never_seen

    virtually(story)


def test_a_machine_that_appears_after_it_was_given_up_is_ended_as_an_orphan() -> None:
    """Fault 2: late placement."""

    async def story(house: NodeKit) -> None:
        late = Script(starts_after_s=1, listed_after_s=45)
        house.cloud.script_next(late, good())
        house.cloud.faults.fail_next("launch", after_effect=True)
        job = await house.closed(await house.train())
        assert outcome(job) is Outcome.SUCCEEDED
        await house.clock.sleep(30)
        assert house.billing() == 0
        assert "fleet.orphan_reaped" in await house.kinds("fleet")

    virtually(story)


def test_a_surplus_twin_is_ended_and_the_job_goes_on() -> None:
    """Fault 17."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(good(twin_run := 20))
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        request = job.attempts[0].request
        assert request is not None
        house.cloud.plant(request.name)
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.billing() == 0
        assert twin_run
        assert "job.surplus_gone" in await house.kinds(f"job/{job_id}")

    virtually(story)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NoCapacity("none"), Outcome.NO_CAPACITY),
        (Denied("not with this key"), Outcome.REFUSED),
        (Refused("no"), Outcome.REFUSED),
    ],
)
def test_a_walk_over_refusing_offers_ends_and_costs_nothing(error: ProviderError, expected: Outcome) -> None:
    """Fault 11."""

    async def story(house: NodeKit) -> None:
        for _ in range(2):
            house.cloud.faults.fail_next("launch", error=error)
        job = await house.closed(await house.train())
        assert outcome(job) is expected
        assert job.closed is not None
        assert job.closed.cost_usd == 0
        assert house.cloud.launches == 0
        assert (await house.kinds("ledger")).count("ledger.settled") == 1

    virtually(story)


@pytest.mark.parametrize("error", [NoCapacity("none"), Denied("not there with this key")])
def test_the_next_offer_is_tried_when_the_first_is_not_to_be_had(error: ProviderError) -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.faults.fail_next("launch", error=error)
        job = await house.closed(await house.train())
        assert outcome(job) is Outcome.SUCCEEDED
        assert [a.request.offer.place for a in job.attempts if a.request] == ["here", "there"]

    virtually(story)


# ---------------------------------------------------------------------------------------------- running and ending


def test_a_machine_that_ignores_terminate_keeps_its_job_confirming_until_it_is_gone() -> None:
    """Fault 5."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=1, writes=good().writes, terminates_ignored=3))
        job_id = await house.train()
        await house.until(job_id, JobState.CONFIRMING)
        assert house.billing() == 1
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.billing() == 0

    virtually(story)


def test_a_machine_that_stays_listed_for_five_looks_keeps_its_job_confirming() -> None:
    async def story(house: NodeKit) -> None:
        lingering = Script(starts_after_s=1, ends_after_s=31.2, writes=good().writes, stays_listed_looks=5)
        house.cloud.script_next(lingering)
        job_id = await house.train()
        job = await house.until(job_id, JobState.CONFIRMING)
        assert not job.closed
        job = await house.closed(job_id)
        assert job.attempts[0].gone is not None
        assert outcome(job) is Outcome.SUCCEEDED

    virtually(story)


def test_a_lost_terminate_answer_is_asked_again() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(SILENT)
        job_id = await house.train()
        await house.until(job_id, JobState.STARTING)
        for _ in range(4):
            house.cloud.faults.fail_next("terminate", after_effect=False, error=Unavailable("502"))
        await house.halt(job_id)
        assert outcome(await house.closed(job_id)) is Outcome.CANCELLED
        assert house.billing() == 0

    virtually(story)


def test_a_machine_that_never_starts_is_ended_at_the_start_allowance_and_another_is_tried() -> None:
    """Fault 25."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=None))
        job = await house.closed(await house.train())
        assert outcome(job) is Outcome.SUCCEEDED
        assert len(job.attempts) == 2
        assert house.billing() == 0

    virtually(story)


def test_a_machine_taken_away_in_mid_work_is_tried_elsewhere() -> None:
    """Fault 24."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=1, ends_after_s=20, writes=good().writes[:1]))
        job = await house.closed(await house.train())
        assert outcome(job) is Outcome.SUCCEEDED
        assert len(job.attempts) == 2

    virtually(story)


def test_a_deadline_nobody_on_the_machine_keeps_is_kept_by_the_daemon() -> None:
    """Fault 23."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=1, writes=good().writes[:1]))
        job_id = await house.train(max_runtime_s=300)
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.TIMED_OUT
        line = house.cloud.books()[0]
        assert line.ended is not None
        assert line.ended - line.began < timedelta(seconds=60 + 300 + 30 + 60)

    virtually(story)


@pytest.mark.parametrize("spoiled", ["incomplete", "empty", "stale", "foreign"])
def test_a_listing_that_lies_kills_and_relaunches_nothing(spoiled: Any) -> None:
    """Faults 6, 7, 8 and 14."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(100))
        await house.clock.sleep(10)
        house.cloud.fault_next_listing(*[spoiled] * 5)
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1

    virtually(story)


@pytest.mark.no_cover  # hours go by, with steps that others take too
def test_an_outage_kills_no_healthy_job_and_everything_closes_after_it() -> None:
    """Fault 14."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(100))
        for call in ("list_machines", "describe", "terminate", "fingerprint"):
            house.cloud.faults.fail_next(call, error=Unavailable("down"), times=10_000)
        await house.clock.sleep(60)
        assert (await house.job(job_id)).phase is JobState.RUNNING
        await house.clock.sleep(3600)
        assert house.cloud.launches == 1
        house.heal()
        healed = house.clock.now()
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert job.closed is not None
        assert job.closed.at - healed < timedelta(seconds=300)
        assert house.billing() == 0

    virtually(story)


@pytest.mark.no_cover  # hours go by, with steps that others take too
@pytest.mark.parametrize("life", ["good", "silent", "taken", "ignores"])
def test_the_ledger_agrees_with_the_auditors_books(life: str) -> None:
    """I8: within one cent or one per cent, whichever is more, judged by who really billed when."""
    lives = {
        "good": good(3000),
        "silent": Script(starts_after_s=None),
        "taken": Script(starts_after_s=1, ends_after_s=2000, writes=good().writes[:1]),
        "ignores": Script(starts_after_s=1, writes=good(2000).writes, terminates_ignored=3),
    }

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(lives[life], good(2000))
        job = await house.closed(await house.train(), within_s=20_000)
        now = house.clock.now()
        billed = sum((line.amount(now) for line in house.cloud.books()), Decimal(0))
        assert job.closed is not None
        assert abs(job.closed.cost_usd - billed) <= max(Decimal("0.01"), billed / 100)
        settled = [r.event for r in await house.journal.read("ledger") if isinstance(r.event, Settled)]
        assert [event.observed_usd for event in settled] == [job.closed.cost_usd]

    unhurried(story)


@pytest.mark.parametrize("hours", [3, -3, 24])
def test_a_clock_that_is_set_ends_nothing_and_raises_an_alarm(hours: int) -> None:
    """Fault 50."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(120), max_runtime_s=600)
        house.wall.set_wall(hours * 3600)
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.SUCCEEDED
        assert job.closed is not None
        assert job.closed.cost_usd < Decimal("0.02")
        alarms = [r.event for r in await house.journal.read("node") if isinstance(r.event, AlarmRaised)]
        assert [alarm.alarm for alarm in alarms] == ["clock_jump"]

    virtually(story)


def test_a_passed_deadline_ends_a_machine_of_an_earlier_process_once_the_providers_clock_agrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead_s = [-86_400.0]
    monkeypatch.setattr(FakeTraining, "clock_off_s", lambda _: ahead_s[0], raising=False)

    async def story(house: NodeKit) -> None:
        job_id = await house.running(Script(starts_after_s=1, writes=good().writes[:1]), max_runtime_s=300)
        await house.restart()
        await house.clock.sleep(600)
        assert house.billing() == 1
        assert (await house.job(job_id)).phase is JobState.RUNNING
        ahead_s[0] = 0.0
        await house.clock.sleep(CLOCK_LOOK_S + 10)
        assert outcome(await house.job(job_id)) is Outcome.TIMED_OUT
        assert house.billing() == 0

    virtually(story)


def test_a_surplus_machine_is_paid_for_by_its_attempt() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(good(600, ends_itself=True))
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        request = job.attempts[0].request
        assert request is not None
        house.cloud.plant(request.name)
        job = await house.closed(job_id)
        billed = sum((line.amount(house.clock.now()) for line in house.cloud.books()), Decimal(0))
        assert job.closed is not None
        assert abs(job.closed.cost_usd - billed) < Decimal("0.001")
        assert job.attempts[0].surplus_usd > 0

    virtually(story)


def test_a_twin_that_is_listed_while_the_create_is_out_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """I2: dead within 90 s of being visible."""

    async def story(house: NodeKit) -> None:
        sound = house.provider.training.launch

        async def slow(request: Any, **_: Any) -> Any:
            made = await sound(request)
            house.cloud.plant(request.name)
            await house.clock.sleep(10)
            return made

        monkeypatch.setattr(house.provider.training, "launch", slow)
        job_id = await house.running(good(300))
        await house.clock.sleep(60)
        assert house.billing() == 1
        assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED

    virtually(story)


@pytest.mark.parametrize("how", ["cancelled", "words no journal takes"])
def test_a_create_that_breaks_in_any_way_is_made_once(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Rules 2 and 7."""

    async def story(house: NodeKit) -> None:
        sound = house.provider.training.launch

        async def broken(request: Any, **_: Any) -> Any:
            await sound(request)
            raise asyncio.CancelledError if how == "cancelled" else Ambiguous("\udcff")

        monkeypatch.setattr(house.provider.training, "launch", broken)
        job = await house.closed(await house.train())
        assert outcome(job) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1
        assert job.attempts[0].ambiguous is not None

    virtually(story)


def test_nothing_is_launched_in_safe_mode_also_for_jobs_that_had_a_slot() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.faults.fail_next("launch", error=NoCapacity("none"))
        house.cloud.faults.fail_next("launch", error=NoCapacity("none"), times=0)
        job_id = await house.train()
        house.node.safe_mode = "a reason"
        await house.clock.sleep(300)
        assert house.cloud.launches == 0
        assert house.billing() == 0
        house.node.safe_mode = None
        assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1

    virtually(story)


# ---------------------------------------------------------------------------------------------- orphans


def naming() -> Naming:
    return Naming("instal", "gene", KEY)


def test_a_foreign_machine_is_never_touched() -> None:
    """Fault 16."""

    async def story(house: NodeKit) -> None:
        for name in ("somebody-elses", "lc1-instalgene-aaaaaaaaaa-a001-x0000000001-aaaa"):
            house.cloud.plant(name)
        await house.clock.sleep(600)
        assert house.billing() == 2

    virtually(story)


def test_a_machine_past_the_hard_deadline_in_its_name_is_reaped() -> None:
    async def story(house: NodeKit) -> None:
        past = house.clock.now() + timedelta(seconds=100)
        name = MachineName("instal", "olde", "zzzzzzzzzz", 1, past).text(KEY)
        house.cloud.plant(name)
        await house.clock.sleep(95)
        assert house.billing() == 1
        await house.clock.sleep(20)
        assert house.billing() == 0

    virtually(story)


def test_a_machine_of_our_generation_without_an_intent_stops_all_launches() -> None:
    """Fault 53: a second writer."""

    async def story(house: NodeKit) -> None:
        hard = house.clock.now() + timedelta(hours=1)
        house.cloud.plant(MachineName("instal", "gene", "zzzzzzzzzz", 1, hard).text(KEY))
        await house.clock.sleep(5)
        assert house.billing() == 1
        with pytest.raises(Refusal, match="E-SAFEMODE"):
            await house.train()
        assert "node.alarm_raised" in await house.kinds("node")

    virtually(story)


# ---------------------------------------------------------------------------------------------- supervision, queue


def test_a_supervisor_that_fails_again_and_again_is_parked_and_its_machine_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault 56."""

    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(1000))
        sound, poisoned = JobDriver.hear, [6]

        async def poison(self: JobDriver, heard: Any) -> Any:
            if poisoned[0]:
                poisoned[0] -= 1
                raise ValueError("a fault of ours")
            return await sound(self, heard)

        monkeypatch.setattr(JobDriver, "hear", poison)
        while poisoned[0]:
            house.node.supervisors[job_id].tell(WOKE)
            await house.clock.sleep(0.5)
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.INTERRUPTED
        assert job.closed is not None
        assert job.closed.code == "E-PARKED"
        assert house.billing() == 0
        assert outcome(await house.closed(await house.train())) is Outcome.SUCCEEDED

    virtually(story, settings={"limits": {"max_machines": 1}})


def test_a_watch_that_fails_and_comes_back_forgets_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(60))

        def poison(*_: object) -> None:
            monkeypatch.undo()
            raise ValueError("a fault of ours")

        monkeypatch.setattr(FleetWatch, "_round", poison)
        await house.clock.sleep(5)
        restarts = [a.restarts for a in house.node.system.inspect() if a.name == "fleet"]
        assert restarts == [1]
        assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED
        assert house.cloud.launches == 1

    virtually(story)


@pytest.mark.parametrize("actor", [Dispatcher, CostLedger, StorageActor], ids=["dispatcher", "ledger", "storage"])
def test_any_actor_that_fails_and_comes_back_changes_nothing_of_the_end(
    monkeypatch: pytest.MonkeyPatch, actor: type[Any]
) -> None:
    """Fault 56."""

    async def story(house: NodeKit) -> None:
        first = await house.running(good(60))
        second = await house.train()

        async def poison(*_: object) -> None:
            monkeypatch.undo()
            raise ValueError("a fault of ours")

        monkeypatch.setattr(actor, "receive", poison)
        for name in ("dispatcher", "ledger", "storage"):
            found = house.node.system.find(name)
            assert found is not None
            found.tell(WOKE)
        await house.clock.sleep(2)
        assert sum(a.restarts for a in house.node.system.inspect()) == 1
        for job_id in (first, second):
            assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED
        assert (await house.kinds("ledger")).count("ledger.settled") == 2

    virtually(story)


def test_jobs_beyond_the_machine_limit_wait_their_turn_and_can_be_stopped() -> None:
    async def story(house: NodeKit) -> None:
        first, second, third = [await house.train() for _ in range(3)]
        await house.until(first, JobState.RUNNING)
        assert (await house.job(second)).phase is JobState.QUEUED
        await house.halt(third)
        assert outcome(await house.closed(third, within_s=5)) is Outcome.CANCELLED
        assert house.cloud.launches == 1
        assert outcome(await house.closed(second)) is Outcome.SUCCEEDED

    virtually(story, settings={"limits": {"max_machines": 1}})


def test_another_users_job_cannot_be_stopped_and_answers_as_if_it_were_not_there() -> None:
    """Fault 88."""

    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        with pytest.raises(Refusal, match="E-NOTFOUND"):
            await house.halt(job_id, BEN)
        assert outcome(await house.closed(job_id)) is Outcome.SUCCEEDED

    virtually(story)


def test_the_same_command_twice_makes_one_job_and_another_body_is_refused() -> None:
    """Fault 76."""

    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        command = house.command()
        once = await house.train(command=command, dataset=dataset)
        assert await house.train(command=command, dataset=dataset) == once
        with pytest.raises(Refusal, match="E-IDEMPOTENCY"):
            await house.train(command=command, dataset=dataset, target="a")
        await house.closed(once)
        assert house.cloud.launches == 1

    virtually(story)


def test_a_data_set_in_use_is_not_removed() -> None:
    """Fault 41."""

    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        job_id = await house.train(dataset=dataset)
        asked = RemoveDataset(command_id=house.command(), requester=ANA, ref=dataset)
        with pytest.raises(Refusal, match="E-INUSE"):
            await house.node.storage.ask(asked, ASK_S)
        await house.closed(job_id)
        await house.node.storage.ask(asked, ASK_S)

    virtually(story)


def test_bad_data_is_refused_before_anything_is_held_or_rented() -> None:
    """Fault 82."""

    async def story(house: NodeKit) -> None:
        house.spawner.refuse_with = ("E-CSV-TARGET", "There is no column 'x'.")
        with pytest.raises(Refusal, match="E-CSV-TARGET"):
            await house.train(target="x")
        assert house.cloud.launches == 0
        assert await house.kinds("ledger") == []
        audit = [r.event for r in await house.journal.read("audit")]
        assert any(getattr(e, "what", "") == "job.train" and not getattr(e, "success", True) for e in audit)

    virtually(story)


def test_a_node_keeps_nothing_of_jobs_that_are_over() -> None:
    """I14: memory does not grow with the number of jobs that were."""

    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        for _ in range(3):
            job_id = await house.train(dataset=dataset)
            await house.until(job_id, JobState.RUNNING)
            house.cloud.faults.fail_next("copy", error=Unavailable("down"))
            await house.closed(job_id)
        await house.clock.sleep(5)
        node = house.node
        assert node.supervisors == {}
        assert node.fleets.kept["fake"].watched == {}
        assert not node.fleets._jobs
        assert node._slots.waiting == ()
        assert not node._slots._holding
        assert not node.runner._flying
        assert not node.runner._failures
        assert {a.name for a in node.system.inspect()} == {"ledger", "storage", "fleet", "dispatcher", "reconciler"}

    virtually(story)


# ---------------------------------------------------------------------------------------------- money


def test_a_limit_too_small_to_start_is_refused_with_the_smallest_that_works() -> None:
    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        order = TrainOrder.model_validate({"dataset": dataset, "target": "churn", "max_cost_usd": "0.001"})
        with pytest.raises(Refusal, match="E-CAPTOOSMALL") as no:
            await house.node.dispatcher.ask(PlanTraining(requester=ANA, order=order), ASK_S)
        smallest = no.value.extra["smallest"]
        works = order.model_copy(update={"max_cost_usd": Decimal(smallest)})
        await house.node.dispatcher.ask(PlanTraining(requester=ANA, order=works), ASK_S)

    virtually(story)


def test_a_budget_holds_when_many_orders_race_for_the_last_of_it() -> None:
    """Fault 78, I6."""

    async def story(house: NodeKit) -> None:
        dataset = await house.upload()
        ids = [await house.train(dataset=dataset, max_cost_usd="1") for _ in range(6)]
        jobs = [await house.closed(job_id) for job_id in ids]
        outcomes = [outcome(job) for job in jobs]
        assert outcomes.count(Outcome.OVER_BUDGET) == 4
        assert outcomes.count(Outcome.SUCCEEDED) == 2
        assert house.billing() == 0

    virtually(
        story, settings={"limits": {"max_machines": 6, "max_machines_per_user": 6}, "budgets": {"per_day_usd": "2"}}
    )


# ---------------------------------------------------------------------------------------------- disk


class FullDisk(Through):
    """A journal whose disk can be full."""

    full = False

    async def before(self, asked: Append) -> None:
        if self.full:
            raise JournalUnavailable("disk full")


def test_a_full_disk_launches_nothing_and_still_ends_running_machines() -> None:
    """Faults 45 and 46."""

    async def story(house: NodeKit) -> None:
        disk = await house.restart_behind(FullDisk)
        house.cloud.script_next(good(1000))
        dataset = await house.upload()
        job_id = await house.train(dataset=dataset)
        await house.until(job_id, JobState.RUNNING)
        disk.full, house.degraded = True, "the disk is full"
        with pytest.raises(Refusal, match=r"E-JOURNAL.*are being ended"):
            await house.halt(job_id)
        await house.clock.sleep(10)
        assert house.billing() == 0
        with pytest.raises(Refusal, match="E-JOURNAL"):
            await house.train(dataset=dataset)
        disk.full, house.degraded = False, None
        job = await house.closed(job_id)
        assert outcome(job) is Outcome.CANCELLED
        assert house.cloud.launches == 1

    virtually(story)
