"""The wire as providers see it: one request, one answer. ``providers/http.py`` speaks HTTP; a simulator swaps it.

Nothing here retries, follows redirects, or knows what a status means.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

REPLY_BYTES_MAX = 8 << 20
"""Largest reply that is read whole, unless a request says otherwise."""
CONNECT_S_MIN = 0.1
"""What a connection has at least, however long its request waited for its turn."""
STREAM_CHUNK_BYTES_MAX = 1 << 20
"""Largest piece a streamed reply comes in."""


class TransportError(Exception):
    """No complete answer came."""


class NotSent(TransportError):
    """No connection could be made (name, address, TLS): nothing of the request left this computer."""


class NoReply(TransportError):
    """The request may have arrived: the time was over, the connection broke, or the answer was cut or too long."""


class HttpRequest(NamedTuple):
    """One request, complete. Spans in seconds."""

    method: str
    url: str
    """Absolute, encoded: it is sent as it stands."""
    headers: Mapping[str, str] = {}
    body: bytes | bytearray | memoryview | Callable[[], AsyncIterator[bytes]] | None = None
    """Bytes, or a function that opens a stream of them; a stream needs a ``content-length`` header."""
    total_s: float = 30.0
    """For the whole exchange, connecting included; a streamed reply is read within it too."""
    read_s: float = 30.0
    """Between two pieces of the answer."""
    reply_bytes_max: int = REPLY_BYTES_MAX
    urgent: bool = False
    """It waits for no connection that others hold: ends of machines."""
    connect_s: float | None = None
    """For a connection, where that is less than the transport allows; then it is NotSent."""


class HttpReply(NamedTuple):
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpStream(Protocol):
    """An answer whose body is read piece by piece. Header names are lower case."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body in pieces of at most 1 MiB. Raises NoReply when it is cut or a deadline passes."""
        ...


class Transport(Protocol):
    """Carries requests. Redirects come back as answers and are never followed, so no key travels on."""

    async def request(self, request: HttpRequest) -> HttpReply:
        """Send and return the whole answer. Raises NotSent or NoReply."""
        ...

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        """Send and return the answer as soon as its headers are there. Raises NotSent or NoReply."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
