"""A node that runs for weeks keeps its store small, and takes nothing from a job."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actors.journal.interface import ANY
from actors.storage.jobs import Ended, JournaledJobs
from messages.events import Audited, MoneyReserved
from messages.jobs import JobState, Outcome
from messages.upkeep import PruneDocument, PruneStorage
from providers.fake.cloud import FakeObject
from tests.support.node import ANA, ASK_S, NodeKit, good, unhurried, virtually

DAY_S = 86_400.0
ENVIRONMENT = "environments/abc/environment.json"


def environment(house: NodeKit, days: float = 100) -> None:
    """Leave an environment that was last used so many days ago."""
    house.cloud.objects[ENVIRONMENT] = FakeObject(b"{}", house.clock.now() - timedelta(days=days))


async def prune(house: NodeKit, *, dry_run: bool = False) -> PruneDocument:
    found: PruneDocument = await house.node.storage.ask(PruneStorage(requester=ANA, dry_run=dry_run), ASK_S)
    return found


def folders(house: NodeKit) -> list[str]:
    return [key for key in house.cloud.objects if key.startswith("jobs/")]


@pytest.mark.no_cover  # two days go by
def test_a_job_that_is_over_for_long_enough_loses_its_folder_and_keeps_its_model() -> None:
    async def story(house: NodeKit) -> None:
        job = await house.closed(await house.train())
        assert job.closed is not None
        before = set(house.cloud.objects)
        await house.clock.sleep(0.9 * DAY_S)
        assert set(house.cloud.objects) == before
        await house.clock.sleep(1.2 * DAY_S)
        assert folders(house) == []
        assert {key for key in before if not key.startswith("jobs/")} == set(house.cloud.objects)
        assert any(key.startswith("models/") for key in house.cloud.objects)
        audits = [r.event for r in await house.journal.read("audit")]
        assert [a.who for a in audits if isinstance(a, Audited) and a.what == "storage.prune"] == ["sys"]

    unhurried(story, settings={"retention": {"job_folders_days": 1, "logs_days": 1}})


def test_a_running_job_keeps_its_folder_and_every_environment() -> None:
    """Fault 41."""

    async def story(house: NodeKit) -> None:
        environment(house)
        job_id = await house.running(good(3000))
        mine = folders(house)
        found = await prune(house)
        assert (found.kept_in_use, found.environments.things, found.job_folders.things) == (1, 0, 0)
        assert set(mine) <= set(folders(house))
        assert ENVIRONMENT in house.cloud.objects
        await house.ended(job_id, Outcome.SUCCEEDED)
        assert (await prune(house, dry_run=True)).environments.things == 1
        assert ENVIRONMENT in house.cloud.objects
        assert (await prune(house)).environments.things == 1
        assert ENVIRONMENT not in house.cloud.objects

    unhurried(story)


def test_a_queued_job_that_waits_for_a_slot_keeps_environments_too() -> None:
    async def story(house: NodeKit) -> None:
        environment(house)
        house.cloud.script_next(good(3000))
        first = await house.train()
        await house.train()
        await house.until(first, JobState.RUNNING)
        await house.halt(first)
        assert (await prune(house)).kept_in_use == 1
        assert ENVIRONMENT in house.cloud.objects

    virtually(story, settings={"limits": {"max_machines": 1}})


def test_the_journal_says_which_jobs_are_over_and_which_bundles_recent_ones_used() -> None:
    async def story(house: NodeKit) -> None:
        jobs = JournaledJobs(house.journal)
        job_id = await house.running(good(3000))
        assert (await jobs.any_open(), await jobs.ended()) == (True, {})
        (reserved,) = [r.event for r in await house.events(job_id) if isinstance(r.event, MoneyReserved)]
        used = reserved.model_copy(update={"attempt": 2, "bundle": "bundles/abc"})
        await house.halt(job_id)
        job = await house.closed(job_id)
        await house.journal.append(f"job/{job_id}", ANY, [used], actor="a test")
        assert job.closed is not None
        assert not await jobs.any_open()
        assert await jobs.ended() == {job_id: Ended(ANA.user_id, job.closed.at)}
        assert await jobs.bundles_since(job.closed.at) == frozenset({"bundles/abc"})
        assert await jobs.bundles_since(job.closed.at + timedelta(days=1)) == frozenset()

    virtually(story)
