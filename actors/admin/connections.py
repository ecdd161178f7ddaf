"""Connections are bounded in number and in idleness, so that a swarm of them harms nobody else (fault 72).

A connection is *busy* while one of its requests is handled, *idle* otherwise: also while it trickles headers. When
all places are taken the one that idled longest makes room; when all are busy the newcomer is told so and closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from actors.admin.limits import Limits
from actors.admin.problems import CONTENT_TYPE, Fault, fault_of, problem, problem_response
from actors.runtime.world import Clock
from messages.errors import Refusal

ErrorAnswer = Callable[[asyncio.BaseTransport | None, Fault], str]
"""Told of a request that could not even be parsed; returns the request id to answer with."""


class Connection(RequestHandler):
    """One connection: known to its door, and answering parse errors as problems."""

    def __init__(self, door: Door, server: Any, **options: Any) -> None:
        super().__init__(server, **options)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place among the idle."""
        super().connection_made(transport)
        self._door.entered(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self._door.left(self)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed, or slipped past every handler, as a problem, and close."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, so it can only be cut")
        cause = exc if exc is not None and status < web.HTTPInternalServerError.status_code else RuntimeError(message)
        fault = fault_of(cause)
        response = problem_response(fault, self._door.on_error(request.transport, fault))
        response.force_close()
        return response


class Door:
    """Lets connections in and keeps their number and idleness within the limits."""

    def __init__(self, limits: Limits, clock: Clock, on_error: ErrorAnswer) -> None:
        self._limits = limits
        self._clock = clock
        self.on_error = on_error
        self._idle: dict[Connection, float] = {}
        """Since when, longest first: who turns idle goes to the end."""
        self._busy: set[Connection] = set()
        self.evicted = 0
        self.turned_away = 0

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._idle) + len(self._busy)

    def protocol(self, server: Any) -> asyncio.BaseProtocol:
        """Return what speaks on the next connection."""
        if len(self) >= self._limits.connections and not self._make_room():
            self.turned_away += 1
            return _Full()
        return Connection(
            self,
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,
            tcp_keepalive=False,
            keepalive_timeout=self._limits.idle_s,
            max_line_size=self._limits.header_line_bytes,
            max_field_size=self._limits.header_line_bytes,
            max_headers=self._limits.headers_count,
            read_bufsize=self._limits.stream_buffer_bytes,
            lingering_time=self._limits.linger_s,
            auto_decompress=False,
        )

    def entered(self, connection: Connection) -> None:
        """Note a new connection."""
        self._idle[connection] = self._clock.monotonic()

    def left(self, connection: Connection) -> None:
        """Forget a connection that ended."""
        self._idle.pop(connection, None)
        self._busy.discard(connection)

    @contextmanager
    def busy(self, protocol: object) -> Iterator[None]:
        """Count a connection as busy while one of its requests is handled."""
        connection = protocol if isinstance(protocol, Connection) and protocol in self._idle else None
        if connection is not None:
            del self._idle[connection]
            self._busy.add(connection)
        try:
            yield
        finally:
            if connection is not None and connection in self._busy:
                self._busy.discard(connection)
                self._idle[connection] = self._clock.monotonic()

    def sweep(self) -> None:
        """Cut connections that have idled past the limit."""
        latest = self._clock.monotonic() - self._limits.idle_s
        for connection in [c for c, since in self._idle.items() if since <= latest]:
            self._evict(connection)

    def _make_room(self) -> bool:
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        self._evict(longest)
        return True

    def _evict(self, connection: Connection) -> None:
        del self._idle[connection]
        self.evicted += 1
        transport = connection.transport
        connection.force_close()
        if transport is not None:
            transport.abort()


class _Full(asyncio.Protocol):
    """Answers a connection for which there is no place, whatever it says, and closes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        body = problem(fault_of(Refusal("E-BUSY", "too many connections at once")), "none").model_dump_json().encode()
        head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        writer = cast(asyncio.Transport, transport)
        writer.write(head.encode() + b"Retry-After: 1\r\nConnection: close\r\n\r\n" + body)
        writer.close()
