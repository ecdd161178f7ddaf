"""The daemon's HTTP API over its Unix socket, with the standard library alone.

Every POST carries a random Idempotency-Key and is repeated once, with the same key, when the connection breaks: the
daemon recognises it, so a second machine is never rented. Reads are repeated once as well.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import quote, urlencode

from lastcall.cli.failures import NOTHING_STARTED, BrokenConnection, Failure, NoDaemon
from lastcall.cli.sending import changed, cut
from lastcall.paths import Places

CONNECT_S = 5.0
"""To reach the socket; it is on this computer."""
ANSWER_S = 930.0
"""To get an answer; the daemon's own longest (inspection, prediction) is 900 s, and more where files move."""
MOVING_BYTES_PER_S = 250_000
"""Slowest way between daemon and store that is waited for."""
MOVED_BYTES_MAX = 2 << 30
"""Largest file the daemon takes."""
CHUNK_BYTES = 256 << 10
_FIRST_ERROR = 400
_BROKEN = (ConnectionError, HTTPException, EOFError)


def waiting_s(moved_bytes: int) -> float:
    """Return how long an answer is waited for when the daemon moves so many bytes, there and back."""
    return ANSWER_S + 2 * moved_bytes / MOVING_BYTES_PER_S


class Reply(NamedTuple):
    """A whole answer: its bytes as they came, and what they say."""

    raw: bytes
    document: dict[str, Any]


