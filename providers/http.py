"""The wire itself: ``Transport`` over aiohttp.

Nothing is followed, retried, cached or unpacked here. Replies are asked for unencoded and come as they were sent, so a
small answer can never grow in memory. A POST has a connection of its own: one kept from before may be dead already,
and a create that died on it would have to be waited for like any other lost answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from providers.transport import STREAM_CHUNK_BYTES_MAX, HttpReply, HttpRequest, HttpStream, NoReply, NotSent

CONNECT_S: Final = 10.0
"""For a connection, TLS included; a request with less time in all has that. A POST or an urgent request has it for the
wait for a free one too: a create goes out soon or not at all (design.md 4)."""
KEEP_S: Final = 10.0
"""How long an idle connection is kept (seconds): shorter than servers do, so that few die under a request."""
CONNECTIONS_MAX: Final = 256
CONNECTIONS_PER_HOST_MAX: Final = 64
READ_BYTES: Final = 1 << 20
"""How much of an answer is read ahead (bytes)."""

_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientSSLError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
_NO_REPLY = (aiohttp.ClientError, TimeoutError, OSError, ValueError)

Body = bytes | bytearray | memoryview | Callable[[], AsyncIterator[bytes]] | None


class AiohttpTransport:
    """Carries requests over HTTP/1.1; TLS is verified against the system's authorities unless ``tls`` says otherwise.

    ``user_agent`` is sent with every request: edges refuse those of libraries (fact sheet 0). Open it inside a
    running loop; ``close`` it there too.
    """

    def __init__(self, user_agent: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._user_agent = user_agent
        self._tls = tls
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._urgent: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(self, request: HttpRequest) -> HttpReply:
        """Send and return the whole answer, at most ``reply_bytes_max``. Raises NotSent or NoReply."""
        async with self.stream(request) as answer:
            length = answer.headers.get("content-length", "")
            if length.isdecimal() and int(length) > request.reply_bytes_max and request.method != "HEAD":
                raise NoReply(f"the answer has more than {request.reply_bytes_max} bytes")
            body = bytearray()
            async for piece in answer.chunks():
                body += piece
                if len(body) > request.reply_bytes_max:
                    raise NoReply(f"the answer has more than {request.reply_bytes_max} bytes")
            return HttpReply(answer.status, answer.headers, bytes(body))

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        """Send and return the answer as soon as its headers are there. Raises NotSent or NoReply."""
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: HttpRequest) -> AsyncIterator[HttpStream]:
        with _translated():
            answer = await self._send(request)
        try:
            yield _Answer(answer)
        finally:
            answer.close()  # does nothing to a connection whose answer was read to its end

    async def _send(self, request: HttpRequest) -> aiohttp.ClientResponse:
        total_s = request.total_s
        connect_s = min(CONNECT_S, total_s, request.connect_s or CONNECT_S)
        alone = request.method == "POST" or request.urgent
        return await self._session(request).request(
            request.method,
            URL(request.url, encoded=True),
            headers=dict(request.headers),
            data=_body(request.body),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=total_s,
                connect=connect_s if alone else None,
                sock_connect=connect_s,
                sock_read=min(request.read_s, total_s),
            ),
        )

    async def close(self) -> None:
        """Let go of connections; a request after this is not sent."""
        self._closed = True
        for session in (self._kept, self._fresh, self._urgent):
            if session is not None:
                await session.close()
        self._kept = self._fresh = self._urgent = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    def _session(self, request: HttpRequest) -> aiohttp.ClientSession:
        if self._closed:
            raise NotSent("the transport is closed")
        if request.urgent:
            self._urgent = self._urgent or self._open(kept=False)
            return self._urgent
        if request.method == "POST":
            self._fresh = self._fresh or self._open(kept=False)
            return self._fresh
        self._kept = self._kept or self._open(kept=True)
        return self._kept

    def _open(self, *, kept: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX,
            limit_per_host=CONNECTIONS_PER_HOST_MAX,
            ssl=self._tls if self._tls is not None else True,
            **({"keepalive_timeout": KEEP_S} if kept else {"force_close": True}),
        )
        session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            read_bufsize=READ_BYTES,
            trust_env=False,
        )
        session._retry_connection = False  # aiohttp would repeat GET, PUT and DELETE by itself; callers decide that
        return session


class _Answer:
    """An answer being read."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self._headers = _headers(answer)

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._answer.content
        while True:
            with _translated():
                piece, ends_chunk = await content.readchunk()  # what came, uncopied
            if len(piece) > STREAM_CHUNK_BYTES_MAX:
                for start in range(0, len(piece), STREAM_CHUNK_BYTES_MAX):
                    yield piece[start : start + STREAM_CHUNK_BYTES_MAX]
            elif piece:
                yield piece
            elif not ends_chunk or content.at_eof():  # aiohttp's one empty body says "chunk" from its second use on
                return


class _translated:  # noqa: N801  (used as a statement)
    """Turn aiohttp's errors into the transport's two. What may have left this computer is NoReply."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, _NOT_SENT):
            raise NotSent(_words(error)) from error
        if isinstance(error, _NO_REPLY):
            raise NoReply(_words(error)) from error


def _words(error: BaseException) -> str:
    """Name an error without the request: addresses may carry keys, and headers do."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}: {error.strerror or type(error.os_error).__name__}"
    if isinstance(error, asyncio.TimeoutError):
        return "no connection in time" if isinstance(error, _NOT_SENT) else "the time was over"
    return type(error).__name__


def _headers(answer: aiohttp.ClientResponse) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in answer.headers.items():
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _body(body: Body) -> bytes | AsyncIterator[bytes | memoryview] | None:
    """Return what aiohttp sends: large bodies in pieces that are views, not copies."""
    if body is None:
        return None
    if callable(body):
        return body()
    if len(body) <= STREAM_CHUNK_BYTES_MAX:
        return bytes(body)
    return _pieces(memoryview(body))


async def _pieces(view: memoryview) -> AsyncIterator[memoryview]:
    for start in range(0, len(view), STREAM_CHUNK_BYTES_MAX):
        yield view[start : start + STREAM_CHUNK_BYTES_MAX]
