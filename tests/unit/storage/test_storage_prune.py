"""What the store may lose, and what it never does: every deletion has a positive reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from actors.storage import prune, pruning
from actors.storage.access import Layout
from actors.storage.jobs import Ended
from actors.storage.prune import AT_ONCE, FAILURES_MAX, Pruner, Report, Retention, SweepsUploads
from actors.storage.pruning import PruneService, Upkeep
from actors.storage.services import StorageServices
from actors.storage.sweep import Swept
from containers import bundle
from containers.job import prepare
from lastcall import bundles as lastcall_bundles
from messages.admin import HoldDataset
from messages.errors import Refusal
from messages.events import Audited
from messages.ids import DatasetId, JobId
from messages.storage import ObjectInfo
from messages.upkeep import PruneStorage
from providers.interface import Unavailable
from tests.unit.storage.kit import ANN, BOB, House, MemoryStore

OVER = JobId("job_aaaaaaaaaa")
OPEN = JobId("job_bbbbbbbbbb")
UNKNOWN = JobId("job_cccccccccc")
DAY_S = 86_400.0


class Jobs:
    """What the journal knows, as a test sets it."""

    def __init__(self) -> None:
        self.over: dict[JobId, Ended] = {}
        self.open = False
        self.bundles: frozenset[str] | None = frozenset()
        self.asked = 0

    async def ended(self) -> dict[JobId, Ended]:
        return self.over

    async def any_open(self) -> bool:
        self.asked += 1
        return self.open

    async def bundles_since(self, since: datetime) -> frozenset[str] | None:
        return self.bundles


class Yard:
    """A store with old things in it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.jobs = Jobs()
        self.current: str | None = "bundles/current"
        self.launching = False
        self.retention = Retention(timedelta(days=30), timedelta(days=10), timedelta(days=20))
        self.objects_max = 1000
        self.run_s_max = 600.0

    @property
    def store(self) -> MemoryStore:
        return self.house.store

    def put(self, *keys: str, days: float = 0.0, data: bytes = b"12345") -> None:
        """Store objects that were last changed so many days ago."""
        at = self.house.clock.now() - timedelta(days=days)
        self.store.objects.update(dict.fromkeys(keys, (data, at)))

    def job(self, job: JobId = OVER, days: float = 31.0, user: str | None = None) -> list[str]:
        """Store a job's folder; ``days`` ago it ended."""
        home = f"jobs/user_{user or ANN.user_id}/{job}/1"
        names = ("spec.json", "result.json", "log/000001.ndjson", "log/000002.ndjson", "artifacts/model.skops")
        keys = [f"{home}/{name}" for name in names]
        self.put(*keys, days=days)
        self.jobs.over[job] = Ended(ANN.user_id, self.house.clock.now() - timedelta(days=days))
        return keys

    def pruner(self) -> Pruner:
        return Pruner(
            store=self.store,
            layout=self.house.services.parts.layout,
            jobs=self.jobs,
            clock=self.house.clock,
            retention=self.retention,
            launching=lambda: self.launching,
            current_bundle=lambda: self.current,
            objects_max=self.objects_max,
            run_s_max=self.run_s_max,
        )

    async def prune(self, *, dry_run: bool = False) -> Report:
        return await self.pruner().run(dry_run=dry_run)

    def deleted(self) -> list[str]:
        return [key for call, key in self.store.calls if call == "delete"]


@pytest.fixture
def yard(house: House) -> Yard:
    house.clock.elapsed = 100 * DAY_S
    return Yard(house)


# ------------------------------------------------------------------------------------------------ jobs


async def test_the_folder_of_a_job_goes_once_it_is_over_for_long_enough(yard: Yard) -> None:
    keys = yard.job(days=31)
    report = await yard.prune()
    assert not set(keys) & set(yard.store.objects)
    assert (report.job_folders.things, report.job_folders.objects, report.job_folders.size_bytes) == (1, 5, 25)
    assert report.complete


async def test_its_logs_go_earlier_and_the_rest_stays(yard: Yard) -> None:
    keys = yard.job(days=11)
    report = await yard.prune()
    assert sorted(yard.store.objects) == sorted(key for key in keys if "/log/" not in key)
    assert (report.logs.objects, report.job_folders.objects) == (2, 0)


