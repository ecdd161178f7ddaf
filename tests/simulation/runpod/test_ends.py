"""How pods end that nobody saw end, or that do not: what that costs, and what people are told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from messages import events as ev
from messages.jobs import Outcome
from tests.simulation.runpod.test_must_hold import HOUR_S, Story, tell, work
from tests.support.node import ANA

DAYS_S = 3 * 24 * HOUR_S


def test_a_pod_that_ended_itself_while_nobody_looked_costs_no_more_than_was_held() -> None:
    """Fault 32; rule 6: its first absence is days after its end, and its timer bounds what it can have billed."""

    async def told(story: Story) -> None:
        story.auditor.budget_usd = Decimal(1)
        job_id = await story.house.train()
        await story.running(job_id)
        await story.down(DAYS_S)
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert job.closed is not None
        assert 0 < job.closed.cost_usd < job.plan.hold_usd
        assert "job.terminate_accepted" not in await story.house.kinds(f"job/{job_id}")
        await story.over(pods=1)

    tell(told, settings={"budgets": {"total_usd": "1"}})


def test_where_pods_are_not_known_to_end_themselves_the_bill_takes_back_what_was_booked_for_the_days() -> None:
    """Fault 32; ADR 0015: such a pod may have billed all the time, so the budget is overrun until the bill says no."""

    async def told(story: Story) -> None:
        job_id = await story.house.train()
        await story.running(job_id)
        await story.down(DAYS_S)
        job = await story.closed(job_id, Outcome.SUCCEEDED)
        assert job.closed is not None
        assert job.closed.cost_usd > 1
        await story.over(pods=1)
        assert story.auditor.ledger.total_usd < 1

    tell(told, ends_itself=False, settings={"budgets": {"total_usd": "1"}})


# ------------------------------------------------------------------------------------------------ what people are told


async def alarms(story: Story) -> list[tuple[str, str | None]]:
    found = await story.house.node.services.views.status(ANA)
    return [(row.alarm, row.code) for row in found.alarms if row.code is not None]


def test_a_key_of_another_account_is_told_of_within_a_minute_and_until_the_right_one_is_back() -> None:
    """Fault 8: no proof is accepted, nothing is ended, and the jobs stay as they are."""

    async def told(story: Story) -> None:
        job_id = await story.house.train()
        await story.running(job_id)
        async with story.blind():
            story.arm(auth__switch_account="user_other")
            await story.house.clock.sleep(61)
            assert await alarms(story) == [("account_unconfirmed", "E-UNCONFIRMED")]
            assert (await story.house.job(job_id)).closed is None
            story.house.heal()
        await story.house.clock.sleep(20)
        assert await alarms(story) == []
        await story.closed(job_id, Outcome.SUCCEEDED)
        await story.over(pods=1)

    tell(told, **work(200))


@pytest.mark.parametrize("fault", [{"delete__ack_ignored": True}, {"delete__fail_for": 500}])
def test_a_pod_that_does_not_end_is_told_of_after_two_and_ten_minutes_and_until_the_proof(
    fault: dict[str, Any],
) -> None:
    """Fault 5, for an hour: retries never end, and the ledger counts."""

    async def told(story: Story) -> None:
        house = story.house
        job_id = await house.train()
        await story.running(job_id)
        await house.clock.sleep(130)
        async with story.blind():
            story.arm(**fault)
            await house.halt(job_id)
            began = house.now()
            seen: dict[int, list[tuple[str, str | None]]] = {}
            for after_s in (115, 125, 595, 605, 3600):
                await house.clock.sleep(began + after_s - house.now())
                seen[after_s] = await alarms(story)
            house.heal()
        unproven = [("end_unproven", "E-UNPROVEN")]
        assert seen == {115: [], 125: unproven, 595: unproven, 605: unproven, 3600: unproven}
        raised = [r.event for r in await house.journal.read("node") if isinstance(r.event, ev.AlarmRaised)]
        assert [word in one.detail for word, one in zip(("2 min ago", "10 min ago"), raised, strict=True)] == [
            True,
            True,
        ]
        job = await story.closed(job_id, Outcome.CANCELLED)
        assert job.closed is not None
        assert await alarms(story) == []
        await story.over(pods=1)

    tell(told, **work(3 * HOUR_S))
