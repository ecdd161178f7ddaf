"""Which model was the last one on the same data."""

from __future__ import annotations

import json

import pytest

from actors.storage.bundle import DOCUMENT_BYTES_MAX
from actors.storage.comparing import headline_of, held_out_of, last_run, making_of
from messages.admin import CheckTraining, TrainOrder
from messages.comparing import DescribeModel, Making
from messages.errors import Refusal
from messages.ids import DatasetId, JobId, ModelId
from messages.jobs import HeldOut, LastRun
from tests.unit.storage.kit import ANN, BOB, JOB, House

DATASET = DatasetId("ds_dddddddddd")
"""The one every result of the house is of."""


def measured(value: float) -> bytes:
    split = {"method": "random", "share": 0.2, "sha256": "ab"}
    top = {"name": "rmse", "value": value, "low": value - 1, "high": value + 1}
    return json.dumps({"schema": "metrics/v1", "headline": top, "split": split}).encode()


async def test_the_last_run_is_the_users_newest_model_of_this_data_and_target(house: House) -> None:
    catalogue = house.services.parts.catalogue
    assert await last_run(catalogue, ANN.user_id, DATASET, "y") is None
    for job, value in (("job_aaaaaaaaaa", 5.0), ("job_bbbbbbbbbb", 4.0)):
        await house.ask(await house.result(job=JobId(job), metrics__json=measured(value)))
    await house.ask(await house.result(BOB, JobId("job_cccccccccc"), metrics__json=measured(1.0)))
    found = await last_run(catalogue, ANN.user_id, DATASET, "y")
    held_out = HeldOut(method="random", share=0.2, sha256="ab")
    assert found == LastRun(model="churn-7f3", name="rmse", value=4.0, low=3.0, high=5.0, held_out=held_out)
    assert await last_run(catalogue, ANN.user_id, DATASET, "another") is None
    assert await last_run(catalogue, ANN.user_id, DatasetId("ds_eeeeeeeeee"), "y") is None


async def test_a_check_brings_the_last_run_and_asks_about_the_column_rows_are_split_by(house: House) -> None:
    info = await house.add()
    order = TrainOrder(dataset=info.id, target="y", group="a")
    checked = await house.ask(CheckTraining(requester=ANN, order=order))
    assert checked.last_run is None
    assert [(asked["group"], asked["time"]) for asked in house.inspection.questions] == [("a", None)]


async def test_of_a_model_without_an_interval_there_is_no_headline(house: House) -> None:
    info = await house.model()
    assert headline_of(info) is None
    assert held_out_of(info.model_copy(update={"metrics": {"split": {"method": "by luck"}}})) is None
    for bad in ({"name": "rmse", "value": 1, "low": "x", "high": 2}, {"name": 3}, "rmse"):
        assert headline_of(info.model_copy(update={"metrics": {"headline": bad}})) is None


async def test_a_described_model_says_how_it_was_made(house: House) -> None:
    told = {"model_type": "ridge", "seed": 7, "hyperparameters": {"alpha": 1.0}, "dataset_sha256": "ab" * 32}
    more = {"target_column": "y", "task": "regression", "feature_columns": ["a"], "job_id": JOB, "unknown": 1}
    split = {"method": "group", "column": "customer", "share": 0.2, "sha256": "cd"}
    await house.ask(await house.result(metadata__json=json.dumps({**told, **more, "split": split}).encode()))
    found = await house.ask(DescribeModel(requester=ANN, ref="churn-7f3"))
    assert found.info.id == ModelId.derived(JOB)
    assert found.making == Making.model_validate({**told, "split": split})
    with pytest.raises(Refusal, match="E-NOTFOUND"):
        await house.ask(DescribeModel(requester=BOB, ref="churn-7f3"))


async def test_what_a_model_was_made_of_is_not_believed_from_a_changed_file(house: House) -> None:
    info = await house.model()
    key = f"{info.key}/metadata.json"
    for data in (b"{}", b" " * (DOCUMENT_BYTES_MAX + 1), None):
        if data is None:
            await house.store.delete(key)
        else:
            await house.store.write(key, data)
        with pytest.raises(Refusal, match="E-MODEL-DAMAGED"):
            await house.ask(DescribeModel(requester=ANN, ref=info.id))


@pytest.mark.parametrize("raw", [b"no", b"[]", b'{"seed": "x"}', b'{"split": {"method": "luck"}}'])
def test_metadata_in_other_words_says_nothing(raw: bytes) -> None:
    assert making_of(raw) == Making()
