"""One story for each thing that must hold on RunPod, told with explicit faults and judged by the auditor too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from actors.fleet.bills import BillReader
from actors.supervisor.state import Job
from messages.ids import JobId
from messages.jobs import JobState, Outcome, StopReason
from tests.emulators.runpod.settings import Settings
from tests.simulation.clouds.auditor import Auditor, Tapped
from tests.simulation.clouds.house import BUNDLE
from tests.simulation.clouds.machines import Work
from tests.simulation.runpod.cloud import RUNPOD
from tests.simulation.runpod.house import RunPodHouse, simulate
from tests.support.node import ARTIFACTS

GPU = "NVIDIA RTX A5000"
HOUR_S = 3600.0
Told = Callable[["Story"], Awaitable[None]]


class Story:
    """A node on the emulated platform with the auditor beside it."""

    def __init__(self, house: RunPodHouse) -> None:
        self.house = house
        self.auditor = Auditor(house)

    def wrap(self, inner: Any) -> Tapped:
        return Tapped(inner, self.auditor)

    def arm(self, **faults: Any) -> None:
        """Switch faults on; ``__`` stands for the dot in a fault's name."""
        document = {name.replace("__", "."): value for name, value in faults.items()}
        self.house.platform.faults.arm_json(document, self.house.now())
        self.house.platform.tick(self.house.now())

    @asynccontextmanager
    async def blind(self) -> AsyncIterator[None]:
        """While inside, the daemon is down or reaches nothing."""
        self.auditor.blinded()
        yield
        self.auditor.sees()

    async def down(self, seconds: float) -> None:
        """Kill the daemon and start it again after a while."""
        async with self.blind():
            await self.house.stop()
            await self.house.clock.sleep(seconds)
            await self.house.start(wrap=self.wrap)

    async def running(self, job_id: JobId) -> Job:
        return await self.house.until(job_id, JobState.RUNNING)

    async def closed(self, job_id: JobId, *outcomes: Outcome) -> Job:
        return await self.house.ended(job_id, *outcomes, within_s=8 * HOUR_S)

    async def over(self, *, pods: int | None = None) -> None:
        """Everything is closed: no pod of ours is left, at most one was adopted by an intent, and the bill agrees."""
        house = self.house
        while (
            house.billing()
            or self.auditor.ledger.open
            or any(life.created_at is None for life in house.platform.history())
        ):
            await house.clock.sleep(5)
        await house.clock.sleep(10)
        self.auditor.final()
        ours = [life for life in house.platform.history() if not life.foreign]
        assert all(life.ended_at is not None for life in ours)
        assert pods in (None, len(ours)), [life.name for life in ours]
        await house.stop()
        await house.clock.sleep(RUNPOD.bill_s)
        await house.start(wrap=self.wrap)
        node = house.node
        training = house.provider.training
        await BillReader(training, node.parts.journal, node.world.clock, node.ledger, lambda *_, **__: None).read()
        self.auditor.billed()


def tell(told: Told, **more: Any) -> None:
    async def story(house: RunPodHouse) -> None:
        one = Story(house)
        await house.restart(wrap=one.wrap)
        watch = asyncio.create_task(one.auditor.watch())
        try:
            await told(one)
            one.auditor.check()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    simulate(story, **more)


def work(run_s: float = 60.0, ends: str = "succeeded") -> dict[str, Any]:
    return {"works": lambda _name, _attempt: Work(run_s, ends, ARTIFACTS)}


# ------------------------------------------------------------------------------------------------ creating


@pytest.mark.parametrize("answer", ["500", "502", "timeout", "reset", "garbage"])
def test_a_create_that_is_not_answered_well_and_was_made_is_adopted(answer: str) -> None:
    async def told(story: Story) -> None:
        story.arm(**{"create__accept_then": {"value": answer, "calls": 1}})
        job = await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        assert job.attempts[0].ambiguous is not None
        await story.over(pods=1)

    tell(told)


def test_a_pod_that_appears_two_minutes_after_its_create_failed_is_adopted_and_no_other_is_made() -> None:
    async def told(story: Story) -> None:
        story.arm(create__materialise_after={"value": 120.0, "calls": 1})
        job = await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told)


def test_a_list_that_lags_ninety_seconds_and_a_get_that_finds_nothing_lose_no_job() -> None:
    async def told(story: Story) -> None:
        story.arm(list__lag=90.0, get__404_for=90.0)
        job = await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told)


def test_a_get_that_finds_nothing_right_after_the_create_proves_nothing() -> None:
    async def told(story: Story) -> None:
        story.arm(list__lag=110.0, get__404_for=110.0, delete__404_then_visible={"value": True, "calls": 2})
        job_id = await story.house.train()
        await story.house.until(job_id, JobState.STARTING)
        async with story.blind():  # the platform takes no end
            await story.house.halt(job_id)
            await story.house.clock.sleep(120)
        await story.closed(job_id, Outcome.CANCELLED)
        await story.over(pods=1)

    tell(told)


