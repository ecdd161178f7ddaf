"""RunPod's bill, and what else is asked beside pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from providers.interface import Ambiguous, NoCapacity, NotFound, Refused, RentedSpace, Unavailable
from providers.runpod import resources
from providers.runpod.prices import AS_OF
from providers.runpod.training import RunPodTraining
from providers.transport import HttpReply, HttpRequest, NoReply
from tests.support.runpod_wire import SETTINGS, VOLUME_REPLY, Wire, account, page, problem, reply

SINCE = datetime(2026, 11, 23, 14, 10, tzinfo=UTC)
UNTIL = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
GRAPHQL = f"POST {SETTINGS.graphql_url}"


def record(hour: int, pod: Any = "p1", amount: Any = 0.1) -> dict[str, Any]:
    return {
        "startTime": f"2026-11-23T{hour:02}:00:00Z",
        "endTime": f"2026-11-23T{hour + 1:02}:00:00Z",
        "podId": pod,
        "totalAmount": amount,
        "gpuAmount": 0,
    }


async def test_hours_of_one_pod_are_one_line() -> None:
    wire = Wire()
    wire.on(
        "GET /billing/pods",
        reply({"records": [record(13), record(14), record(15, amount="0.25"), record(14, "p2"), record(16)]}),
    )
    lines = await RunPodTraining(account(wire)).billed(SINCE, UNTIL)
    assert [(line.machine_id, line.amount_usd) for line in lines] == [("p1", Decimal("0.35")), ("p2", Decimal("0.1"))]
    assert (lines[0].began.hour, lines[0].ended.hour) == (14, 16)
    query = parse_qs(urlsplit(wire.asked[0].url).query)
    assert query == {
        "bucketSize": ["hour"],
        "startTime": ["2026-11-23T14:10:00Z"],
        "endTime": ["2026-11-23T15:30:00Z"],
    }


async def test_a_month_is_read_day_by_day_and_no_hour_counts_twice() -> None:
    wire, hours = Wire(), 24 * 4

    def answered(request: HttpRequest) -> HttpReply:
        """Every hour that touches the window, as long windows have it."""
        query = parse_qs(urlsplit(request.url).query)
        began, ended = (datetime.fromisoformat(query[name][0]) for name in ("startTime", "endTime"))
        assert ended - began <= timedelta(days=1)
        all_hours = (datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=hour) for hour in range(hours))
        touched = [hour for hour in all_hours if hour <= ended and hour + timedelta(hours=1) >= began]
        lines = [
            {
                "startTime": hour.isoformat(),
                "endTime": (hour + timedelta(hours=1)).isoformat(),
                "podId": "p1",
                "totalAmount": 1,
            }
            for hour in touched
        ]
        return reply({"records": lines})

    wire.on("GET /billing/pods", answered)
    since, until = datetime(2026, 11, 20, 3, 30, tzinfo=UTC), datetime(2026, 11, 23, 14, 10, tzinfo=UTC)
    [line] = await RunPodTraining(account(wire)).billed(since, until)
    assert line.amount_usd == 3 * 24 + 15 - 3
    assert len(wire.asked) == 4


@pytest.mark.parametrize(
    "value",
    [None, {}, {"records": {}}, {"records": [record(14), {}]}, {"records": ["x"]}, {"records": [record(14, 5)]}],
)
async def test_a_bill_is_read_whole_or_not_at_all(value: Any) -> None:
    wire = Wire()
    wire.on("GET /billing/pods", reply(value))
    with pytest.raises(Unavailable):
        await RunPodTraining(account(wire)).billed(SINCE, UNTIL)


def hour(hour: int, volume: str = "vol1", amount: Any = 0.0068) -> dict[str, Any]:
    return {**record(hour, amount=amount), "networkVolumeId": volume}


async def test_the_hours_of_the_configured_volume_are_read_in_one_answer_and_in_order() -> None:
    wire = Wire()
    laid = {"records": [hour(15), hour(14), hour(15, "other"), hour(13), hour(16)]}
    wire.on("GET /billing/network-volumes", reply(laid))
    since = SINCE.replace(minute=0)
    lines = await RunPodTraining(account(wire)).space_billed(since, UNTIL)
    assert [(line.began.hour, line.ended.hour, line.amount_usd) for line in lines] == [
        (14, 15, Decimal("0.0068")),
        (15, 16, Decimal("0.0068")),
    ]
    assert parse_qs(urlsplit(wire.asked[0].url).query) == {
        "bucketSize": ["hour"],
        "startTime": ["2026-11-23T14:00:00Z"],
        "endTime": ["2026-11-23T15:30:00Z"],
        "networkVolumeId": ["vol1"],
    }


@pytest.mark.parametrize("records", [None, [hour(14, amount="much")], [{**hour(14), "networkVolumeId": None}], [1]])
async def test_a_bill_of_the_volume_is_read_whole_or_not_at_all(records: Any) -> None:
    wire = Wire()
    wire.on("GET /billing/network-volumes", reply({"records": records}))
    with pytest.raises(Unavailable):
        await RunPodTraining(account(wire)).space_billed(SINCE, UNTIL)


async def test_the_volume_costs_its_size_whatever_lies_on_it() -> None:
    wire = Wire()
    wire.on("GET /network-volumes/vol1", reply({**VOLUME_REPLY, "size": 2000}), reply({**VOLUME_REPLY, "size": None}))
    training = RunPodTraining(account(wire))
    assert await training.space() == RentedSpace(2000, Decimal("120.00"), AS_OF)
    with pytest.raises(Unavailable):
        await training.space()


async def test_volumes_templates_and_registries_are_listed_over_pages() -> None:
    wire = Wire()
    client = account(wire)
    wire.on("GET /network-volumes", reply({"networkVolumes": [VOLUME_REPLY, {}]}))
    assert [v.id for v in await resources.volumes(client)] == ["vol1"]
    more = {"nextCursor": "c", "hasNextPage": True}
    wire.on(
        "GET /templates",
        reply({"templates": [{"id": "t1", "name": "a"}], "pagination": more}),
        reply({"templates": [{"id": "t2"}], "pagination": {"nextCursor": None, "hasNextPage": False}}),
    )
    assert await resources.templates(client) == [("t1", "a"), ("t2", "")]
    wire.on("GET /registries", reply({"registries": [{"id": "r"}, 3]}))
    assert await resources.registries(client) == [("r", "")]
    wire.on("GET /registries", reply({"registries": [], "pagination": more}))
    with pytest.raises(Unavailable):
        await resources.registries(client)


async def test_a_list_of_volumes_that_goes_round_in_circles_is_left_at_once() -> None:
    """A volume it lacks would be made a second time, and bill."""
    wire = Wire()
    page = {"networkVolumes": [VOLUME_REPLY], "pagination": {"nextCursor": "c", "hasNextPage": True}}
    wire.on("GET /network-volumes", reply(page))
    with pytest.raises(Unavailable):
        await resources.volumes(account(wire))
    assert len(wire.asked) == 2


async def test_one_volume_is_read_or_not_found() -> None:
    wire = Wire()
    client = account(wire)
    assert (await resources.volume(client, "vol1")).place == "EU-RO-1"
    with pytest.raises(NotFound):
        await resources.volume(client, "other")
    wire.on("GET /network-volumes/odd", reply([]))
    with pytest.raises(Unavailable):
        await resources.volume(client, "odd")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(400), NoCapacity),
        (problem(402), Refused),
        (problem(500), Ambiguous),
        (page(400), Ambiguous),
        (page(200), Ambiguous),
        (reply([], 201), Ambiguous),
        (NoReply("x"), Ambiguous),
    ],
)
async def test_making_a_volume_is_one_call(answer: HttpReply | Exception, error: type[Exception]) -> None:
    wire = Wire()
    wire.on("POST /network-volumes", answer)
    with pytest.raises(error) as caught:
        await resources.create_volume(account(wire), "n", 10, "eu-ro-1")
    assert type(caught.value) is error
    assert wire.bodies() == [{"name": "n", "size": 10, "dataCenter": "EU-RO-1"}]


async def test_a_made_volume_is_told() -> None:
    wire = Wire()
    wire.on("POST /network-volumes", reply(VOLUME_REPLY, 201))
    assert (await resources.create_volume(account(wire), "n", 10, "EU-RO-1")).id == "vol1"


async def test_the_balance_and_the_places_with_s3_come_from_graphql() -> None:
    wire = Wire()
    client = account(wire)
    me = {"clientBalance": 12.5, "currentSpendPerHr": "0.27", "spendLimit": None}
    wire.on(GRAPHQL, reply({"data": {"myself": me}}))
    assert await resources.balance(client) == (Decimal("12.5"), Decimal("0.27"), None)
    places = [{"id": "EU-RO-1", "s3apiEnabled": True}, {"id": "X", "s3apiEnabled": False}, {"id": "us-ks-2"}, 3]
    wire.on(GRAPHQL, reply({"data": {"dataCenters": places}}))
    assert await resources.data_centers_with_s3(client) == ["EU-RO-1"]
    for ask in (resources.balance, resources.data_centers_with_s3):
        wire.on(GRAPHQL, reply({"data": {"myself": None}}))
        with pytest.raises(Unavailable):
            await ask(client)
