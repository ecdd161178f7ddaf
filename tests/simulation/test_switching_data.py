"""Data and models after a switch: listed with where they are, copied before they are used elsewhere, never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from actors.storage.elsewhere import price
from messages.admin import (
    AddFromAddress,
    BeginPrediction,
    DownloadGrant,
    FindDataset,
    ListDatasets,
    ListModels,
    MakePrediction,
    PlanTraining,
    ReadDataset,
    ReadModelFile,
    ReadPrediction,
    RemoveDataset,
    RemoveModel,
    TrainOrder,
)
from messages.errors import Refusal
from messages.events import Audited, Charged
from messages.ids import DatasetId, JobId
from messages.jobs import JobState, Outcome, Plan
from messages.machines import ProviderKind
from messages.storage import PredictionInfo
from providers.interface import StorageFull, Unavailable
from tests.support.node import ANA, ARTIFACTS, ASK_S, CSV
from tests.support.two_clouds import TwoClouds, with_two_clouds


async def plan(house: TwoClouds, dataset: DatasetId) -> Plan:
    order = TrainOrder(dataset=dataset, target="churn", model="logistic")
    found: Plan = await house.node.dispatcher.ask(PlanTraining(requester=ANA, order=order), ASK_S)
    return found


async def ask(house: TwoClouds, request: Any) -> Any:
    return await house.node.storage.ask(request, ASK_S)


async def bytes_of(house: TwoClouds, grant: DownloadGrant) -> bytes:
    store = house.node.services.store_of(grant.provider)
    return b"".join([chunk async for chunk in store.get(grant.key)])


def keys(house: TwoClouds, kind: ProviderKind, prefix: str) -> list[str]:
    return [key for key in sorted(house.cloud_of(kind).objects) if key.startswith(prefix)]


async def copies(house: TwoClouds) -> list[tuple[str, str, str]]:
    """Return what was copied by the audit trail: what, from where to where in words, and with which provider."""
    trail = [r.event for r in await house.journal.read("audit")]
    return [(e.what, e.detail, e.provider) for e in trail if isinstance(e, Audited) and e.what.endswith(".copy")]


def test_data_sets_and_models_are_listed_with_where_they_are() -> None:
    async def story(house: TwoClouds) -> None:
        await house.closed(await house.train(dataset=await house.upload(name="first.csv")))
        await house.switch("aws")
        await house.closed(await house.train(dataset=await house.upload(name="second.csv")))
        found = await ask(house, ListDatasets(requester=ANA))
        assert [(one.name, one.provider) for one in found] == [("second.csv", "aws"), ("first.csv", "fake")]
        assert [one.provider for one in await ask(house, ListModels(requester=ANA))] == ["aws", "fake"]
        await house.switch("aws", holds=())
        assert len(await ask(house, ListDatasets(requester=ANA))) == 2

    with_two_clouds(story)


def test_a_training_elsewhere_copies_the_data_set_first_and_the_plan_says_so_with_its_price() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        assert (await plan(house, dataset)).copied_from is None
        await house.switch("aws")
        planned = await plan(house, dataset)
        assert planned.copied_from == "fake"
        assert planned.warnings[-1] == "The data set is copied from fake first: 0.0 MB, which costs nothing."
        assert keys(house, "aws", "datasets/") == []  # a plan copies nothing
        job = await house.ended(await house.train(dataset=dataset), Outcome.SUCCEEDED)
        key = job.plan.spec.dataset_key
        assert house.cloud_of("aws").objects[key].data == house.cloud_of("fake").objects[key].data == CSV
        assert await copies(house) == [("dataset.copy", "copied from fake first: 0.0 MB, which costs nothing", "aws")]
        again = await plan(house, dataset)
        assert (again.copied_from, again.warnings) == (None, ())

    with_two_clouds(story)


def test_a_copy_that_is_cut_or_refused_for_a_while_is_made_again_before_anything_is_rented() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.switch("aws")
        house.cloud_of("fake").faults.fail_next("get", error=Unavailable("down"), times=3)
        job_id = await house.train(dataset=dataset)
        await house.ended(job_id, Outcome.SUCCEEDED)
        assert house.cloud.launches == 1

    with_two_clouds(story)


async def one_runs_and_one_waits(house: TwoClouds) -> tuple[JobId, JobId]:
    """Occupy the only machine with one job; the other's data set lies with the other provider."""
    dataset = await house.upload()
    await house.switch("aws")
    first = await house.train(dataset=await house.upload(name="other.csv"))
    await house.until(first, JobState.RUNNING)
    second = await house.train(dataset=dataset)
    await house.clock.sleep(1)
    return first, second


