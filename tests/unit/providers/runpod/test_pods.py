"""One create, read and end of a pod. Faults 1, 4, 5, 11, 27."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from messages.ids import JobId
from messages.machines import LaunchRequest, MachineName, Offer
from providers.breaker import FAILURES_MAX
from providers.interface import (
    CREATE_WAIT_S_MAX,
    Ambiguous,
    Denied,
    EndAnswer,
    HeldBack,
    NoCapacity,
    NotFound,
    Refused,
    Unavailable,
)
from providers.runpod.creating import VARIABLES_MAX, create_body, environment
from providers.runpod.training import RunPodTraining
from providers.transport import HttpReply, NoReply, NotSent
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_wire import KEY, SETTINGS, VOLUME, Wire, account, empty, page, pod, problem, reply

HARD = datetime(2026, 11, 23, 15, tzinfo=UTC)
JOB = JobId.derived("pods", "1")
OFFER = Offer(
    id="NVIDIA RTX A5000@EU-RO-1",
    provider="runpod",
    machine_type="NVIDIA RTX A5000",
    place="EU-RO-1",
    rate_usd_per_hour=Decimal("0.27"),
    gpu="RTX A5000 24 GB",
    gpu_count=1,
)
REQUEST = LaunchRequest(
    name=MachineName("abcdef", "ghij", JOB.tail, 1, HARD).text(b"key"),
    job_id=JOB,
    attempt=1,
    offer=OFFER,
    folder="jobs/user_usr_abcdefghij/j/1",
    soft_deadline=HARD - timedelta(minutes=5),
    hard_deadline=HARD,
    max_runtime_s=600,
    environment={"LASTCALL_MACHINE": "m"},
    bundle="bundles/x",
)
GRAPHQL = f"POST {SETTINGS.graphql_url}"


def training(wire: Wire) -> RunPodTraining:
    return RunPodTraining(account(wire))


def test_the_create_body_holds_what_runpod_takes_and_nothing_else() -> None:
    settings = SETTINGS.model_copy(
        update={"image_digest": "sha256:" + "a" * 64, "package_index": "https://i.example/s"}
    )
    body = create_body(REQUEST, settings)
    assert set(body) == {"name", "image", "gpu", "cloud", "dataCenterIds", "mounts", "disk", "env", "args"}
    assert body["gpu"] == {"id": "NVIDIA RTX A5000", "count": 1}
    assert body["image"] == f"{settings.image}@sha256:" + "a" * 64
    assert body["dataCenterIds"] == ["EU-RO-1"]
    assert body["mounts"] == {"network": [{"volumeId": "vol1", "path": "/workspace"}]}
    variables = body["env"]
    assert isinstance(variables, dict)
    assert variables["LASTCALL_JOB_FOLDER"] == "/workspace/jobs/user_usr_abcdefghij/j/1"
    assert variables["LASTCALL_BUNDLE"] == "/workspace/bundles/x"
    assert variables["LASTCALL_STORAGE_ROOT"] == "/workspace"
    assert variables["LASTCALL_MACHINE"] == "m"
    assert variables["LASTCALL_PROVIDER"] == "runpod"
    assert variables["PIP_INDEX_URL"] == "https://i.example/s"
    assert variables["LASTCALL_RUNPOD_API_URL"] == settings.api_url
    assert variables["LASTCALL_RUNPOD_GRAPHQL_URL"] == settings.graphql_url
    assert KEY not in str(body)


@pytest.mark.parametrize("cloud", ["SECURE", "COMMUNITY"])
def test_a_pod_is_asked_for_in_the_configured_cloud(cloud: str) -> None:
    assert create_body(REQUEST, SETTINGS.model_copy(update={"cloud_type": cloud}))["cloud"] == cloud


def test_as_many_variables_as_runpod_takes_are_sent() -> None:
    ours = len(environment(REQUEST.model_copy(update={"environment": {}}), SETTINGS))
    full = {f"V{number}": "x" for number in range(VARIABLES_MAX - ours)}
    assert len(environment(REQUEST.model_copy(update={"environment": full}), SETTINGS)) == VARIABLES_MAX


def test_a_machine_without_gpu_is_asked_for_as_one() -> None:
    offer = OFFER.model_copy(update={"machine_type": "cpu5m-8", "gpu": None, "gpu_count": 0})
    body = create_body(REQUEST.model_copy(update={"offer": offer}), SETTINGS)
    assert body["cpu"] == {"id": "cpu5m", "vcpuCount": 8}
    assert "gpu" not in body


@pytest.mark.parametrize(
    "change",
    [
        {"offer": OFFER.model_copy(update={"provider": "aws"})},
        {"offer": OFFER.model_copy(update={"place": ""})},
        {"offer": OFFER.model_copy(update={"gpu_count": 0})},
        {"environment": {f"V{n}": "x" for n in range(VARIABLES_MAX)}},
        {"environment": {"A": "x" * 110_000}},
        {"environment": {"A": "x\0"}},
        {"environment": {"A=B": "x"}},
    ],
)
async def test_what_runpod_would_refuse_is_refused_before_it_is_sent(change: dict[str, Any]) -> None:
    wire = Wire()
    with pytest.raises(Refused):
        await training(wire).launch(REQUEST.model_copy(update=change))
    assert wire.asked == []


async def test_a_create_is_one_post_and_its_answer_says_what_was_made() -> None:
    wire = Wire()
    substitute = {"id": "NVIDIA L4", "count": 0}
    wire.on("POST /pods", reply(pod(name=REQUEST.name, gpu=substitute, dataCenterId="US-X-1", cost="9.99"), 201))
    machine = await training(wire).launch(REQUEST)
    assert wire.routes() == ["POST /pods"]
    assert (machine.id, machine.name, machine.account) == ("pod1", REQUEST.name, "runpod:vol1")
    assert (machine.machine_type, machine.gpu_count, machine.place) == ("NVIDIA L4", 0, "US-X-1")
    assert machine.rate_usd_per_hour == Decimal("9.99")
    assert wire.asked[0].total_s == 60


CUT = HttpReply(201, {"content-type": "application/json"}, b'{"id": "pod1", "na')


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(400, "There are no longer any instances available"), NoCapacity),
        (problem(403), Denied),
        (problem(401), Refused),
        (problem(402), Refused),
        (problem(404), Refused),
        (problem(413), Refused),
        (problem(422), Refused),
        (problem(429), Ambiguous),
        (problem(408), Ambiguous),
        (problem(409), Ambiguous),
        (problem(500), Ambiguous),
        (page(400), Ambiguous),
        (page(403), Ambiguous),
        (page(401), Ambiguous),
        (page(404), Ambiguous),
        (page(413), Ambiguous),
        (page(200), Ambiguous),
        (page(502), Ambiguous),
        (HttpReply(400, {"content-type": "application/problem+json"}, b"{}"), Ambiguous),
        (HttpReply(400, {"x-request-id": "r", "content-type": "application/json"}, b"{}"), Ambiguous),
        (CUT, Ambiguous),
        (reply([], 201), Ambiguous),
        (reply({"name": REQUEST.name}, 201), Ambiguous),
        (reply(pod(name="another"), 201), Ambiguous),
        (reply(pod(name=REQUEST.name), 202), Ambiguous),
        (HttpReply(307, {"location": "https://evil.example"}, b""), Ambiguous),
        (NoReply("reset"), Ambiguous),
        (NotSent("no address"), HeldBack),
    ],
)
async def test_only_a_clean_answer_says_that_nothing_was_made(answer: Any, error: type[Exception]) -> None:
    wire = Wire()
    wire.on("POST /pods", answer)
    with pytest.raises(error) as caught:
        await training(wire).launch(REQUEST)
    assert type(caught.value) is error
    assert len(wire.asked) == 1


async def test_after_an_unanswered_create_an_empty_list_does_not_stand_for_itself() -> None:
    """Another account's empty list looks like "nothing was made"; a second create would follow from it."""
    wire = Wire()
    wire.on("GET /pods", reply({"pods": []}))
    wire.on("POST /pods", NoReply("lost"))
    provider = training(wire)
    clock = provider.client.clock
    if not isinstance(clock, ManualClock):
        raise TypeError("another clock")
    clock.elapsed = 1000
    assert (await provider.list_machines()).complete
    with pytest.raises(Ambiguous):
        await provider.launch(REQUEST)
    wire.on(f"GET /network-volumes/{VOLUME}", problem(404))
    clock.elapsed += 30
    assert not (await provider.list_machines()).complete