@pytest.mark.parametrize("days", [29.9, 9.0])
async def test_nothing_goes_before_its_time(yard: Yard, days: float) -> None:
    yard.retention = Retention(timedelta(days=30), timedelta(days=30), timedelta(days=30))
    keys = yard.job(days=days)
    await yard.prune()
    assert sorted(yard.store.objects) == sorted(keys)


async def test_what_the_journal_does_not_hold_as_over_stays_however_old(yard: Yard) -> None:
    """An open job, one the journal does not know (a restored backup), another user's folder of the same id."""
    kept = [*yard.job(OPEN, 400), *yard.job(UNKNOWN, 400)]
    del yard.jobs.over[OPEN], yard.jobs.over[UNKNOWN]
    kept += yard.job(OVER, 400, user=str(BOB.user_id))
    report = await yard.prune()
    assert sorted(yard.store.objects) == sorted(kept)
    assert report.job_folders.things == 0


async def test_data_sets_models_and_strange_keys_are_never_touched(yard: Yard) -> None:
    yard.job(days=400)
    home = f"user_{ANN.user_id}"
    kept = [
        f"datasets/{home}/ds_aaaaaaaaaa/data.csv",
        f"models/{home}/mdl_aaaaaaaaaa/model.skops",
        f"predictions/{home}/prd_aaaaaaaaaa/predictions.csv",
        f"jobs/{home}/{OVER}",
        f"jobs/{home}/not-a-job/1/spec.json",
        "jobs/user_x/job_aaaaaaaaaa/1/spec.json",
        "jobs/readme",
        "somebody/elses",
        "environments/loose",
        "bundles/loose",
    ]
    yard.put(*kept, days=900)
    await yard.prune()
    assert sorted(yard.store.objects) == sorted(kept)


async def test_a_dry_run_counts_the_same_and_deletes_nothing(yard: Yard) -> None:
    yard.job(days=31)
    yard.put("environments/old/environment.json", "environments/old/bin/python", days=21)
    yard.put("bundles/old/manifest.json", days=21)
    before = dict(yard.store.objects)
    dry = await yard.prune(dry_run=True)
    assert yard.store.objects == before
    assert yard.deleted() == []
    assert await yard.prune() == dry


# ------------------------------------------------------------------------------------------------ shared things


async def test_an_environment_goes_when_nothing_touched_it_for_long_enough(yard: Yard) -> None:
    yard.put("environments/old/environment.json", "environments/old/lib/a.py", days=21)
    yard.put("environments/used/environment.json", "environments/used/lib/a.py", days=400)
    yard.put("environments/used/used", days=3)
    report = await yard.prune()
    assert sorted(yard.store.objects) == [
        "environments/used/environment.json",
        "environments/used/lib/a.py",
        "environments/used/used",
    ]
    assert report.environments.things == 1


async def test_what_makes_it_count_as_whole_goes_first(yard: Yard) -> None:
    """Fault 41: a job that launches meanwhile finds no environment and makes one, rather than half of one."""
    yard.put(*(f"environments/old/a{n}.py" for n in range(2 * AT_ONCE)), "environments/old/environment.json", days=21)
    yard.put("bundles/old/code.zip", "bundles/old/manifest.json", days=21)
    await yard.prune()
    deleted = yard.deleted()
    assert deleted[0] == "environments/old/environment.json"
    assert [key for key in deleted if key.startswith("bundles")] == [
        "bundles/old/manifest.json",
        "bundles/old/code.zip",
    ]
    assert len(deleted) == 2 * AT_ONCE + 3


async def test_while_a_job_is_open_or_being_accepted_no_environment_and_no_bundle_goes(yard: Yard) -> None:
    """Fault 41: looked at right before each deletion."""
    old = ["environments/old/environment.json", "bundles/old/manifest.json"]
    yard.put(*old, days=400)
    for yard.jobs.open, yard.launching in ((True, False), (False, True)):
        report = await yard.prune()
        assert sorted(yard.store.objects) == sorted(old)
        assert report.kept_in_use == 2
    yard.launching = False
    await yard.prune()
    assert yard.store.objects == {}


async def test_a_job_that_comes_in_the_middle_keeps_what_is_not_deleted_yet(yard: Yard) -> None:
    yard.put("environments/a/environment.json", "environments/b/environment.json", days=400)
    yard.house.store.fail = lambda call, key: setattr(yard.jobs, "open", True) if call == "delete" else None
    report = await yard.prune()
    assert list(yard.store.objects) == ["environments/b/environment.json"]
    assert (report.environments.things, report.kept_in_use) == (1, 1)