def test_lists_that_are_empty_for_a_while_call_no_pod_gone_though_its_id_is_not_found_meanwhile() -> None:
    """Fault 7. Nothing speaks for the pod: its image is being pulled."""

    async def told(story: Story) -> None:
        job_id = await story.house.train()
        await story.house.until(job_id, JobState.STARTING)
        await story.house.clock.sleep(story.house.provider.training.timings.min_age_s + 10)
        lies = {"value": True, "for_s": 28.0}
        story.arm(list__empty_once=lies, get__404=lies)
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told, emulated=Settings(pull_s=300.0), **work())


def test_without_capacity_on_the_first_four_offers_the_fifth_runs() -> None:
    async def told(story: Story) -> None:
        story.arm(capacity__none={"value": True, "calls": 4})
        job = await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        planned = [offer.id for offer in job.plan.offers]
        assert len(planned) >= 5
        assert job.plan.offers[0].gpu_count == 0, "as anybody's first training is offered"
        assert [a.request.offer.id for a in job.attempts if a.request] == planned[:5]
        assert [a.refused.reason for a in job.attempts if a.refused] == ["no_capacity"] * 4
        await story.over(pods=1)

    tell(told)


def test_a_429_storm_delays_and_loses_nothing() -> None:
    async def told(story: Story) -> None:
        job_id = await story.house.train()
        await story.running(job_id)
        async with story.blind():
            story.arm(ratelimit__minute={"value": True, "for_s": 200.0})
            await story.house.clock.sleep(200)
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told)


# ------------------------------------------------------------------------------------------------ while it runs


def test_without_money_in_mid_run_the_pod_is_deleted_and_nothing_is_launched_before_there_is_some() -> None:
    async def told(story: Story) -> None:
        house = story.house
        job_id = await house.train()
        await story.running(job_id)
        story.arm(balance__zero=True)
        launched = len(house.platform.history())
        await house.clock.sleep(300)
        job = await house.job(job_id)
        assert house.billing() == 0
        assert len(house.platform.history()) == launched
        assert job.closed is None or job.closed.outcome is not Outcome.SUCCEEDED
        house.heal()
        RUNPOD.stage.nemesis.pay(house)
        await house.closed(job_id)
        await story.over()

    tell(told, **work(600))


def test_an_hour_without_api_and_storage_kills_no_healthy_job_and_launches_nothing() -> None:
    async def told(story: Story) -> None:
        house = story.house
        jobs = [await house.train() for _ in range(3)]
        for job_id in jobs:
            await story.running(job_id)
        async with story.blind():
            story.arm(outage={"value": "503", "on": ["*"]})
            house.s3.faults.merge({"outage": {"always": True, "value": "503"}}, house.now())
            before = len(house.platform.history())
            await house.clock.sleep(HOUR_S)
            assert len(house.platform.history()) == before
            house.heal()
        for job_id in jobs:
            job = await story.closed(job_id, Outcome.SUCCEEDED)
            assert len(job.attempts) == 1
        await story.over(pods=3)

    tell(told, **work(1500))


def test_a_daemon_killed_between_the_create_and_its_answer_finds_its_pod_again() -> None:
    async def told(story: Story) -> None:
        house = story.house
        dataset = await house.upload()
        house.transport.latency_s = 8.0
        ordering = asyncio.create_task(house.train(dataset=dataset))
        while not house.platform.history():
            await house.clock.sleep(0.5)
        ordering.cancel()
        await asyncio.gather(ordering, return_exceptions=True)
        house.latency_s = 0.02
        await story.down(20)
        [job_id] = {one.job_id for one in story.auditor.known.values()}
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        assert job.attempts[0].ambiguous is not None
        await story.over(pods=1)

    tell(told)


def test_a_stop_while_the_create_is_out_ends_the_pod_as_soon_as_it_is_known() -> None:
    async def told(story: Story) -> None:
        house = story.house
        dataset = await house.upload()
        house.transport.latency_s = 8.0
        job_id = await house.train(dataset=dataset)
        await house.until(job_id, JobState.LAUNCHING)
        while not house.platform.history():
            await house.clock.sleep(0.5)
        await house.halt(job_id)
        story.auditor.stop_answered(job_id)
        house.transport.latency_s = 0.02
        await story.closed(job_id, Outcome.CANCELLED)
        await story.over(pods=1)

    tell(told)


def test_a_pod_whose_own_end_is_refused_is_ended_by_the_daemon() -> None:
    async def told(story: Story) -> None:
        story.arm(pod__key_403=True)
        await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        await story.over(pods=1)
        [life] = story.house.platform.history()
        assert life.ended_by == "account"

    tell(told)


def test_a_full_volume_fails_the_job_with_its_reason_and_ends_the_pod() -> None:
    async def told(story: Story) -> None:
        job_id = await story.house.train(max_runtime_s=300)
        await story.running(job_id)
        story.house.pods.storage_full = True
        job = await story.house.closed(job_id)
        assert job.closed is not None
        assert job.closed.outcome is not Outcome.SUCCEEDED
        await story.over()

    tell(told)