def test_a_store_without_room_for_the_copy_ends_the_job_before_anything_is_rented() -> None:
    async def story(house: TwoClouds) -> None:
        first, second = await one_runs_and_one_waits(house)
        house.cloud.faults.fail_next("put", error=StorageFull("no room"), times=100)
        house.cloud.end(next(iter(house.cloud.machines)))
        job = await house.closed(second)
        assert job.closed is not None
        assert job.closed.code == "E-STORAGEFULL"
        assert job.spent_usd == 0
        assert house.cloud.launches == 1
        house.heal()
        await house.closed(first)

    with_two_clouds(story, settings={"limits": {"max_machines": 1}})


def test_bytes_that_are_gone_from_the_other_store_end_the_job_with_the_reason() -> None:
    async def story(house: TwoClouds) -> None:
        _, second = await one_runs_and_one_waits(house)
        house.cloud_of("fake").objects.clear()
        job = await house.closed(second)
        assert job.closed is not None
        assert job.closed.code == "E-STORAGE"
        assert job.closed.detail == "the data set's bytes are not in storage"

    with_two_clouds(story, settings={"limits": {"max_machines": 1}})


def test_the_same_file_uploaded_again_after_the_switch_is_the_same_data_set_and_needs_no_copy() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.switch("aws", holds=())
        with pytest.raises(Refusal) as refused:
            await plan(house, dataset)
        assert refused.value.code == "E-ELSEWHERE"
        assert "churn.csv lies with fake" in refused.value.detail
        assert await house.upload() == dataset
        assert (await plan(house, dataset)).copied_from is None
        await house.ended(await house.train(dataset=dataset), Outcome.SUCCEEDED)

    with_two_clouds(story)


def test_downloads_stream_from_where_things_are() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.closed(await house.train(dataset=dataset))
        await house.switch("aws")
        grant = await ask(house, ReadDataset(requester=ANA, ref=dataset))
        assert (grant.provider, await bytes_of(house, grant)) == ("fake", CSV)
        model = await ask(house, ReadModelFile(requester=ANA, ref="@last", file="model.skops"))
        assert await bytes_of(house, model) == ARTIFACTS["artifacts/model.skops"]
        assert keys(house, "aws", "models/") == keys(house, "aws", "datasets/") == []

    with_two_clouds(story)


async def predicted(house: TwoClouds) -> PredictionInfo:
    """Make a prediction with the last model where new things go now."""
    command = house.command()
    begin = BeginPrediction(command_id=command, requester=ANA, model="@last", name="rows.csv")
    grant = await ask(house, begin)

    async def chunks() -> AsyncIterator[bytes]:
        yield CSV

    await house.provider.near.disk.put(grant.key, chunks())
    made: PredictionInfo = await ask(
        house, MakePrediction(command_id=command, requester=ANA, model="@last", grant=grant)
    )
    return made


def test_a_prediction_elsewhere_copies_the_model_first_and_its_rows_are_read_where_they_were_made() -> None:
    async def story(house: TwoClouds) -> None:
        await house.closed(await house.train())
        await house.switch("aws")
        made = await predicted(house)
        assert keys(house, "aws", "models/") == keys(house, "fake", "models/")
        assert [what for what, _, _ in await copies(house)] == ["model.copy"]
        await predicted(house)
        assert len(await copies(house)) == 1
        await house.switch("fake")
        grant = await ask(house, ReadPrediction(requester=ANA, prediction_id=made.id))
        assert grant.provider == "aws"
        assert await bytes_of(house, grant)

    with_two_clouds(story)


def test_what_is_removed_goes_from_where_it_lies_and_every_copy_with_it() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.closed(await house.train(dataset=dataset))
        await house.switch("aws")
        await house.closed(await house.train(dataset=dataset))
        await predicted(house)
        for ref in ("@last", "@last"):
            await ask(house, RemoveModel(command_id=house.command(), requester=ANA, ref=ref))
        await ask(house, RemoveDataset(command_id=house.command(), requester=ANA, ref=dataset))
        for kind in ("fake", "aws"):
            assert keys(house, kind, "models/") == keys(house, kind, "datasets/") == []
        with pytest.raises(Refusal) as refused:
            await ask(house, FindDataset(requester=ANA, ref=dataset))
        assert refused.value.code == "E-NOTFOUND"

    with_two_clouds(story)


def test_a_copy_whose_provider_was_away_when_it_was_removed_is_swept_once_it_is_back() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.switch("aws", holds=())
        await ask(house, RemoveDataset(command_id=house.command(), requester=ANA, ref=dataset))
        assert len(keys(house, "fake", "datasets/")) == 1
        await house.switch("aws")
        await house.clock.sleep(5)
        assert keys(house, "fake", "datasets/") == []

    with_two_clouds(story)


