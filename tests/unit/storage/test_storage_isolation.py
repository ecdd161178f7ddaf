"""Whoever asks for what is another's hears what he would hear if it did not exist (fault 88), and it is audited."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from actors.storage.access import Layout
from messages.admin import (
    BeginPrediction,
    BeginUpload,
    CheckTraining,
    FindDataset,
    FindModel,
    ListDatasets,
    ListModels,
    MakePrediction,
    ReadDataset,
    ReadModelFile,
    ReadPrediction,
    RemoveDataset,
    RemoveModel,
    TrainOrder,
)
from messages.errors import Refusal
from messages.ids import DatasetId, ModelId, PredictionId, UserId
from messages.jobs import Requester
from messages.storage import DatasetInfo, ModelInfo
from tests.unit.storage.kit import ANN, BOB, CSV, JOB, House

Question = Callable[[House, Requester, str], Any]

OF_DATASETS: dict[str, Question] = {
    "find": lambda h, who, ref: FindDataset(requester=who, ref=ref),
    "read": lambda h, who, ref: ReadDataset(requester=who, ref=ref),
    "remove": lambda h, who, ref: RemoveDataset(command_id=h.command(), requester=who, ref=ref),
    "check": lambda h, who, ref: CheckTraining(requester=who, order=TrainOrder(dataset=ref, target="y")),
}
OF_MODELS: dict[str, Question] = {
    "find": lambda h, who, ref: FindModel(requester=who, ref=ref),
    "read": lambda h, who, ref: ReadModelFile(requester=who, ref=ref, file="metrics.json"),
    "remove": lambda h, who, ref: RemoveModel(command_id=h.command(), requester=who, ref=ref),
    "begin": lambda h, who, ref: BeginPrediction(command_id=h.command(), requester=who, model=ref, name="rows"),
}


async def answer(house: House, msg: Any) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        await house.ask(msg)
    return caught.value.code, caught.value.detail


def spellings(thing: DatasetInfo | ModelInfo) -> list[str]:
    return [thing.id, thing.id[:9], thing.id.tail[:6], thing.name, thing.key, f"../{thing.id}"]


@pytest.mark.parametrize("question", OF_DATASETS.values(), ids=OF_DATASETS)
async def test_anothers_data_set_answers_like_a_missing_one(house: House, question: Question) -> None:
    theirs, missing = await house.add(BOB, name="secret.csv"), DatasetId("ds_zzzzzzzzzz")
    before = dict(house.store.objects)
    nothing = await answer(house, question(house, ANN, missing))
    assert nothing[0] == "E-NOTFOUND"
    for ref in spellings(theirs):
        assert await answer(house, question(house, ANN, ref)) == nothing
    assert house.store.objects == before
    trail = house.journal.audited()[-7:]
    assert [(a.who, a.success, a.code) for a in trail] == [(f"uid:1000 {ANN.user_id}", False, "E-NOTFOUND")] * 7


@pytest.mark.parametrize("question", OF_MODELS.values(), ids=OF_MODELS)
async def test_anothers_model_answers_like_a_missing_one(house: House, question: Question) -> None:
    theirs, missing = await house.model(BOB), ModelId("mdl_zzzzzzzzzz")
    before = dict(house.store.objects)
    nothing = await answer(house, question(house, ANN, missing))
    assert nothing[0] == "E-NOTFOUND"
    for ref in spellings(theirs):
        assert await answer(house, question(house, ANN, ref)) == nothing
    assert house.store.objects == before


async def test_anothers_prediction_answers_like_a_missing_one(house: House) -> None:
    await house.model(BOB)
    command = house.command()
    grant = await house.ask(BeginPrediction(command_id=command, requester=BOB, model="@last", name="rows"))
    await house.store.write(grant.key, CSV)
    made = await house.ask(MakePrediction(command_id=command, requester=BOB, model="@last", grant=grant))
    missing = await answer(house, ReadPrediction(requester=ANN, prediction_id=PredictionId("prd_zzzzzzzzzz")))
    theirs = await answer(house, ReadPrediction(requester=ANN, prediction_id=PredictionId(made.id)))
    assert theirs == missing
    assert missing[0] == "E-NOTFOUND"


async def test_predicting_with_anothers_model_uses_nothing(house: House) -> None:
    theirs = await house.model(BOB)
    await house.model(ANN, job=type(JOB)("job_kkkkkkkkkk"))
    command = house.command()
    grant = await house.ask(BeginPrediction(command_id=command, requester=ANN, model="@last", name="rows"))
    await house.store.write(grant.key, CSV)
    msg = MakePrediction(command_id=command, requester=ANN, model=theirs.id, grant=grant)
    assert (await answer(house, msg))[0] == "E-NOTFOUND"
    assert not house.predictor.asked


async def test_lists_hold_only_what_is_ones_own_for_every_pair_of_users(house: House) -> None:
    people = [Requester(user_id=UserId(f"usr_{c * 10}"), via=f"tg:{n}") for n, c in enumerate("abcd")]
    for n, who in enumerate(people):
        await house.add(who)
        await house.model(who, job=type(JOB)(f"job_{'abcd'[n] * 10}"))
    for reader, owner in itertools.product(people, repeat=2):
        for msg in (ListDatasets(requester=reader), ListModels(requester=reader)):
            listed = await house.ask(msg)
            assert len(listed) == 1
            assert (listed[0].user_id == owner.user_id) == (reader == owner)


async def test_the_same_command_id_of_two_users_never_meets(house: House) -> None:
    command = house.command()
    mine, theirs = await house.add(ANN, command=command), await house.add(BOB, command=command)
    assert mine.id != theirs.id


async def test_anothers_removal_command_is_not_answered_to_me(house: House) -> None:
    theirs = await house.add(BOB)
    command = house.command()
    await house.ask(RemoveDataset(command_id=command, requester=BOB, ref=theirs.id))
    msg = RemoveDataset(command_id=command, requester=ANN, ref=theirs.id)
    assert (await answer(house, msg))[0] in ("E-IDEMPOTENCY", "E-NOTFOUND")


async def test_what_lies_outside_the_layout_of_today_is_not_handed_out(house: House) -> None:
    info, model = await house.add(), await house.model()
    await house.store.write(house.layout.incoming_key(ANN.user_id, info.id), CSV)
    object.__setattr__(house.services.parts, "layout", Layout(datasets="elsewhere/d", models="elsewhere/m"))
    assert (await answer(house, ReadDataset(requester=ANN, ref=info.id)))[0] == "E-KEY"
    msg = ReadModelFile(requester=ANN, ref=model.id, file="metrics.json")
    assert (await answer(house, msg))[0] == "E-KEY"


async def test_every_change_and_every_read_of_content_is_audited(house: House) -> None:
    info, model = await house.add(name="a\u00a0b"), await house.model()
    await house.ask(ReadDataset(requester=ANN, ref=info.id))
    await house.ask(ReadModelFile(requester=ANN, ref=model.id, file="metrics.json"))
    await house.ask(RemoveDataset(command_id=house.command(), requester=ANN, ref=info.id))
    await house.ask(RemoveModel(command_id=house.command(), requester=ANN, ref=model.id))
    trail = house.journal.audited()
    assert [a.what for a in trail] == [
        "dataset.add",
        "model.collect",
        "dataset.read",
        "model.read",
        "dataset.remove",
        "model.remove",
    ]
    assert all(a.success and a.provider == "fake" and a.at == house.clock.now() for a in trail)


async def test_looking_around_in_ones_own_leaves_no_trail(house: House) -> None:
    await house.ask(ListDatasets(requester=ANN))
    await house.ask(ListModels(requester=ANN))
    await house.ask(BeginUpload(command_id=house.command(), requester=ANN, name="a"))
    assert not house.journal.audited()


async def test_what_stands_in_the_trail_is_short_and_printable(house: House) -> None:
    await answer(house, FindDataset(requester=ANN, ref="\x1b[2J\n" + "x" * 10_000))
    (entry,) = house.journal.audited()
    assert entry.resource.isprintable()
    assert len(entry.resource) <= 200