@pytest.mark.parametrize("fault", [{"pod__stuck_provisioning": True}, {"pod__pull_fail": "starting"}])
def test_a_pod_that_never_starts_is_ended_and_booked(fault: dict[str, Any]) -> None:
    async def told(story: Story) -> None:
        story.arm(**fault)
        job_id = await story.house.train(machine=GPU)
        job = await story.closed(job_id, Outcome.FAILED)
        assert job.closed is not None
        assert job.closed.code == "E-NOSTART"
        assert "never as running" in job.closed.detail
        assert job.closed.cost_usd > 0
        await story.over()

    tell(told)


@pytest.mark.parametrize("instead", ["gpu", "zero_gpus", "data_center"])
def test_a_machine_that_is_not_what_was_ordered_is_ended_before_the_work_begins(instead: str) -> None:
    async def told(story: Story) -> None:
        story.arm(create__substitute=instead)
        await story.closed(await story.house.train(machine=GPU), Outcome.REFUSED)
        assert story.house.pods.started == []
        await story.over(pods=1)

    tell(told)


def test_a_price_that_changes_in_mid_run_changes_the_cost_and_not_the_work() -> None:
    async def told(story: Story) -> None:
        story.auditor.excess_allowed = True
        job_id = await story.house.train(machine=GPU)
        await story.running(job_id)
        story.arm(price__rise=1.5)
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told, **work(600))


def test_a_price_that_uses_up_the_hold_ends_the_work_by_budget() -> None:
    async def told(story: Story) -> None:
        story.auditor.excess_allowed = True
        job_id = await story.house.train(machine=GPU, max_runtime_s=7200, max_cost_usd="0.50")
        await story.running(job_id)
        story.arm(price__rise=20.0)
        job = await story.closed(job_id, Outcome.OVER_BUDGET)
        assert job.last is not None
        assert job.last.end is not None
        assert job.last.end.reason is StopReason.BUDGET
        await story.over(pods=1)

    tell(told, **work(7000))


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_provider_whose_clock_is_an_hour_off_changes_nothing(hours: int) -> None:
    async def told(story: Story) -> None:
        story.arm(clock__skew=hours * HOUR_S)
        job = await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        await story.over(pods=1)

    tell(told)


def test_a_training_of_six_hours_survives_five_without_the_daemon_and_is_collected() -> None:
    async def told(story: Story) -> None:
        job_id = await story.house.train(max_runtime_s=int(6.5 * HOUR_S))
        await story.running(job_id)
        await story.down(5 * HOUR_S)
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert len(job.attempts) == 1
        assert job.closed is not None
        assert job.closed.model_id is not None
        await story.over(pods=1)

    tell(told, **work(6 * HOUR_S))


# ------------------------------------------------------------------------------------------------ what listings tell


def test_uptime_that_fell_ends_the_pod_with_the_storage_down() -> None:
    async def told(story: Story) -> None:
        house = story.house
        story.arm(pod__key_403=True)
        job_id = await house.train()
        await story.running(job_id)
        house.s3.faults.merge({"outage": {"always": True, "value": "503"}}, house.now())
        await house.clock.sleep(300)
        assert house.billing() == 0
        house.heal()
        job = await house.closed(job_id)
        assert job.attempts[0].end is not None
        assert job.attempts[0].end.reason is StopReason.RESTARTED
        await story.over()

    tell(told, **work(60))


def test_a_crash_loop_and_a_bad_host_are_told_apart() -> None:
    said: dict[str, str] = {}

    def of(fault: str, reason: StopReason) -> Told:
        async def told(story: Story) -> None:
            house = story.house
            if fault:
                story.arm(**{fault: True})
            else:
                story.arm(pod__key_403=True)
            job_id = await house.train(machine=GPU)
            if not fault:
                await house.until(job_id, JobState.STARTING)
                await _without_bundle(house)
            job = await house.closed(job_id)
            ended = [a.end for a in job.attempts if a.end]
            assert ended[0].reason is reason
            said[reason] = ended[0].detail
            house.heal()
            await story.over()

        return told

    tell(of("pod__zombie_host", StopReason.BAD_HOST))
    tell(of("", StopReason.CRASH_LOOP))
    assert "bad host" in said[StopReason.BAD_HOST]
    assert "started again" in said[StopReason.CRASH_LOOP]


async def _without_bundle(house: RunPodHouse) -> None:
    """The bundle's manifest goes, so that every container of the pod ends before the work began."""
    await house.provider.storage.delete(f"{BUNDLE}/manifest.json")


def test_a_job_starts_from_the_bundle_in_storage() -> None:
    async def told(story: Story) -> None:
        job = await story.closed(await story.house.train(), Outcome.SUCCEEDED)
        [attempt] = job.attempts
        assert attempt.request is not None
        assert attempt.request.bundle == BUNDLE
        await story.over(pods=1)

    tell(told)


def test_a_budget_is_never_passed_by_what_is_held() -> None:
    async def told(story: Story) -> None:
        story.auditor.budget_usd = Decimal(1)
        jobs = [await story.house.train() for _ in range(2)]
        for job_id in jobs:
            await story.house.closed(job_id)
        await story.over()

    tell(told, settings={"budgets": {"total_usd": "1"}})