def test_a_store_that_charges_for_reading_says_what_a_copy_costs() -> None:
    async def story(house: TwoClouds) -> None:
        fake = house.clouds["fake"].storage
        assert price(fake, 10**12) == 0
        fake.read_usd_per_gb = Decimal("0.09")  # type: ignore[attr-defined]
        assert price(fake, 2 << 30) == Decimal("0.18")
        assert price(fake, 1) == Decimal("0.000001")
        fake.read_usd_per_gb = Decimal(1 << 30) / len(CSV)  # type: ignore[attr-defined]
        dataset = await house.upload()
        await house.switch("aws")
        assert (await plan(house, dataset)).warnings[-1].endswith("0.0 MB, which costs $1.00.")
        fake.prices_at_most = True  # type: ignore[attr-defined]
        assert (await plan(house, dataset)).warnings[-1].endswith("0.0 MB, which costs at most $1.00.")

    with_two_clouds(story)


async def charges(house: TwoClouds) -> list[tuple[str, str, Decimal]]:
    events = [r.event for r in await house.journal.read("ledger")]
    return [(one.provider, one.what, one.amount_usd) for one in events if isinstance(one, Charged)]


def sell(house: TwoClouds, kind: ProviderKind, usd: str) -> None:
    """Have a provider ask so much for reading the data set once."""
    house.clouds[kind].storage.read_usd_per_gb = Decimal(usd) * (1 << 30) / len(CSV)  # type: ignore[attr-defined]


def test_a_copy_that_costs_is_booked_before_it_is_made_once_for_each_job_and_not_where_there_is_one() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.switch("aws")
        sell(house, "fake", "0.5")
        house.cloud_of("fake").faults.fail_next("get", times=3, error=Unavailable("503"))
        job = await house.closed(await house.train(dataset=dataset))
        assert job.closed
        assert job.closed.outcome is Outcome.SUCCEEDED
        said = [("fake", "copying churn.csv out of fake", Decimal("0.5"))]
        assert await charges(house) == said
        await house.closed(await house.train(dataset=dataset))
        assert await charges(house) == said
        report = await house.node.services.views.costs(ANA, "provider")
        assert {row.key: row.cost_usd for row in report.rows}["fake"] == Decimal("0.5")

    with_two_clouds(story)


def test_a_copy_that_no_budget_has_money_for_is_not_made_and_rents_nothing() -> None:
    async def story(house: TwoClouds) -> None:
        dataset = await house.upload()
        await house.switch("aws")
        sell(house, "fake", "3")
        job = await house.closed(await house.train(dataset=dataset))
        assert job.closed
        assert (job.closed.outcome, job.closed.code) == (Outcome.OVER_BUDGET, "E-BUDGET")
        assert await charges(house) == []
        assert keys(house, "aws", "datasets/") == []
        assert house.cloud_of("aws").launches == 0

    with_two_clouds(story, settings={"budgets": {"total_usd": "2"}})


def test_a_model_that_is_copied_out_of_a_store_that_charges_is_booked_to_who_predicts() -> None:
    async def story(house: TwoClouds) -> None:
        await house.closed(await house.train())
        await house.switch("aws")
        sell(house, "fake", "0.5")
        await predicted(house)
        size = sum(len(house.cloud_of("fake").objects[key].data) for key in keys(house, "fake", "models/"))
        [(provider, what, amount)] = await charges(house)
        assert (provider, what.startswith("copying churn-"), what.endswith(" out of fake")) == ("fake", True, True)
        assert 0 < amount <= Decimal("0.5") * size / len(CSV)
        await predicted(house)
        assert len(await charges(house)) == 1

    with_two_clouds(story)


def test_an_address_of_another_providers_store_is_brought_here(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: TwoClouds) -> None:
        monkeypatch.setattr(type(house.clouds["aws"].storage), "places", {"s3": "bucket"})
        key = f"datasets/user_{ANA.user_id}/mine.csv"

        async def chunks() -> AsyncIterator[bytes]:
            yield CSV

        await house.clouds["aws"].storage.put(key, chunks())
        await house.switch("fake")
        address = AddFromAddress(command_id=house.command(), requester=ANA, address=f"s3://bucket/{key}")
        added = await ask(house, address)
        assert (added.name, added.provider) == ("mine.csv", "fake")
        assert house.cloud_of("fake").objects[added.key].data == CSV

    with_two_clouds(story)
