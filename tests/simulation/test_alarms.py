"""What nobody could see otherwise is told: an account without a complete list, an end without a proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.fleet.actor import FAILED_WAIT_S_MAX
from messages.jobs import JobState
from messages.machines import Listing, MachineName
from providers.fake.scripts import Script
from providers.interface import Unavailable
from tests.support.node import ANA, KEY, NodeKit, good, virtually

pytestmark = pytest.mark.no_cover
"""Hours go by in these stories, with steps that others take too."""

SILENT = Script(starts_after_s=1)
"""A machine that runs and never says anything."""


def test_a_cut_listing_ends_only_what_shows_in_it_past_its_hard_deadline() -> None:
    """Faults 6 and 8: the name is evidence wherever it shows; what does not show is none."""

    async def story(house: NodeKit) -> None:
        training = house.provider.training
        whole = training.list_machines

        async def cut() -> Listing:
            return (await whole()).model_copy(update={"complete": False})

        over = await house.closed(await house.train())
        request = over.attempts[0].request
        assert request is not None
        training.list_machines = cut  # type: ignore[method-assign]
        now = house.clock.now()
        past, later = now + timedelta(seconds=100), now + timedelta(hours=1)
        overdue = MachineName("instal", "olde", "zzzzzzzzzz", 1, past).text(KEY)
        names = (
            overdue,
            request.name,
            MachineName("instal", "gene", "yyyyyyyyyy", 1, later).text(KEY),
            MachineName("instal", "gene", "xxxxxxxxxx", 1, past).text(b"another key"),
            MachineName("others", "gene", "wwwwwwwwww", 1, past).text(KEY),
            "somebody-elses",
        )
        for name in names:
            house.cloud.plant(name)
        await house.clock.sleep(95)
        assert house.billing() == len(names)
        await house.clock.sleep(20)
        assert {line.name for line in house.cloud.billing()} == set(names[1:])
        assert house.node.safe_mode is None
        training.list_machines = whole  # type: ignore[method-assign]
        await house.clock.sleep(20)
        assert {line.name for line in house.cloud.billing()} == set(names[2:])

    virtually(story)


async def standing(house: NodeKit) -> dict[str, str]:
    """Return what of the alarms that end by themselves is shown: their codes and words."""
    found = await house.node.services.views.status(ANA)
    return {row.alarm: f"{row.code} {row.detail}" for row in found.alarms if row.code is not None}


def test_an_account_that_shows_no_complete_list_for_a_minute_is_told_of_until_it_does() -> None:
    """Faults 6 to 9 and 14: nothing is ended for it, and nobody is left in the dark."""

    async def story(house: NodeKit) -> None:
        await house.running(good(3000))
        training = house.provider.training
        whole = training.list_machines

        async def foreign() -> Listing:
            return (await whole()).model_copy(update={"account": "fake:other"})

        async def cut() -> Listing:
            return (await whole()).model_copy(update={"complete": False})

        async def silent() -> Listing:
            raise Unavailable("503")

        for spoiled, why in ((foreign, "another account answers: fake:other"), (cut, "cut"), (silent, "503")):
            training.list_machines = spoiled  # type: ignore[method-assign]
            await house.clock.sleep(55)
            assert await standing(house) == {}
            await house.clock.sleep(10)
            [(name, words)] = (await standing(house)).items()
            assert (name, "E-UNCONFIRMED" in words, why in words) == ("account_unconfirmed", True, True)
            assert "A machine is open there at $0.360/h" in words
            await house.restart()
            await house.clock.sleep(30)
            assert list(await standing(house)) == ["account_unconfirmed"]
            training.list_machines = whole  # type: ignore[method-assign]
            await house.clock.sleep(40)
            assert await standing(house) == {}
        assert house.billing() == 1
        kinds = await house.kinds("node")
        assert (kinds.count("node.alarm_raised"), kinds.count("node.alarm_ended")) == (3, 3)

    virtually(story)


def test_an_account_without_a_machine_of_ours_may_stay_unseen() -> None:
    async def story(house: NodeKit) -> None:
        await house.clock.sleep(30)
        house.cloud.faults.fail_next("list_machines", times=1_000, error=Unavailable("503"))
        await house.clock.sleep(600)
        assert await standing(house) == {}

    virtually(story)


def test_an_account_where_only_an_orphan_is_being_ended_is_told_of_too() -> None:
    """No job is open, and a machine bills while nobody sees it."""

    async def story(house: NodeKit) -> None:
        past = house.clock.now() + timedelta(seconds=10)
        house.cloud.plant(MachineName("instal", "olde", "zzzzzzzzzz", 1, past).text(KEY), Script(terminates_ignored=60))
        await house.clock.sleep(30)
        house.cloud.faults.fail_next("list_machines", times=1_000, error=Unavailable("503"))
        await house.clock.sleep(75)
        assert list(await standing(house)) == ["account_unconfirmed"]

    virtually(story)


def test_a_provider_that_does_not_answer_is_asked_for_its_list_less_and_less_often() -> None:
    """Its quota is for the calls that end machines."""

    async def story(house: NodeKit) -> None:
        training, asked = house.provider.training, 0

        async def silent() -> Listing:
            nonlocal asked
            asked += 1
            raise Unavailable("503")

        await house.running(good(3000))
        training.list_machines = silent  # type: ignore[method-assign]
        await house.clock.sleep(600)
        assert 600 / FAILED_WAIT_S_MAX <= asked <= 600 / FAILED_WAIT_S_MAX + 8

    virtually(story)


@pytest.mark.parametrize("ignored", [True, False])
def test_an_end_that_is_not_proven_is_told_of_after_two_and_ten_minutes_until_the_proof(ignored: bool) -> None:
    """Fault 5: acknowledged and ignored, or refused for an hour; the ledger counts meanwhile."""

    async def story(house: NodeKit) -> None:
        house.cloud.script_next(replace(SILENT, terminates_ignored=60 if ignored else 0))
        job_id = await house.train()
        await house.until(job_id, JobState.STARTING)
        if not ignored:
            house.cloud.faults.fail_next("terminate", times=60, error=Unavailable("502"))
        await house.halt(job_id)
        await house.clock.sleep(115)
        assert await standing(house) == {}
        for minutes, wait_s in ((2, 10), (10, 480)):
            await house.clock.sleep(wait_s)
            [(name, words)] = (await standing(house)).items()
            assert (name, "E-UNPROVEN" in words) == ("end_unproven", True)
            assert f"told to end {minutes} min ago and is not proven gone" in words
            assert ("the last call failed: 502" in words) is not ignored
        shown = await house.node.services.views.job(ANA, job_id)
        assert "told to end 10 min ago and is not proven gone" in shown.job.detail
        assert shown.job.cost_usd > Decimal("0.05")
        job = await house.closed(job_id)
        assert job.attempts[0].gone is not None
        assert await standing(house) == {}
        assert (await house.kinds("node")).count("node.alarm_raised") == 2
        assert house.billing() == 0

    virtually(story)


def test_an_orphan_whose_end_is_not_proven_is_told_of_until_it_is() -> None:
    async def story(house: NodeKit) -> None:
        past = house.clock.now() + timedelta(seconds=10)
        name = MachineName("instal", "olde", "zzzzzzzzzz", 1, past).text(KEY)
        house.cloud.plant(name, Script(terminates_ignored=12))
        await house.clock.sleep(150)
        [(alarm, words)] = (await standing(house)).items()
        assert (alarm, name in words) == ("end_unproven", True)
        await house.clock.sleep(1_000)
        assert await standing(house) == {}
        assert (await house.kinds("fleet"))[-1] == "fleet.orphan_gone"

    virtually(story)
