"""A store elsewhere with copies here: what is removed goes in both places, what was damaged here is brought anew."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from actors.ledger.requests import Charge
from actors.storage.services import StorageServices
from messages.admin import (
    BeginPrediction,
    BeginUpload,
    CheckTraining,
    CommitUpload,
    MakePrediction,
    ReadDataset,
    ReadModelFile,
    ReadPrediction,
    RemoveDataset,
    RemoveModel,
    TrainOrder,
)
from messages.errors import Refusal
from messages.ids import DatasetId, JobId, PredictionId
from messages.storage import DatasetInfo
from providers.near import NearCopies
from tests.unit.storage.kit import ANN, CSV, House, MemoryStore


async def no_jobs(dataset: DatasetId) -> dict[JobId, bool]:
    return {}


class Rented:
    """A house whose store is elsewhere."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.disk = MemoryStore(house.clock)
        self.charges: list[Charge] = []
        self.broke = False
        copies = NearCopies(house.store, self.disk, house.clock)
        house.services = StorageServices(replace(house.services.parts, copies=copies, charge=self.charge), no_jobs)
        house.inspection.store = self.disk

    async def charge(self, asked: Charge) -> None:
        if self.broke:
            raise Refusal("E-BUDGET")
        self.charges.append(asked)

    def sell(self) -> None:
        """Have the store ask a dollar for each byte that is read."""
        self.house.store.read_usd_per_gb = Decimal(1 << 30)  # type: ignore[attr-defined]

    def paid(self) -> list[tuple[str, Decimal]]:
        return [(one.what, one.amount_usd) for one in self.charges]

    async def predict(self) -> None:
        command = self.house.command()
        begin = BeginPrediction(command_id=command, requester=ANN, model="@last", name="rows.csv")
        grant = await self.house.ask(begin)
        await self.disk.write(grant.key, CSV)
        await self.house.ask(MakePrediction(command_id=command, requester=ANN, model="@last", grant=grant))

    async def add(self) -> DatasetInfo:
        """Upload a data set as the gateway does: to this computer's disk."""
        command = self.house.command()
        begin = BeginUpload(command_id=command, requester=ANN, name="churn.csv", size_bytes=len(CSV))
        grant = await self.house.ask(begin)
        stored = await self.disk.write(grant.key, CSV)
        commit = CommitUpload(command_id=command, requester=ANN, grant=grant, name="churn.csv", stored=stored)
        info: DatasetInfo = await self.house.ask(commit)
        return info

    async def check(self, info: DatasetInfo) -> tuple[str, ...]:
        """Look at it with a target in mind, as a plan does; return what the plan warns of."""
        checked = await self.house.ask(CheckTraining(requester=ANN, order=TrainOrder(dataset=info.id, target="y")))
        warnings: tuple[str, ...] = checked.warnings
        return warnings

    def brought(self) -> int:
        return [call for call, _ in self.house.store.calls].count("get")


@pytest.fixture
def rented(house: House) -> Rented:
    return Rented(house)


async def test_a_plan_reads_the_copy_that_was_kept_of_the_upload(rented: Rented) -> None:
    info = await rented.add()
    assert (list(rented.disk.objects), list(rented.house.store.objects)) == ([info.key], [info.key])
    await rented.check(info)
    assert rented.brought() == 0


@pytest.mark.parametrize("code", [None, "E-CSV-EMPTY"])
async def test_a_copy_that_was_damaged_here_is_brought_anew_once(rented: Rented, code: str | None) -> None:
    """Fault 40: a flipped bit shows as another digest, or as a file that cannot be read."""
    info = await rented.add()
    await rented.disk.write(info.key, b"\0" * len(CSV))
    if code is not None:
        inspect = rented.house.inspection

        def refuse(argv: list[str]) -> object:
            inspect.answer = None
            raise Refusal(code)

        inspect.answer = refuse  # type: ignore[assignment]
    await rented.check(info)
    assert rented.disk.objects[info.key][0] == CSV
    assert rented.brought() == 1


async def test_a_data_set_that_is_damaged_in_the_store_is_refused_after_one_more_look(rented: Rented) -> None:
    info = await rented.add()
    for store in (rented.disk, rented.house.store):
        await store.write(info.key, b"\0" * len(CSV))
    with pytest.raises(Refusal, match="E-ARTIFACT"):
        await rented.check(info)
    assert rented.brought() == 1


async def test_a_question_that_is_refused_for_itself_brings_nothing_anew(rented: Rented) -> None:
    info = await rented.add()

    def refuse(argv: list[str]) -> object:
        raise Refusal("E-FEATURES")

    rented.house.inspection.answer = refuse  # type: ignore[assignment]
    with pytest.raises(Refusal, match="E-FEATURES"):
        await rented.check(info)
    assert rented.brought() == 0
    assert info.key in rented.disk.objects


