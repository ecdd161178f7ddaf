"""Hostile and clumsy clients: refused or cut, audited, and nobody else notices (faults 72, 74, 75)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.admin.limits import Limits
from actors.admin.peer import peer_uid, requester_of, user_of
from messages import admin
from messages.errors import Refusal
from tests.integration.socket import examples
from tests.integration.socket.conftest import MakeSite, Site, until
from tests.support.patience import PATIENCE_S

NOBODY = 65534


async def raw(site: Site, data: bytes, *, eof: bool = False) -> bytes:
    """Send bytes as they are and read until the daemon closes or has answered once."""
    reader, writer = await asyncio.open_unix_connection(os.fspath(site.path))
    writer.write(data)
    if eof:
        writer.write_eof()
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return head + body


def ok_problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 4" in head.splitlines()[0], answer
    assert b"application/problem+json" in head
    found: dict[str, Any] = json.loads(body)
    return found


BODIES = [
    b"",
    b"{",
    b"nonsense",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"dataset": "a", "target": "b", "parameters": {"x": NaN}}',
    b'{"dataset": "a", "target": "b", "parameters": {"x": Infinity}}',
    b'{"dataset": "a", "target": "b", "parameters": {"x": 1e999}}',
    b'{"dataset": "a", "target": "b", "parameters": {"x": [[1e999]]}}',
    b'{"dataset": "a", "target": "b", "max_cost_usd": ' + b"9" * 100_000 + b"}",
    b'{"dataset": "a", "target": "b", "max_runtime_s": -1}',
    b'{"dataset": "a", "target": "b", "surprise": 1}',
    b'{"dataset": "\\ud800", "target": "b"}',
    b"\xff\xfe\x00",
    b"null",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_a_bad_body_is_a_bad_request(site: Site, body: bytes) -> None:
    response = await site.post("/v1/jobs", data=body)
    found = await response.json(content_type=None)
    assert (response.status, found["code"]) == (400, "E-BADREQUEST")
    assert len(found["detail"]) <= 500
    assert site.node.audits[-1][4] == "E-BADREQUEST"
    assert site.node.dispatcher.asked == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_ever_makes_the_daemon_fail(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is sent is taken or a 4xx problem: never a 5xx, never a hang."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
    names = st.sampled_from(list(admin.TrainOrder.model_fields)) | st.text()
    body = data.draw(
        st.binary(max_size=300) | st.dictionaries(names, values).map(lambda v: json.dumps(v).encode()), label="body"
    )
    asyncio.run(_fuzz_one(body))


async def _fuzz_one(body: bytes) -> None:
    from actors.admin.asking import Desk, json_body
    from actors.admin.problems import fault_of
    from actors.runtime.clock import SystemClock, SystemEntropy
    from tests.integration.socket.node import FakeNode

    class Sent:
        async def read(self) -> bytes:
            return body

    desk = Desk(FakeNode().services(), SystemClock(), SystemEntropy(), Limits(), set())
    try:
        await json_body(desk, Sent(), admin.TrainOrder)  # type: ignore[arg-type]
    except Exception as error:
        fault = fault_of(error)
        assert 400 <= fault.status < 500
        fault.detail.encode()


async def test_a_giant_body_is_refused_and_not_read_whole(make_site: MakeSite) -> None:
    site = await make_site(Limits(linger_s=0.05))
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    found = ok_problem(await raw(site, head + b"x" * (2 << 20)))
    assert found["code"] == "E-TOOLARGE"
    upload = b"POST /v1/datasets?name=a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    assert ok_problem(await raw(site, upload))["code"] == "E-TOOLARGE"
    assert site.node.storage.asked == []


async def test_an_upload_past_its_grant_is_refused_and_leaves_nothing(site: Site) -> None:
    async def endless() -> Any:
        for _ in range(80):
            yield b"x" * (64 << 10)

    before = dict(site.node.store.objects)
    response = await site.post("/v1/datasets?name=a", data=endless())
    assert response.status == 413
    assert site.node.store.objects == before
    assert isinstance(site.node.storage.asked[-1], admin.AbandonUpload)


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: x\r\n" % n for n in range(500)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=range(9),
)
async def test_what_is_no_proper_request_is_answered_with_a_problem(site: Site, head: bytes) -> None:
    found = ok_problem(await raw(site, head))
    assert found["code"] in ("E-BADREQUEST", "E-TOOLARGE")
    await until(lambda: bool(site.node.audits))
    assert (await site.get("/healthz")).status == 200


async def test_a_connection_that_trickles_headers_is_cut(site: Site) -> None:
    reader, writer = await asyncio.open_unix_connection(os.fspath(site.path))
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    await until(lambda: site.gateway.connections == 1)
    for _ in range(8):
        writer.write(b"A: b\r\n")
        site.clock.advance(5)
        await asyncio.sleep(0.002)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert site.gateway.connections == 0


async def test_a_body_that_never_comes_is_given_up(site: Site) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    asking = asyncio.ensure_future(raw(site, head))
    for _ in range(100):
        site.clock.advance(1)
        await asyncio.sleep(0.001)
        if asking.done():
            break
    assert "in time" in ok_problem(await asking)["detail"]


@pytest.mark.parametrize(("step", "words"), [(31.0, "stalled"), (1.0, "too long")])
async def test_an_upload_that_stalls_or_never_ends_is_given_up(make_site: MakeSite, step: float, words: str) -> None:
    site = await make_site(Limits(upload_s=40, linger_s=0.05))
    reader, writer = await asyncio.open_unix_connection(os.fspath(site.path))
    writer.write(b"POST /v1/datasets?name=a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    head = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    for _ in range(200):
        await asyncio.sleep(0.002)
        if head.done():
            break
        site.clock.advance(step)
        if step < 30:
            writer.write(b"x")
    assert b" 400 " in await head
    assert words in (await reader.read()).decode()
    assert isinstance(site.node.storage.asked[-1], admin.AbandonUpload)
    writer.close()


async def test_an_upload_whose_sender_vanishes_is_abandoned(site: Site) -> None:
    _, writer = await asyncio.open_unix_connection(os.fspath(site.path))
    writer.write(b"POST /v1/datasets?name=a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")
    await until(lambda: bool(site.node.storage.asked))
    writer.close()
    await until(lambda: isinstance(site.node.storage.asked[-1], admin.AbandonUpload))
    assert not [k for k in site.node.store.objects if k.startswith("datasets/")]


async def test_a_grant_that_can_not_be_given_back_does_not_hide_the_refusal(site: Site) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("no")

    site.node.storage.answers[admin.AbandonUpload] = fail
    response = await site.post("/v1/datasets?name=a", data=io.BytesIO(b"x" * (5 << 20)))
    assert response.status == 413


async def test_a_thousand_idle_connections_are_bounded_and_harm_nobody(site: Site) -> None:
    idle = []
    for _ in range(1000):
        idle.append(await asyncio.open_unix_connection(os.fspath(site.path)))
    assert site.gateway.connections <= 256
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(50):
            assert (await site.get("/v1/jobs")).status == 200
    site.clock.advance(31)
    await until(lambda: site.gateway.connections <= 1)
    for _, writer in idle:
        writer.close()


async def test_when_every_place_is_busy_a_newcomer_is_told_so(make_site: MakeSite) -> None:
    site = await make_site(Limits(connections=1))
    site.node.release.clear()
    stream = await site.get("/v1/events?follow=1")
    assert stream.status == 200
    answer = await raw(site, b"")
    assert b"503" in answer
    assert b"E-BUSY" in answer
    site.node.release.set()


async def test_a_slow_reader_is_cut_and_can_resume(make_site: MakeSite) -> None:
    """Fault 75: what it leaves unread is bounded, its connection ends, the stream goes on from where it was."""
    site = await make_site(Limits(stream_buffer_bytes=4096))
    site.node.lines = [examples.log_line(n, "x" * 1000) for n in range(1, 4001)]
    reader, writer = await asyncio.open_unix_connection(os.fspath(site.path), limit=1024)
    writer.write(b"GET /v1/jobs/churn-7fa/logs HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: site.gateway.connections == 1)
    for _ in range(100):
        await asyncio.sleep(0.002)
        assert await (await site.get("/healthz")).json() == {"status": "ok"}
        site.clock.advance(1)
        if site.gateway.connections <= 1:
            break
    assert site.gateway.connections <= 1
    received = b""
    with suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            received += piece
    writer.close()
    assert not received.endswith(b"0\r\n\r\n")
    seen = [json.loads(x) for x in received.split(b"\r\n") if x.startswith(b"{") and x.endswith(b"}\n")]
    last = seen[-1]["line"]
    assert last < 4000
    rest = await site.get(f"/v1/jobs/churn-7fa/logs?after=1:{last}")
    lines = [json.loads(line)["line"] for line in (await rest.text()).splitlines()]
    assert lines == list(range(last + 1, 4001))


async def test_a_reader_that_leaves_ends_its_stream(site: Site) -> None:
    site.node.release.clear()
    response = await site.get("/v1/jobs/churn-7fa/logs?follow=1")
    assert len(site.gateway._desk.streams) == 1
    response.close()
    await until(lambda: not site.gateway._desk.streams)


async def test_storage_that_fails_half_way_never_looks_like_success(site: Site) -> None:
    body = b"x" * (1 << 20)
    await site.post("/v1/datasets?name=a", data=body)
    site.node.store.broken_at = 3
    response = await site.get("/v1/datasets/a/content")
    with pytest.raises(aiohttp.ClientError):
        await response.read()


async def test_an_object_shorter_than_its_grant_never_looks_like_success(site: Site) -> None:
    site.node.store.objects["model"] = b"short"
    with pytest.raises(aiohttp.ClientError):
        await (await site.get("/v1/models/churn-7fa/files/model.skops")).read()


async def test_a_quiet_stream_begins_without_a_first_line(site: Site) -> None:
    site.node.release.clear()
    asking = asyncio.ensure_future(site.get("/v1/events?follow=1&after=3"))
    await until(lambda: site.gateway.connections == 1)
    for _ in range(100):
        await asyncio.sleep(0.001)
        site.clock.advance(0.1)
        if asking.done():
            break
    response = await asking
    assert response.status == 200
    site.node.release.set()
    assert await response.read() == b""


async def test_stopping_ends_streams_at_once(make_site: MakeSite) -> None:
    site = await make_site()
    site.node.release.clear()
    stream = await site.get("/v1/events?follow=1")
    async with asyncio.timeout(PATIENCE_S):  # the site's clock stands still: a pause would never end
        await site.gateway.stop()
    with pytest.raises(aiohttp.ClientError):
        await stream.read()


async def test_another_uid_is_refused_and_audited(make_site: MakeSite) -> None:
    """Fault 74: even with the file opened to all, the kernel's word counts.

    Only root can become another; whoever else runs this is the other one himself.
    """
    root = os.geteuid() == 0
    uid = NOBODY if root else os.getuid()
    site = await make_site(allowed=None if root else frozenset({uid + 1}))
    site.path.parent.parent.chmod(0o755)
    site.path.parent.chmod(0o755)
    site.path.chmod(0o666)
    program = (
        "import os,socket,sys\n"
        f"if os.getuid() != {uid}: os.setgid({uid}); os.setuid({uid})\n"
        "s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "s.sendall(b'GET /v1/jobs HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "data=b''\n"
        "while True:\n    piece=s.recv(65536)\n    if not piece: break\n    data+=piece\n"
        "sys.stdout.buffer.write(data)\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", program, os.fspath(site.path), stdout=subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert ok_problem(out)["code"] == "E-FORBIDDEN"
    assert site.node.audits == [
        (f"uid:{uid}", "api GET", "/v1/jobs", False, "E-FORBIDDEN", f"uid {uid} may not use this Lastcall")
    ]


async def test_a_uid_that_is_not_on_the_list_is_refused(make_site: MakeSite) -> None:
    site = await make_site(allowed=frozenset({1}))
    response = await site.get("/v1/jobs")
    assert response.status == 403
    assert (await response.json(content_type=None))["code"] == "E-FORBIDDEN"


def test_a_uid_is_always_the_same_user_and_two_are_never_one() -> None:
    assert user_of(1000) == user_of(1000)
    assert user_of(1000) != user_of(1001)
    assert requester_of(7, frozenset({7})).via == "uid:7"


def test_without_the_kernels_word_nobody_is_let_in() -> None:
    class Broken:
        def getsockopt(self, *args: Any) -> Any:
            raise OSError("no")

    assert peer_uid(None) is None
    assert peer_uid(Broken()) is None
    with pytest.raises(Refusal):
        requester_of(None, frozenset({0}))
