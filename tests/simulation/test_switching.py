"""Another provider in the configuration: jobs end where they began, new ones go where it says, and back (R1.2)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.ledger.requests import MoneyTotals
from messages.admin import PlanTraining, StopAll, TrainOrder
from messages.errors import Refusal
from messages.ids import JobId
from messages.jobs import JobState, Outcome
from messages.machines import MachineState
from messages.upkeep import Reconcile, ReconcileOrder
from providers.interface import Unavailable
from tests.support.node import ANA, ASK_S, BEN, good
from tests.support.two_clouds import TwoClouds, with_two_clouds

pytestmark = pytest.mark.no_cover
"""Whole trainings at two providers, with steps that others take too."""

LONG_S = 600.0


async def trained(house: TwoClouds) -> JobId:
    """Order a training of a file of its own where new jobs go now."""
    return await house.train(dataset=await house.upload(name=f"{house.commands}.csv"))


async def begun(house: TwoClouds, run_s: float = LONG_S) -> JobId:
    """Start a job that takes ``run_s`` where new jobs go now, and return its id once it runs."""
    house.cloud.script_next(good(run_s))
    job_id = await trained(house)
    await house.until(job_id, JobState.RUNNING)
    return job_id


def test_a_running_job_is_supervised_to_its_end_after_a_switch() -> None:
    async def story(house: TwoClouds) -> None:
        job_id = await begun(house)
        await house.switch("aws")
        new = await trained(house)
        done = await house.closed(new)
        assert (done.binding.provider, done.binding.account) == ("aws", "aws:account-2")
        assert done.closed
        assert done.closed.outcome is Outcome.SUCCEEDED
        old = await house.closed(job_id)
        assert old.closed
        assert old.closed.outcome is Outcome.SUCCEEDED
        assert old.binding.provider == "fake"
        collected = old.attempts[0].collected
        assert collected
        assert collected.model_id is not None
        gone = [attempt.gone for attempt in old.attempts if attempt.gone]
        assert [proof.account for proof in gone] == ["fake:account-1"]
        assert house.cloud_of("fake").billing() == house.cloud_of("aws").billing() == ()

    with_two_clouds(story)


def test_a_switch_back_works_and_leaves_the_other_providers_job_running_to_its_end() -> None:
    async def story(house: TwoClouds) -> None:
        first = await begun(house)
        await house.switch("aws")
        second = await begun(house)
        await house.switch("fake")
        third = await trained(house)
        for job_id, kind in ((third, "fake"), (first, "fake"), (second, "aws")):
            job = await house.closed(job_id)
            assert job.closed
            assert job.closed.outcome is Outcome.SUCCEEDED
            assert job.binding.provider == kind

    with_two_clouds(story)


def test_budgets_and_costs_count_both_providers() -> None:
    async def story(house: TwoClouds) -> None:
        first = await begun(house)
        await house.switch("aws")
        second = await begun(house)
        totals = await house.node.ledger.ask(MoneyTotals(), ASK_S)
        held = [(await house.job(job_id)).attempts[-1].hold_usd for job_id in (first, second)]
        assert totals.reserved_usd == sum(held, Decimal(0))
        (budget,) = (await house.node.services.views.costs(ANA, "provider")).budgets
        assert budget.reserved_usd == totals.reserved_usd
        assert budget.warning == "5% used or more"
        for job_id in (first, second):
            await house.closed(job_id)
        await house.clock.sleep(5)
        report = await house.node.services.views.costs(ANA, "provider")
        assert [row.key for row in report.rows] == ["aws", "fake"]
        assert all(row.cost_usd > 0 for row in report.rows)
        aws, fake = (row.cost_usd for row in report.rows)
        assert aws / fake == pytest.approx(Decimal(2), rel=Decimal("0.1"))

    with_two_clouds(story, settings={"budgets": {"per_user_per_day_usd": "9", "warning_share": "0.05"}})


def test_stopping_everything_ends_the_machines_of_both() -> None:
    async def story(house: TwoClouds) -> None:
        first = await begun(house)
        await house.switch("aws")
        second = await begun(house)
        stop = StopAll(command_id=house.command(), requester=ANA)
        answer = await house.node.dispatcher.ask(stop, ASK_S)
        assert sorted(answer.stopped) == sorted((first, second))
        for job_id in (first, second):
            job = await house.closed(job_id)
            assert job.closed
            assert job.closed.outcome is Outcome.CANCELLED
        assert house.cloud_of("fake").billing() == house.cloud_of("aws").billing() == ()

    with_two_clouds(story)


def test_machines_of_both_are_listed_with_where_they_are() -> None:
    async def story(house: TwoClouds) -> None:
        await begun(house)
        await house.switch("aws")
        await begun(house)
        shown = await house.node.services.views.machines(ANA)
        assert [(row.provider, row.ours, row.state) for row in shown.machines] == [
            ("aws", "ours", MachineState.RUNNING),
            ("fake", "ours", MachineState.RUNNING),
        ]
        assert (shown.provider, shown.running, shown.complete) == ("aws", 2, True)
        status = await house.node.services.views.status(ANA)
        assert (status.provider, status.account, status.machines_running) == ("aws", "aws:account-2", 2)

    with_two_clouds(story)


def test_a_provider_that_does_not_answer_hides_no_machine_of_the_other() -> None:
    async def story(house: TwoClouds) -> None:
        await begun(house)
        await house.switch("aws")
        await begun(house)
        house.cloud_of("fake").faults.fail_next("list_machines", times=10_000, error=Unavailable("down"))
        await house.clock.sleep(5)
        shown = await house.node.services.views.machines(ANA)
        assert [row.provider for row in shown.machines] == ["aws"]
        assert not shown.complete
        alarms = (await house.node.services.views.status(ANA)).alarms
        assert [alarm.detail for alarm in alarms if alarm.alarm == "provider_unreachable"] == ["fake: down"]
        house.cloud_of("aws").faults.fail_next("list_machines", times=10_000, error=Unavailable("down too"))
        with pytest.raises(Unavailable):
            await house.node.services.views.machines(ANA)
        house.heal()
        house.cloud_of("fake").faults = type(house.cloud.faults)()

    with_two_clouds(story)


def test_an_orphan_is_ended_in_the_account_it_is_in_though_new_jobs_go_elsewhere() -> None:
    async def story(house: TwoClouds) -> None:
        closed = await house.closed(await trained(house))
        request = closed.attempts[0].request
        await house.switch("aws")
        house.cloud_of("fake").plant(request.name if request else "")
        assert len(house.cloud_of("fake").billing()) == 1
        await house.clock.sleep(60)
        assert house.cloud_of("fake").billing() == ()
        assert await house.kinds("fleet") == ["fleet.orphan_reaped", "fleet.orphan_gone"]

    with_two_clouds(story)


def test_reconcile_judges_both_accounts_and_ends_what_is_named_where_it_is() -> None:
    async def story(house: TwoClouds) -> None:
        await begun(house)
        await house.switch("aws")
        asked = Reconcile(requester=ANA, order=ReconcileOrder())
        found = await house.node.reconciler.ask(asked, 300)
        assert [(row.provider, row.whose) for row in found.machines] == [("fake", "ours")]
        assert (found.provider, found.complete) == ("aws", True)
        house.cloud_of("fake").fault_next_listing("incomplete")
        with pytest.raises(Refusal) as refused:
            await house.node.reconciler.ask(Reconcile(requester=ANA, order=ReconcileOrder(reap=True)), 300)
        assert refused.value.code == "E-LISTING"
        assert "fake" in refused.value.detail

    with_two_clouds(story)


def test_a_queued_job_starts_where_it_was_ordered() -> None:
    async def story(house: TwoClouds) -> None:
        first = await begun(house)
        second = await trained(house)
        await house.switch("aws")
        assert (await house.job(second)).phase is JobState.QUEUED
        await house.halt(first)
        await house.closed(first)
        job = await house.closed(second)
        assert job.binding.provider == "fake"
        assert job.closed
        assert job.closed.outcome is Outcome.SUCCEEDED
        assert house.cloud_of("aws").launches == 0

    with_two_clouds(story, settings={"limits": {"max_machines": 1}})


def test_a_plan_after_the_switch_names_the_new_provider_and_its_price() -> None:
    async def story(house: TwoClouds) -> None:
        await house.switch("aws")
        dataset = await house.upload(BEN)
        order = TrainOrder(dataset=dataset, target="churn", model="logistic")
        plan = await house.node.dispatcher.ask(PlanTraining(requester=BEN, order=order), ASK_S)
        assert (plan.provider, plan.offers[0].provider) == ("aws", "aws")
        assert plan.offers[0].rate_usd_per_hour == Decimal("0.72")

    with_two_clouds(story)


def test_a_provider_without_open_jobs_need_not_be_held() -> None:
    async def story(house: TwoClouds) -> None:
        job_id = await trained(house)
        await house.closed(job_id)
        await house.switch("aws", holds=())
        assert (await house.closed(await trained(house))).binding.provider == "aws"
        shown = await house.node.services.views.job(ANA, job_id)
        assert shown.job.outcome is Outcome.SUCCEEDED
        with pytest.raises(Refusal) as refused:
            _ = [line async for line in house.node.services.views.log(ANA, job_id, 0, 0, False)]
        assert refused.value.code == "E-ELSEWHERE"

    with_two_clouds(story)


def test_one_providers_slow_listing_keeps_the_others_jobs_from_no_machine() -> None:
    async def story(house: TwoClouds) -> None:
        await begun(house)
        waiting = await trained(house)
        await house.switch("aws")
        fake = house.clouds["fake"].training
        fake.timings = fake.timings.model_copy(update={"list_interval_s": 60})
        await house.clock.sleep(1)
        done = await house.closed(await trained(house))
        assert done.binding.provider == "aws"
        assert (await house.job(waiting)).binding.provider == "fake"

    with_two_clouds(story, settings={"limits": {"max_machines_per_user": 3}})
