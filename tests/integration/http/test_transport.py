"""The transport on real sockets: what is sent, what is kept out, what is told apart. Faults 63 to 65."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from providers.http import AiohttpTransport
from providers.transport import STREAM_CHUNK_BYTES_MAX, HttpRequest, NoReply, NotSent
from tests.support.patience import PATIENCE_S

MIB = 1 << 20
SELF_SIGNED = Path(__file__).with_name("selfsigned.pem")
Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers with raw bytes and remembers what came."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.heads: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._handler(head, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    served = Server(handler)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()[:2]
    served.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield served
    finally:
        server.close()
        for task in asyncio.all_tasks():
            if "Server.serve" in repr(task.get_coro()):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def answering(body: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n") -> Handler:
    async def handle(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    return handle


async def asked(handler: Handler, **more: Any) -> None:
    async with serving(handler) as server, AiohttpTransport("lastcall/9 (+test)") as transport:
        await transport.request(HttpRequest("GET", server.url)._replace(**more))


async def test_a_request_carries_our_name_asks_for_plain_bytes_and_nothing_unasked() -> None:
    async with serving(answering(b"ok")) as server, AiohttpTransport("lastcall/9 (+test)") as transport:
        reply = await transport.request(HttpRequest("GET", f"{server.url}/a%2Fb?x=%20y", {"authorization": "Bearer k"}))
    assert reply.body == b"ok"
    [head] = server.heads
    lines = head.decode().split("\r\n")
    assert lines[0] == "GET /a%2Fb?x=%20y HTTP/1.1"
    names = {line.split(":")[0].lower() for line in lines[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "authorization"}
    assert "User-Agent: lastcall/9 (+test)" in lines
    assert "Accept-Encoding: identity" in lines


async def test_packed_answers_stay_packed() -> None:
    bomb = gzip.compress(b" " * 50 * MIB)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    async with serving(answering(bomb, head)) as server, AiohttpTransport("x") as transport:
        reply = await transport.request(HttpRequest("GET", server.url))
    assert reply.body == bomb


async def test_cookies_are_not_kept() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\n"
    async with serving(answering(b"", head)) as server, AiohttpTransport("x") as transport:
        for _ in range(2):
            await transport.request(HttpRequest("GET", server.url))
    assert b"cookie" not in server.heads[1].lower()


async def test_reads_share_a_connection_and_a_post_has_its_own() -> None:
    async with serving(answering(b"ok")) as server, AiohttpTransport("x") as transport:
        for _ in range(3):
            await transport.request(HttpRequest("GET", server.url))
        assert server.connections == 1
        for _ in range(2):
            await transport.request(HttpRequest("POST", server.url, {}, b"{}"))
        assert server.connections == 3


@pytest.mark.parametrize("announced", [True, False])
async def test_a_reply_past_its_bound_is_no_reply(announced: bool) -> None:
    async def flood(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = b"Content-Length: 9999999\r\n" if announced else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        for _part in range(30):
            writer.write(b"x" * 10_000)
            await writer.drain()

    with pytest.raises(NoReply, match="more than 100000 bytes"):
        await asked(flood, reply_bytes_max=100_000)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_a_broken_answer_is_no_reply(raw: bytes) -> None:
    async def broken(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    with pytest.raises(NoReply):
        await asked(broken)


async def test_silence_and_the_whole_time_are_both_bounded() -> None:
    async def silent(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await asyncio.Event().wait()

    async def slow(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    for handler, bounds in ((silent, {"read_s": 0.1}), (slow, {"total_s": 0.1})):
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(NoReply):
                await asked(handler, **bounds)


async def test_what_never_left_is_not_sent() -> None:
    async with serving(answering(b"")) as server:
        url = server.url
    async with AiohttpTransport("x") as transport:
        for gone in (url, "http://", "ftp://127.0.0.1/", "nonsense"):
            with pytest.raises(NotSent):
                await transport.request(HttpRequest("POST", gone, {}, b"{}"))


async def test_an_urgent_request_passes_hanging_ones_and_a_post_without_a_connection_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("providers.http.CONNECTIONS_PER_HOST_MAX", 2)

    async def only_ends(head: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"DELETE"):
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            await asyncio.sleep(60)

    async with serving(only_ends) as server, AiohttpTransport("x") as transport:
        hanging = [HttpRequest(method, server.url) for method in ("GET", "POST") for _ in range(2)]
        tasks = [asyncio.create_task(transport.request(request)) for request in hanging]
        while len(server.heads) < len(hanging):
            await asyncio.sleep(0.01)
        ended = await transport.request(HttpRequest("DELETE", server.url, total_s=PATIENCE_S, urgent=True))
        assert ended.status == 204
        monkeypatch.setattr("providers.http.CONNECT_S", 0.3)
        with pytest.raises(NotSent):
            await transport.request(HttpRequest("POST", server.url))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_must_leave_soon_waits_no_longer_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.http.CONNECTIONS_PER_HOST_MAX", 1)

    async def hangs(_: bytes, __: asyncio.StreamReader, ___: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with serving(hangs) as server, AiohttpTransport("x") as transport:
        task = asyncio.create_task(transport.request(HttpRequest("POST", server.url)))
        while not server.heads:
            await asyncio.sleep(0.01)
        with pytest.raises(NotSent):
            await asyncio.wait_for(transport.request(HttpRequest("POST", server.url, connect_s=0.2)), 5)
        assert len(server.heads) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_certificate_is_trusted_only_where_somebody_vouches_for_it() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(SELF_SIGNED)
    async with serving(answering(b"ok"), context) as server:
        request = HttpRequest("GET", server.url)
        async with AiohttpTransport("x") as transport:
            with pytest.raises(NotSent):
                await transport.request(request)
        assert server.heads == []
        known = ssl.create_default_context(cafile=str(SELF_SIGNED))
        async with AiohttpTransport("x", tls=known) as transport:
            assert (await transport.request(request)).body == b"ok"


async def test_an_answer_that_goes_on_is_read_as_it_comes_and_left_when_enough() -> None:
    async def endless(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while True:
            writer.write(b"data: x\n\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with (
        serving(endless) as server,
        AiohttpTransport("x") as transport,
        transport.stream(HttpRequest("GET", server.url)) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream"
        async for piece in answer.chunks():
            assert piece.startswith(b"data")
            break


async def test_an_answer_without_a_body_has_none() -> None:
    async def nothing(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\nX-Request-ID: r\r\n\r\n")

    async def head_only(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")

    for method, handler, status in (("DELETE", nothing, 204), ("HEAD", head_only, 200)):
        async with serving(handler) as server, AiohttpTransport("x") as transport:
            reply = await transport.request(HttpRequest(method, server.url))
            assert (reply.status, reply.body) == (status, b"")


async def receive(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    left = length
    while left:
        left -= len(await reader.read(min(left, MIB)))
    body = str(length).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def test_a_stream_goes_up_with_the_length_it_announces() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * MIB

    async with serving(receive) as server, AiohttpTransport("x") as transport:
        reply = await transport.request(HttpRequest("PUT", server.url, {"content-length": str(8 * MIB)}, pieces))
    assert reply.body == str(8 * MIB).encode()
    assert b"transfer-encoding" not in server.heads[0].lower()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_large_body_goes_up_without_a_copy_of_it(kind: type) -> None:
    body = kind(bytes(64 * MIB))
    async with serving(receive) as server, AiohttpTransport("x") as transport:
        tracemalloc.start()
        reply = await transport.request(HttpRequest("PUT", server.url, {"content-length": str(64 * MIB)}, body))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert reply.body == str(64 * MIB).encode()
    assert peak < 16 * MIB


async def test_a_large_answer_comes_down_in_pieces_and_is_never_held_whole() -> None:
    piece = bytes(MIB)

    async def send(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        for _part in range(64):
            writer.write(piece)
            await writer.drain()

    total = 0
    async with serving(send) as server, AiohttpTransport("x") as transport:
        tracemalloc.start()
        async with transport.stream(HttpRequest("GET", server.url)) as answer:
            async for part in answer.chunks():
                assert len(part) <= STREAM_CHUNK_BYTES_MAX
                total += len(part)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert total == 64 * MIB
    assert peak < 16 * MIB