async def test_an_environment_that_is_being_deleted_and_is_made_anew_meanwhile_keeps_what_is_new(yard: Yard) -> None:
    """Fault 41: the job came after the first file was gone; its pod may have published the same key already."""
    mark = "environments/old/environment.json"
    files = [f"environments/old/lib/{n:02}.py" for n in range(3 * AT_ONCE)]
    yard.put(mark, *files, days=400)

    def come(call: str, key: str) -> None:
        if (call, key) == ("delete", mark):
            yard.jobs.open = True

    yard.house.store.fail = come
    report = await yard.prune()
    assert yard.deleted() == [mark]
    assert sorted(yard.store.objects) == files
    assert (report.environments.objects, report.kept_in_use, report.complete) == (1, 1, False)
    yard.jobs.open = False
    assert (await yard.prune()).complete
    assert yard.store.objects == {}


@pytest.mark.parametrize(
    ("current", "used"), [("bundles/old", frozenset()), (None, frozenset()), ("x", {"bundles/old"}), ("x", None)]
)
async def test_the_current_bundle_and_one_that_a_recent_job_used_stay(
    yard: Yard, current: str | None, used: frozenset[str] | None
) -> None:
    yard.put("bundles/old/manifest.json", days=400)
    yard.current, yard.jobs.bundles = current, frozenset(used) if used is not None else None
    await yard.prune()
    assert list(yard.store.objects) == ["bundles/old/manifest.json"]


async def test_a_prefix_of_users_that_is_called_like_them_is_left_alone(yard: Yard) -> None:
    layout = Layout(jobs="environments/jobs", models="bundles")
    yard.put("environments/old/environment.json", "bundles/old/manifest.json", days=400)
    pruner = yard.pruner()
    other = Pruner(
        store=pruner.store,
        layout=layout,
        jobs=pruner.jobs,
        clock=pruner.clock,
        retention=pruner.retention,
        launching=pruner.launching,
        current_bundle=pruner.current_bundle,
    )
    await other.run(dry_run=False)
    assert len(yard.store.objects) == 2


def test_the_names_are_those_that_the_machines_use() -> None:
    assert prune.ENVIRONMENTS == lastcall_bundles.ENVIRONMENTS
    assert (prune.ENVIRONMENT_MARK, prune.USED) == (prepare.DONE, prepare.USED)
    assert prune.BUNDLES == bundle.FOLDER
    assert prune.BUNDLE_MARK == bundle.MANIFEST


# ------------------------------------------------------------------------------------------------ many things


class Crowded(MemoryStore):
    """A store that tells folders by themselves, and does not finish listings that are too long."""

    async def folders(self, prefix: str) -> Sequence[str]:
        self._called("folders", prefix)
        rest = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        return sorted({name.split("/")[0] for name in rest if "/" in name})

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        if sum(key.startswith(prefix) for key in self.objects) > 100:
            raise Unavailable("list: more than 100 objects")
        async for found in super().list(prefix):
            yield found

    def listed(self) -> Sequence[str]:
        return [key for call, key in self.calls if call == "list"]


@pytest.fixture
def crowded(yard: Yard) -> Crowded:
    yard.house.store = store = Crowded(yard.house.clock)
    return store


async def test_more_objects_than_one_listing_takes_are_pruned_all_the_same(yard: Yard, crowded: Crowded) -> None:
    for tail in "klmnopqrst":
        yard.job(JobId(f"job_{tail * 10}"), days=40)
    for name in ("old", "used", "young"):
        yard.put(f"environments/{name}/environment.json", *(f"environments/{name}/{n}" for n in range(60)), days=400)
    yard.put("environments/used/used", "environments/young/environment.json", days=3)
    for n in range(60):
        yard.put(f"jobs/user_{ANN.user_id}/{UNKNOWN}/1/log/{n:06}.ndjson")
    report = await yard.prune()
    assert (report.complete, report.job_folders.things, report.environments.things) == (True, 10, 1)
    assert not [key for key in crowded.listed() if "used" in key or "young" in key or UNKNOWN in key]