async def test_a_create_that_may_not_go_out_now_is_not_sent_late() -> None:
    wire = Wire()
    wire.on("GET /pods", NoReply("dead"))
    provider = training(wire)
    for _ in range(FAILURES_MAX):
        with pytest.raises(Unavailable):
            await provider.list_machines()
    before = len(wire.asked)
    with pytest.raises(HeldBack):
        await provider.launch(REQUEST)
    assert len(wire.asked) == before


async def test_what_a_create_waited_for_its_turn_its_connection_does_not_get() -> None:
    wire = Wire()
    low = reply({"pods": [pod(9)]}, ratelimit='"minute";r=1;t=3', ratelimit_policy='"minute";q=60;w=60')
    wire.on("GET /pods", low)
    wire.on("POST /pods", reply(pod(1, REQUEST.name), 201))
    provider = training(wire)
    assert provider.creates_now() is None
    await provider.list_machines()
    assert provider.creates_now() == 0
    clock = provider.client.clock
    assert isinstance(clock, ManualClock)
    await clock.drive(provider.launch(REQUEST))
    assert clock.elapsed == 3
    assert wire.asked[-1].connect_s == CREATE_WAIT_S_MAX - 3


async def test_a_silent_provider_takes_no_creates() -> None:
    wire = Wire()
    wire.on("GET /pods", NoReply("dead"))
    provider = training(wire)
    for _ in range(FAILURES_MAX):
        assert provider.creates_now() is None
        with pytest.raises(Unavailable):
            await provider.list_machines()
    assert provider.creates_now() == 0