async def test_what_is_removed_leaves_no_copy_here(rented: Rented) -> None:
    info = await rented.add()
    model = await rented.house.model()
    for name in ("manifest.json", *(artifact.name for artifact in model.artifacts)):
        await rented.house.services.parts.near.fetch(f"{model.key}/{name}")
    await rented.house.ask(RemoveDataset(command_id=rented.house.command(), requester=ANN, ref=info.id))
    await rented.house.ask(RemoveModel(command_id=rented.house.command(), requester=ANN, ref=model.id))
    assert rented.disk.objects == {}
    assert not [key for key in rented.house.store.objects if not key.startswith("jobs/")]


@pytest.mark.parametrize("reads_near", [True, False])
async def test_rows_are_sent_to_the_store_only_for_a_prediction_that_is_made_there(
    rented: Rented, reads_near: bool
) -> None:
    house = rented.house
    house.predictor.reads_near = reads_near  # type: ignore[misc]
    await house.model()
    command = house.command()
    grant = await house.ask(BeginPrediction(command_id=command, requester=ANN, model="@last", name="rows.csv"))
    await rented.disk.write(grant.key, CSV)
    house.store.calls.clear()
    await house.ask(MakePrediction(command_id=command, requester=ANN, model="@last", grant=grant))
    assert (("put", grant.key) in house.store.calls) is not reads_near
    assert grant.key not in {*rented.disk.objects, *house.store.objects}


async def test_a_copy_that_a_plan_brings_out_of_a_store_that_charges_is_paid_first_and_once(rented: Rented) -> None:
    info = await rented.add()
    rented.sell()
    plain = await rented.check(info)
    assert rented.paid() == []
    await rented.disk.delete(info.key)
    said = await rented.check(info)
    assert said[len(plain) :] == (f"Reading the data set out of fake for this plan cost ${len(CSV)}.00.",)
    assert await rented.check(info) == plain
    assert rented.paid() == [("copying churn.csv out of fake", Decimal(len(CSV)))]
    assert {(one.user_id, one.provider) for one in rented.charges} == {(ANN.user_id, "fake")}
    await rented.disk.delete(info.key)
    await rented.check(info)
    assert len({one.source for one in rented.charges}) == 2


async def test_a_copy_that_no_budget_pays_for_is_not_brought(rented: Rented) -> None:
    info = await rented.add()
    await rented.disk.delete(info.key)
    rented.sell()
    rented.broke = True
    with pytest.raises(Refusal, match="E-BUDGET"):
        await rented.check(info)
    assert rented.brought() == 0


async def test_a_model_that_a_prediction_here_reads_is_paid_by_who_predicts_for_what_is_not_here(
    rented: Rented,
) -> None:
    house = rented.house
    house.predictor.reads_near = True  # type: ignore[misc]
    model = await house.model()
    first, *others = model.artifacts
    await house.services.parts.near.fetch(f"{model.key}/{first.name}")
    rented.sell()
    await rented.predict()
    assert rented.paid() == [(f"copying {model.name} out of fake", Decimal(sum(one.size_bytes for one in others)))]
    for one in others:
        await house.services.parts.near.fetch(f"{model.key}/{one.name}")
    await rented.predict()
    assert len(rented.charges) == 1


async def test_what_a_person_downloads_of_a_store_that_charges_is_paid_first_and_each_time(rented: Rented) -> None:
    info, model = await rented.add(), await rented.house.model()
    await rented.predict()
    [made] = [key for key in rented.house.store.objects if key.startswith("predictions/")]
    first = model.artifacts[0]
    result = PredictionId(made.split("/")[2])
    asked = {
        f"downloading churn.csv out of {model.provider}": (ReadDataset(requester=ANN, ref=info.id), len(CSV)),
        f"downloading {first.name} of {model.name} out of {model.provider}": (
            ReadModelFile(requester=ANN, ref=model.id, file=first.name),
            first.size_bytes,
        ),
        f"downloading {result}.csv out of {model.provider}": (
            ReadPrediction(requester=ANN, prediction_id=result),
            len(rented.house.store.objects[made][0]),
        ),
    }
    for question, _ in asked.values():
        await rented.house.ask(question)
    assert rented.paid() == [], "a store that asks nothing is not in the books"
    rented.sell()
    for question, size in asked.values():
        assert (await rented.house.ask(question)).size_bytes == size
    assert rented.paid() == [(what, Decimal(size)) for what, (_, size) in asked.items()]
    await rented.house.ask(ReadDataset(requester=ANN, ref=info.id))
    assert len({one.source for one in rented.charges}) == 4
    rented.broke = True
    for question, _ in asked.values():
        with pytest.raises(Refusal, match="E-BUDGET"):
            await rented.house.ask(question)