async def test_a_job_of_which_nothing_is_left_is_not_looked_at_again(yard: Yard, crowded: Crowded) -> None:
    """A file system keeps empty folders."""
    yard.job(OVER, days=40)
    yard.job(OPEN, days=12)
    home = f"jobs/user_{ANN.user_id}"
    pruner = yard.pruner()
    assert (await pruner.run(dry_run=True)).job_folders.things == 1
    assert (await pruner.run(dry_run=False)).job_folders.things == 1
    yard.put(f"{home}/{OVER}/1/left", days=40)
    crowded.calls.clear()
    await pruner.run(dry_run=False)
    assert crowded.listed() == []
    yard.house.clock.elapsed += 30 * DAY_S
    await pruner.run(dry_run=False)
    assert crowded.listed() == [f"{home}/{OPEN}/"]


async def test_one_thing_that_cannot_be_listed_keeps_no_other_from_its_turn(yard: Yard, crowded: Crowded) -> None:
    yard.put("environments/huge/environment.json", *(f"environments/huge/{n}" for n in range(101)), days=400)
    yard.put("environments/old/environment.json", "bundles/old/manifest.json", days=400)
    report = await yard.prune()
    assert (report.environments.things, report.bundles.things, report.complete) == (1, 1, False)
    assert list(report.failed) == ["environments"]
    assert not [key for key in crowded.objects if "old" in key]


async def test_a_kind_that_fails_is_given_up_after_a_few_and_the_next_is_tried(yard: Yard, crowded: Crowded) -> None:
    for n in range(2 * FAILURES_MAX):
        yard.put(f"environments/e{n}/environment.json", days=400)
    yard.put("bundles/old/manifest.json", days=400)
    refused = Unavailable("down")
    crowded.fail = lambda call, key: refused if call == "stat" and key.startswith("environments") else None
    report = await yard.prune()
    assert [call for call, key in crowded.calls if key.startswith("environments/e")].count("stat") == FAILURES_MAX
    assert report.failed == {"environments": refused}
    assert report.bundles.things == 1


# ------------------------------------------------------------------------------------------------ bounds


async def test_one_run_deletes_so_much_and_the_next_goes_on(yard: Yard) -> None:
    yard.objects_max = 7
    for tail in ("aaaaaaaaaa", "bbbbbbbbbb", "dddddddddd"):
        yard.job(JobId(f"job_{tail}"), days=40)
    first = await yard.prune()
    assert (first.complete, len(yard.store.objects)) == (False, 8)
    second = await yard.prune()
    assert (second.complete, len(yard.store.objects)) == (False, 1)
    assert (await yard.prune()).complete
    assert yard.store.objects == {}


async def test_a_run_that_takes_too_long_begins_nothing_new(yard: Yard) -> None:
    yard.job(JobId("job_aaaaaaaaaa"), days=40)
    yard.job(JobId("job_bbbbbbbbbb"), days=40)

    def slow(call: str, key: str) -> None:
        yard.house.clock.elapsed += 400 if call == "delete" else 0

    yard.house.store.fail = slow
    report = await yard.prune()
    assert not report.complete
    assert len(yard.store.objects) == 5


# ------------------------------------------------------------------------------------------------ the service


class Sweeping(MemoryStore):
    """A store with unfinished uploads."""

    swept: timedelta | None = None
    below: Sequence[str] = ()

    async def sweep_uploads(self, older_than: timedelta, prefixes: Sequence[str]) -> int:
        self.swept, self.below = older_than, prefixes
        return 3


async def no_jobs(dataset: DatasetId) -> dict[JobId, bool]:
    return {}


def audits(yard: Yard) -> list[Audited]:
    return [event for event in yard.house.journal.audited() if event.what == "storage.prune"]


def serviced(yard: Yard) -> StorageServices:
    upkeep = Upkeep(yard.jobs, yard.retention, lambda: yard.current)
    return StorageServices(yard.house.services.parts, no_jobs, upkeep)


async def test_a_request_is_answered_with_what_went_and_audited(yard: Yard) -> None:
    yard.job(days=31)
    services = serviced(yard)
    dry = await services.answer(PruneStorage(requester=ANN, dry_run=True))
    assert audits(yard) == []
    done = await services.answer(PruneStorage(requester=ANN))
    assert dry.job_folders == done.job_folders  # type: ignore[attr-defined]
    (audit,) = audits(yard)
    assert audit.who == f"{ANN.via} {ANN.user_id}"
    assert audit.detail == "1 job folders (25 bytes)"
    assert yard.store.objects == {}


