"""Predictions: within their limits, made once, kept for their own user."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from actors.storage.models import MANIFEST
from actors.storage.parts import StorageSettings
from messages.admin import AbandonUpload, BeginPrediction, MakePrediction, ReadPrediction, UploadGrant
from messages.errors import Refusal
from messages.ids import CommandId, PredictionId
from messages.storage import PredictionInfo
from providers.interface import PredictionReply
from tests.unit.storage.kit import ANN, BOB, CSV, House, build


async def begin(house: House, command: CommandId) -> UploadGrant:
    grant = await house.ask(BeginPrediction(command_id=command, requester=ANN, model="@last", name="rows.csv"))
    assert isinstance(grant, UploadGrant)
    await house.store.write(grant.key, CSV)
    return grant


async def predict(house: House, command: CommandId | None = None) -> PredictionInfo:
    command = command or house.command()
    grant = await begin(house, command)
    info = await house.ask(MakePrediction(command_id=command, requester=ANN, model="@last", grant=grant))
    assert isinstance(info, PredictionInfo)
    return info


async def test_rows_go_in_and_a_result_file_comes_out(house: House) -> None:
    model = await house.model()
    info = await predict(house)
    assert (info.model_id, info.rows, info.cost_usd, info.user_id) == (model.id, 2, Decimal("0.01"), ANN.user_id)
    (asked,) = house.predictor.asked
    assert (asked.model_key, asked.output_key, asked.column) == (model.key, info.key, "prediction")
    grant = await house.ask(ReadPrediction(requester=ANN, prediction_id=PredictionId(info.id)))
    assert house.store.objects[grant.key][0] == b"prediction\n1\n2\n"
    assert grant.size_bytes == info.size_bytes
    assert not [k for k in house.store.objects if "incoming" in k]


async def test_the_same_command_again_runs_nothing_again(house: House) -> None:
    await house.model()
    command = house.command()
    first = await predict(house, command)
    house.again()
    assert await predict(house, command) == first
    assert len(house.predictor.asked) == 1


async def test_the_same_command_twice_at_once_runs_once(house: House) -> None:
    await house.model()
    command = house.command()
    grant = await begin(house, command)
    msg = MakePrediction(command_id=command, requester=ANN, model="@last", grant=grant)
    one, two = await asyncio.gather(house.ask(msg), house.ask(msg))
    assert one == two
    assert len(house.predictor.asked) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (PredictionReply(ok=False, code="E-CSV-SCHEMA", detail="no column a"), "E-CSV-SCHEMA"),
        (PredictionReply(ok=False, code="E-MODEL-DAMAGED"), "E-MODEL-DAMAGED"),
        (PredictionReply(ok=False, code="E-STRANGE"), "E-PREDICT"),
        (PredictionReply(ok=False), "E-PREDICT"),
        (PredictionReply(ok=False, cost_usd=Decimal(2), seconds=5), "E-PREDICT-LIMIT"),
    ],
)
async def test_a_failed_prediction_is_a_refusal_with_the_programs_code(
    house: House, reply: PredictionReply, code: str
) -> None:
    await house.model()
    house.predictor.reply = reply
    with pytest.raises(Refusal) as caught:
        await predict(house)
    assert caught.value.code == code
    assert not await house.journal.streams("prediction/")
    assert not [k for k in house.store.objects if "incoming" in k]
    assert house.journal.audited()[-1].code == code


async def test_the_cost_limit_bounds_the_time(house: House) -> None:
    settings = StorageSettings(prediction_rate_usd_per_hour=Decimal(36), prediction_max_cost_usd=Decimal(1))
    house = build(settings)
    await house.model()
    await predict(house)
    assert house.predictor.asked[0].limit_s == 100.0
    house.predictor.reply = PredictionReply(ok=False, code="E-PREDICT", seconds=100.5)
    with pytest.raises(Refusal, match="E-PREDICT-LIMIT"):
        await predict(house)


async def test_a_cost_limit_that_buys_no_time_is_refused_before_anything_runs() -> None:
    house = build(StorageSettings(prediction_rate_usd_per_hour=Decimal(7200)))
    await house.model()
    with pytest.raises(Refusal, match="E-PREDICT-LIMIT"):
        await predict(house)
    assert not house.predictor.asked


async def test_a_model_half_gone_or_rows_that_never_came_run_nothing(house: House) -> None:
    model = await house.model()
    grant = await begin(house, house.command())
    msg = MakePrediction(command_id=house.command(), requester=ANN, model=model.id, grant=grant)
    await house.store.delete(grant.key)
    with pytest.raises(Refusal, match="E-BADREQUEST"):
        await house.ask(msg)
    await house.store.write(grant.key, CSV)
    await house.store.delete(f"{model.key}/{MANIFEST}")
    with pytest.raises(Refusal, match="E-MODEL-DAMAGED"):
        await house.ask(msg)
    assert not house.predictor.asked


async def test_too_many_rows_are_refused() -> None:
    house = build(StorageSettings(upload_bytes_max=5))
    await house.model()
    with pytest.raises(Refusal, match="E-TOOLARGE"):
        await predict(house)


async def test_only_the_place_that_was_granted_is_predicted_from(house: House) -> None:
    model = await house.model()
    info = await house.add()
    grant = await begin(house, house.command())
    keys: list[Any] = [
        info.key,
        model.key,
        "../x",
        grant.key.replace(ANN.user_id, BOB.user_id),
        grant.key.replace("incoming/", "incoming/x"),
        house.layout.incoming_key(ANN.user_id, info.id),
    ]
    for key in keys:
        forged = grant.model_copy(update={"key": key})
        with pytest.raises(Refusal, match="E-KEY"):
            await house.ask(MakePrediction(command_id=house.command(), requester=ANN, model=model.id, grant=forged))
    assert info.key in house.store.objects


async def test_a_prediction_whose_file_is_gone_is_not_found(house: House) -> None:
    await house.model()
    info = await predict(house)
    await house.store.delete(info.key)
    with pytest.raises(Refusal, match="E-NOTFOUND"):
        await house.ask(ReadPrediction(requester=ANN, prediction_id=PredictionId(info.id)))


async def test_a_full_journal_refuses_the_prediction_and_keeps_the_rows_for_the_repeat(house: House) -> None:
    await house.model()
    command = house.command()
    house.journal.full = lambda stream: stream.startswith("prediction/")
    with pytest.raises(Refusal, match="E-JOURNAL"):
        await predict(house, command)
    house.journal.full = lambda stream: False
    assert (await predict(house, command)).rows == 2


async def test_rows_that_are_being_predicted_are_not_abandoned(house: House) -> None:
    await house.model()
    command = house.command()
    grant = await begin(house, command)
    inside, go = asyncio.Event(), asyncio.Event()
    invoke = house.predictor.invoke

    async def held(request: Any) -> PredictionReply:
        inside.set()
        await go.wait()
        assert grant.key in house.store.objects
        return await invoke(request)

    house.predictor.invoke = held  # type: ignore[method-assign]
    made = asyncio.create_task(house.ask(MakePrediction(command_id=command, requester=ANN, model="@last", grant=grant)))
    await inside.wait()
    abandoned = asyncio.create_task(house.ask(AbandonUpload(requester=ANN, grant=grant)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert grant.key in house.store.objects
    assert not abandoned.done()
    go.set()
    await asyncio.gather(made, abandoned)
    assert grant.key not in house.store.objects
