"""Which model was the last one on the same data."""

from __future__ import annotations

import json

from actors.storage.comparing import headline_of, held_out_of, last_run
from messages.admin import CheckTraining, TrainOrder
from messages.ids import DatasetId, JobId
from messages.jobs import HeldOut, LastRun
from tests.unit.storage.kit import ANN, BOB, House

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
