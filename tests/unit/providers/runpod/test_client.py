"""What leaves this computer, and what an answer counts as. Faults 13, 14, 63."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from providers.breaker import FAILURES_MAX
from providers.gate import NotAdmitted, Priority
from providers.interface import NotFound, Refused, Unavailable
from providers.runpod.client import Call, Client, Surface, path_of
from providers.runpod.problems import read_problem
from providers.transport import HttpReply, NoReply, NotSent
from tests.support.providers.clocks import ManualClock
from tests.support.runpod_wire import KEY, SETTINGS, Wire, account, empty, page, problem, reply

GET = Call("GET", "/pods")


async def test_the_key_goes_into_one_header_and_nowhere_else() -> None:
    wire = Wire()
    wire.on("GET /pods", reply({"ok": 1}))
    await account(wire).read(Call("GET", "/pods", query={"a": "b c"}), "x")
    [sent] = wire.asked
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in sent.url
    assert sent.url == f"{SETTINGS.api_url}/pods?a=b+c"
    assert KEY not in repr(SETTINGS)


async def test_the_key_is_hidden_in_what_an_answer_says() -> None:
    wire = Wire()
    wire.on("GET /pods", problem(403, f"key {KEY} may not"))
    with pytest.raises(Refused) as caught:
        await account(wire).read(GET, "x")
    assert KEY not in str(caught.value)
    assert "key *** may not" in str(caught.value)


def test_a_key_at_the_cut_of_a_long_answer_is_hidden_too() -> None:
    for before in range(250, 310):
        body = json.dumps({"detail": "x" * before + KEY}).encode()
        assert KEY[:6] not in read_problem(HttpReply(403, {}, body), (KEY,)).detail


def test_segments_of_a_path_cannot_climb() -> None:
    assert path_of("pods", "../a?b#c d") == "/pods/..%2Fa%3Fb%23c%20d"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(404), NotFound),
        (problem(400), Refused),
        (problem(401), Refused),
        (problem(402), Refused),
        (problem(403), Refused),
        (problem(422), Refused),
        (problem(429), Unavailable),
        (problem(409), Unavailable),
        (problem(500), Unavailable),
        (page(404), Unavailable),
        (page(403), Unavailable),
        (page(200), Unavailable),
        (HttpReply(200, {"content-type": "application/json"}, b'{"pods": [{"id"'), Unavailable),
        (HttpReply(404, {"content-type": "application/problem+json", "x-request-id": "r"}, b"not json"), Unavailable),
        (HttpReply(404, {"content-type": "application/problem+json"}, b"{}"), Unavailable),
        (HttpReply(404, {"content-type": "application/json", "x-request-id": "r"}, b"{}"), Unavailable),
        (HttpReply(302, {"location": "https://evil.example"}, b""), Unavailable),
        (NoReply("x"), Unavailable),
        (NotSent("x"), Unavailable),
    ],
)
async def test_only_runpods_own_words_count(answer: HttpReply | Exception, error: type[Exception]) -> None:
    wire = Wire()
    wire.on("GET /pods", answer)
    with pytest.raises(error) as caught:
        await account(wire).read(GET, "for pods")
    assert type(caught.value) is error


async def test_an_empty_answer_is_not_parsed() -> None:
    wire = Wire()
    wire.on("GET /pods", empty(204))
    assert await account(wire).read(GET, "x", ok=(204,)) is None


def test_details_of_every_dialect_are_read_and_bounded() -> None:
    def said(body: object) -> str:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return read_problem(HttpReply(400, {}, raw)).detail

    assert said({"title": "T", "detail": "d", "errors": ["a", "b", 3]}) == "d; a; b"
    assert said({"message": "m"}) == "m"
    assert said({"error": "e"}) == "e"
    assert said({"errors": ["only"]}) == "only"
    assert said({"detail": 5}) == ""
    assert said({"detail": "a\n\x1b[31m\tb"}) == "a [31m b"
    assert len(said({"detail": "x" * 10_000})) == 300
    assert said(b"<html>") == ""
    assert said([]) == ""


async def test_a_call_waits_for_its_share_of_the_quota_within_its_patience() -> None:
    wire, clock = Wire(), ManualClock()
    client = Client(wire, clock, SETTINGS)
    low = reply({}, ratelimit='"minute";r=6;t=10', ratelimit_policy='"minute";q=60;w=60')
    wire.on("GET /pods", low)
    await client.read(GET, "x")
    await clock.drive(client.read(GET, "x"))
    assert clock.elapsed == 10
    with pytest.raises(Unavailable) as caught:
        await client.read(GET._replace(patience_s=5), "x")
    assert caught.value.retry_after_s == 10
    assert len(wire.asked) == 2
    await client.read(GET._replace(priority=Priority.TERMINATE), "x")
    assert clock.elapsed == 10


async def test_a_dead_surface_holds_reads_back_but_no_terminate_and_no_other_surface() -> None:
    wire, clock = Wire(), ManualClock()
    client = Client(wire, clock, SETTINGS)
    wire.on("GET /pods", NoReply("dead"))
    for _ in range(FAILURES_MAX):
        with pytest.raises(NoReply):
            await client.exchange(GET)
    with pytest.raises(NotAdmitted):
        await client.exchange(GET)
    assert len(wire.asked) == FAILURES_MAX
    with pytest.raises(NoReply):
        await client.exchange(GET._replace(priority=Priority.TERMINATE))
    with pytest.raises(NotFound):
        await client.graphql("query", {}, "x", Priority.REST)
    assert len(wire.asked) == FAILURES_MAX + 2


async def test_ends_that_fail_hold_nobody_else_back() -> None:
    wire = Wire()
    client = Client(wire, ManualClock(), SETTINGS)
    wire.on("DELETE /pods/p", NoReply("dead"))
    for _ in range(FAILURES_MAX * 3):
        with pytest.raises(NoReply):
            await client.exchange(Call("DELETE", "/pods/p", Priority.TERMINATE))
    wire.on("GET /pods", reply({}))
    assert await client.read(GET, "x") == {}


async def test_ends_are_urgent_on_the_wire_and_nothing_else_is() -> None:
    wire = Wire()
    client = account(wire)
    for priority in Priority:
        await client.exchange(GET._replace(priority=priority))
    assert [sent.urgent for sent in wire.asked] == [True, False, False, False]


async def test_graphql_errors_are_no_answer() -> None:
    wire = Wire()
    client = account(wire)
    bodies: tuple[object, ...] = ({"errors": [{"message": "m"}], "data": None}, [], {}, "x")
    for body in bodies:
        wire.on(f"POST {SETTINGS.graphql_url}", reply(body))
        with pytest.raises(Unavailable):
            await client.graphql("query", {"a": 1}, "x", Priority.REST)
    wire.on(f"POST {SETTINGS.graphql_url}", reply({"data": {"x": None}}))
    assert await client.graphql("query", {"a": 1}, "x", Priority.REST) == {"x": None}
    assert wire.asked[-1].headers["authorization"] == f"Bearer {KEY}"


async def test_each_surface_has_its_own_address() -> None:
    wire = Wire()
    settings = SETTINGS.model_copy(update={"serverless_url": "https://x.example/v2"})
    client = account(wire, settings)
    wire.on("GET https://x.example/v2/ep/health", reply({"ok": True}))
    assert await client.read(Call("GET", "/ep/health", surface=Surface.SERVERLESS), "x") == {"ok": True}


def test_a_key_that_is_set_is_never_shown() -> None:
    settings = SETTINGS.model_copy(update={"s3_secret_key": SecretStr("rps_X")})
    assert "rps_X" not in f"{settings!r} {settings} {settings.model_dump_json()}"