async def test_a_pod_is_described_or_not_found_or_nothing_is_known() -> None:
    wire = Wire()
    provider = training(wire)
    wire.on("GET /pods/pod1", reply(pod()))
    assert (await provider.describe("pod1")).id == "pod1"
    wire.on("GET /pods/pod1", problem(404))
    with pytest.raises(NotFound):
        await provider.describe("pod1")
    for answer in (problem(401), problem(403), page(404), page(200), reply(pod(2)), reply([]), NoReply("x")):
        wire.on("GET /pods/pod1", answer)
        with pytest.raises(Unavailable):
            await provider.describe("pod1")


async def test_a_pods_age_goes_by_our_own_clock() -> None:
    wire = Wire()
    wire.on("GET /pods/pod1", reply(pod(createdAt="2031-01-01T00:00:00Z")))
    provider = training(wire)
    first = (await provider.describe("pod1")).first_seen
    assert first == provider.client.clock.now()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (empty(204), EndAnswer.ACCEPTED),
        (empty(200), EndAnswer.ACCEPTED),
        (reply({}, 200), EndAnswer.ACCEPTED),
        (problem(404), EndAnswer.ABSENT),
    ],
)
async def test_an_end_is_accepted_whatever_the_body_and_not_found_says_there_was_none(
    answer: HttpReply, says: EndAnswer
) -> None:
    wire = Wire()
    wire.on("DELETE /pods/pod1", answer)
    assert await training(wire).terminate("pod1") is says
    assert wire.routes() == ["DELETE /pods/pod1"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(401), Refused),
        (problem(403), Refused),
        (problem(409), Unavailable),
        (problem(429, retry_after="9"), Unavailable),
        (problem(500), Unavailable),
        (page(404), Unavailable),
        (page(200), Unavailable),
        (NoReply("x"), Unavailable),
    ],
)
async def test_an_end_that_was_not_accepted_says_so(answer: Any, error: type[Exception]) -> None:
    wire = Wire()
    wire.on("DELETE /pods/pod1", answer)
    with pytest.raises(error) as caught:
        await training(wire).terminate("pod1")
    assert type(caught.value) is error


async def test_every_further_call_takes_another_route() -> None:
    wire = Wire()
    wire.on("DELETE /pods/pod1", empty(204))
    wire.on("POST /pods/pod1/action", empty(204))
    wire.on(GRAPHQL, reply({"data": {"podTerminate": None}}))
    provider = training(wire)
    assert {await provider.terminate("pod1") for _ in range(4)} == {EndAnswer.ACCEPTED}
    assert wire.routes() == ["DELETE /pods/pod1", "POST /pods/pod1/action", GRAPHQL, "DELETE /pods/pod1"]
    assert wire.bodies()[0] == {"action": "terminate"}
    assert wire.bodies()[1]["variables"] == {"input": {"podId": "pod1"}}
    assert all(sent.urgent for sent in wire.asked), "by whichever route: an end waits for nothing"
    assert {sent.total_s for sent in wire.asked} == {20.0}, "three routes fit into the minute an end has"


@pytest.mark.parametrize("answer", [reply({"errors": [{"message": "x"}], "data": None}), problem(404), page(200)])
async def test_a_route_that_is_closed_or_fails_is_no_end(answer: HttpReply) -> None:
    wire = Wire()
    wire.on("DELETE /pods/pod1", problem(500))
    wire.on("POST /pods/pod1/action", problem(500))
    wire.on(GRAPHQL, answer)
    provider = training(wire)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await provider.terminate("pod1")


async def test_a_cancelled_wait_ends_no_shared_call() -> None:
    wire = Wire()
    wire.on("GET /pods", reply({"pods": [pod()]}))
    provider = training(wire)
    first = asyncio.create_task(provider.list_machines())
    second = asyncio.create_task(provider.list_machines())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).complete
    assert wire.routes().count("GET /pods") == 1
    await provider.close()