class UnixConnection(HTTPConnection):
    """HTTP to a socket file."""

    def __init__(self, path: Path, answer_s: float | None) -> None:
        super().__init__("lastcall", timeout=answer_s)
        self._path = path

    def connect(self) -> None:
        """Connect, or say that nobody is there."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.settimeout(CONNECT_S)
            link.connect(os.fspath(self._path))
            link.settimeout(self.timeout)
        except PermissionError as error:
            link.close()
            raise Failure("E-FORBIDDEN", f"{self._path} belongs to another user's Lastcall") from error
        except OSError as error:
            link.close()
            raise NoDaemon(str(self._path)) from error
        self.sock = link


class Client:
    """One daemon, as commands use it."""

    def __init__(self, places: Places) -> None:
        self._path = places.socket

    def get(self, path: str, **query: Any) -> Reply:
        """Return a document. Raises Failure with the daemon's own words."""
        return self._twice(lambda: self._whole("GET", _url(path, query)))

    def post(
        self, path: str, body: Any = None, *, money: str = NOTHING_STARTED, moved_bytes: int = 0, **query: Any
    ) -> Reply:
        """Send a command and return its document; ``money`` is what is said of money should it fail.

        ``moved_bytes`` is how large a file the daemon may have to move for it.
        """
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"Idempotency-Key": fresh_key(), "Content-Type": "application/json"}
        url, answer_s = _url(path, query), waiting_s(moved_bytes)
        return self._twice(lambda: self._whole("POST", url, data, headers, money=money, answer_s=answer_s))

    def delete(self, path: str) -> Reply:
        """Delete something and return what it was."""
        headers = {"Idempotency-Key": fresh_key()}
        return self._twice(lambda: self._whole("DELETE", _url(path, {}), b"", headers))

    def upload(self, path: str, file: Path, sent: Callable[[int], None], **query: Any) -> Reply:
        """Stream a file in and return the document it became; ``sent`` is told how many bytes have left."""
        headers = {"Idempotency-Key": fresh_key(), "Content-Type": "application/octet-stream"}

        def once() -> Reply:
            with file.open("rb") as source:
                size = os.fstat(source.fileno()).st_size
                headers["Content-Length"] = str(size)
                body, answer_s = _pieces(file, source, sent), waiting_s(size)
                return self._whole("POST", _url(path, query), body, headers, money=NOTHING_STARTED, answer_s=answer_s)

        return self._twice(once)

    @contextmanager
    def stream(self, path: str, *, patience_s: float | None = ANSWER_S, **query: Any) -> Iterator[HTTPResponse]:
        """Open an answer that is read piece by piece; ``patience_s`` bounds the wait for each piece."""
        connection = UnixConnection(self._path, patience_s)
        try:
            with closing(self._request(connection, "GET", _url(path, query), b"", {})) as response:
                if response.status >= _FIRST_ERROR:
                    raise _failure(response.read(), "")
                yield response
        finally:
            connection.close()

    def lines(self, path: str, **query: Any) -> Iterator[bytes]:
        """Return an NDJSON answer line by line, however long one takes. Raises BrokenConnection before its end.

        ``read1`` is used because it alone tells a stream that was cut from one that ended.
        """
        with self.stream(path, patience_s=None, **query) as response:
            waiting = b""
            try:
                while piece := response.read1(CHUNK_BYTES):
                    *whole, waiting = (waiting + piece).split(b"\n")
                    yield from whole
            except _BROKEN as error:
                raise BrokenConnection from error
            if waiting:
                raise BrokenConnection

    def download(self, path: str, target: IO[bytes]) -> int:
        """Write an answer's bytes to ``target`` and return how many; raises BrokenConnection when some are missing."""
        with self.stream(path) as response:
            expected = response.length
            size = 0
            try:
                while piece := response.read(CHUNK_BYTES):
                    target.write(piece)
                    size += len(piece)
            except _BROKEN as error:
                raise BrokenConnection from error
            if expected is not None and size != expected:
                raise BrokenConnection
            return size

    def _twice(self, call: Callable[[], Reply]) -> Reply:
        try:
            return call()
        except BrokenConnection:
            return call()

    def _whole(
        self,
        method: str,
        url: str,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        *,
        money: str = "",
        answer_s: float = ANSWER_S,
    ) -> Reply:
        connection = UnixConnection(self._path, answer_s)
        try:
            with closing(self._request(connection, method, url, body, headers or {})) as response:
                try:
                    raw = response.read()
                except _BROKEN as error:
                    raise BrokenConnection from error
            if response.status >= _FIRST_ERROR:
                raise _failure(raw, money)
            return Reply(raw, _document(raw))
        finally:
            connection.close()

    def _request(
        self, connection: UnixConnection, method: str, url: str, body: Any, headers: dict[str, str]
    ) -> HTTPResponse:
        try:
            try:
                connection.request(method, url, body=body or None, headers={"Connection": "close", **headers})
            except (BrokenPipeError, ConnectionResetError):
                # The daemon may have answered before it had read everything: a refusal of what is too large.
                if connection.sock is None:
                    raise
            return connection.getresponse()
        except TimeoutError as error:
            raise Failure(
                "E-BUSY",
                "Lastcall did not answer in time",
                money="Whether it acted is not known.",
                todo="Look: lastcall ps",
            ) from error
        except _BROKEN as error:
            raise BrokenConnection from error


def fresh_key() -> str:
    """Return a random Idempotency-Key."""
    return os.urandom(16).hex()


def segment(text: str) -> str:
    """Return ``text`` as one part of a path."""
    return quote(text, safe="@")


def _url(path: str, query: dict[str, Any]) -> str:
    asked = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(asked, quote_via=quote)}" if asked else path


def _pieces(file: Path, source: IO[bytes], sent: Callable[[int], None]) -> Iterator[bytes]:
    """Give what is in an open file; it is looked at again before each piece leaves, the last one too."""
    began = _state(source)
    size = 0
    try:
        while piece := source.read(CHUNK_BYTES):
            if _state(source) != began:
                raise changed(file)
            yield piece
            size += len(piece)
            sent(size)
    except OSError as error:
        raise cut(file, error) from error
    if size != began[0]:
        raise changed(file)


def _state(source: IO[bytes]) -> tuple[int, int]:
    """Return size and time of the last change."""
    now = os.fstat(source.fileno())
    return now.st_size, now.st_mtime_ns


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise Failure("E-INTERNAL", "The answer was not understood", money="", todo="") from error
    if not isinstance(document, dict):
        raise Failure("E-INTERNAL", "The answer was not understood", money="", todo="")
    return document


def _failure(raw: bytes, money: str) -> Failure:
    return Failure.of_problem(_document(raw), money=money)