async def test_a_job_that_holds_its_data_set_keeps_environments_until_the_journal_knows_it(yard: Yard) -> None:
    info = await yard.house.add()
    services = serviced(yard)
    yard.put("environments/old/environment.json", days=400)
    await services.answer(HoldDataset(job_id=OPEN, dataset_id=info.id))
    await services.answer(PruneStorage(requester=ANN))
    assert "environments/old/environment.json" in yard.store.objects
    yard.house.clock.elapsed += yard.house.services.parts.settings.hold_s
    await services.answer(PruneStorage(requester=ANN))
    assert "environments/old/environment.json" not in yard.store.objects


async def test_unfinished_uploads_go_where_the_store_keeps_them(yard: Yard) -> None:
    store = Sweeping(yard.house.clock)
    assert isinstance(store, SweepsUploads)
    assert not isinstance(yard.store, SweepsUploads)

    async def swept() -> Swept:
        return Swept(1, 1)

    service = PruneService(replace(yard.house.services.parts, store=store), Upkeep(yard.jobs), swept)
    done = await service.asked(PruneStorage(requester=ANN))
    assert (done.leftovers.objects, store.swept) == (5, timedelta(days=1))
    assert store.below == ["datasets/", "models/", "predictions/", "jobs/", "bundles/"]
    dry = await service.asked(PruneStorage(requester=ANN, dry_run=True))
    assert dry.leftovers.objects == 0


def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words the prune warns with from here on, whatever another test made of the process's logging."""
    told: list[str] = []
    monkeypatch.setattr(pruning._log, "warning", lambda word, **_: told.append(word))
    return told


async def test_what_dead_writers_left_goes_though_a_kind_failed_and_every_failure_is_told(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 34."""
    told = warnings(monkeypatch)
    store = Sweeping(yard.house.clock)
    yard.house.store = store
    yard.put("bundles/old/manifest.json", days=400)
    store.fail = lambda call, key: Unavailable("down") if key.startswith("jobs") else None

    async def swept() -> Swept:
        return Swept(1, 1)

    upkeep = Upkeep(yard.jobs, yard.retention, lambda: yard.current, first_s=1.0, daily_s=DAY_S)
    service = PruneService(replace(yard.house.services.parts, store=store), upkeep, swept)
    with pytest.raises(Unavailable, match="down"):
        await service.asked(PruneStorage(requester=ANN))
    assert store.swept is not None
    assert [audit.detail for audit in audits(yard)] == ["1 bundles (5 bytes), 5 leftovers (0 bytes)", "Unavailable"]
    assert told == ["storage_kind_not_pruned"]


async def test_the_daily_prune_logs_what_kept_it_and_comes_again(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    services, slept, told = serviced(yard), 0, warnings(monkeypatch)

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(yard.house.clock, "sleep", sleep)
    yard.house.store.fail = lambda call, key: Unavailable("down")
    with pytest.raises(asyncio.CancelledError):
        await services.daily()
    assert told.count("storage_not_pruned") == 2


async def test_only_one_prune_runs_at_a_time_and_a_store_that_fails_lets_the_next_one_in(yard: Yard) -> None:
    yard.job(days=31)
    services = serviced(yard)

    async def again() -> None:
        with pytest.raises(Refusal, match="E-BUSY"):
            await services.answer(PruneStorage(requester=ANN))

    asked = yard.jobs.ended

    async def ended() -> dict[JobId, Ended]:
        await again()
        return await asked()

    yard.jobs.ended = ended  # type: ignore[method-assign]
    yard.house.store.fail = lambda call, key: Unavailable("down") if call == "delete" else None
    with pytest.raises(Unavailable):
        await services.answer(PruneStorage(requester=ANN))
    yard.house.store.fail = lambda call, key: None
    await services.answer(PruneStorage(requester=ANN))
    assert yard.store.objects == {}


async def test_without_a_word_on_jobs_nothing_is_pruned(yard: Yard) -> None:
    services = yard.house.services
    yard.job(days=400)
    with pytest.raises(Refusal):
        await services.answer(PruneStorage(requester=ANN))
    await services.daily()
    assert len(yard.store.objects) == 5
