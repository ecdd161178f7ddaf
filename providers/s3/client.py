"""The S3 calls Lastcall makes, over any ``Transport``: path style, signed headers, deadlines, repeats, typed errors.

Every call here may be repeated without harm but for ``complete``, which is made once: who calls it must look what
became of it. A repeated ``create_upload`` can leave an unfinished upload behind, which the sweep finds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from providers.dated import Dated
from providers.interface import NotFound, ProviderError, Refused, Unavailable
from providers.s3 import xml
from providers.s3.errors import BadRequest, Denied
from providers.s3.faults import fault_of, retry_after_s
from providers.s3.opening import Download, Opening, nothing, range_of, unanswered
from providers.s3.settings import S3Settings
from providers.s3.sign import EMPTY, UNSIGNED, Credentials, Scope, sign
from providers.seams import ProviderClock
from providers.transport import HttpReply, HttpRequest, HttpStream, Transport, TransportError

USER_AGENT = "Lastcall-S3/1"
KEYS_A_PAGE = 1000
"""As S3 has it; a store may send fewer."""
DENIED_TRIES = 3
"""How often a bare 403 is asked again: RunPod sends some in passing (fact sheet 5.2)."""

T = TypeVar("T")


class Head(NamedTuple):
    """What a store says of one object."""

    size_bytes: int
    modified: datetime | None
    etag: str


class _Call(NamedTuple):
    what: str
    method: str
    key: str = ""
    query: tuple[tuple[str, str], ...] = ()
    signed: Mapping[str, str] = {}
    unsigned: Mapping[str, str] = {}
    body: Sequence[bytes] | None = None
    total_s: float = 30.0
    tries: int | None = None


class S3Client:
    """One bucket. Raises NotFound, Unavailable, Refused and the types of ``errors``; keys are taken as they come."""

    def __init__(
        self,
        transport: Transport,
        clock: ProviderClock,
        settings: S3Settings,
        keys: Callable[[], Awaitable[Credentials]] | None = None,
    ) -> None:
        """``keys`` gives the key of the moment, where it changes; else the settings hold one. Raises ProviderError."""
        self.settings = settings
        self.clock = clock
        self._transport = transport
        self._credentials = Credentials(settings.access_key, settings.secret_key.get_secret_value())
        self._keys = keys
        self._scope = Scope(settings.region)
        self.dated = Dated()
        """The store's clock, by its last answer."""

    async def put(self, key: str, body: Sequence[bytes], *, absent: bool = False) -> str:
        """Store a small object and return its entity tag. With ``absent`` (where the store has it) raises Conflict."""
        size = sum(map(len, body))
        call = _Call("put", "PUT", key, signed=self._writing(absent), body=body, total_s=self.settings.moving_s(size))
        if absent:  # a repeat would meet what the first try made: who asks settles an unclear answer by looking
            call = call._replace(tries=1)
        return (await self._ask(call)).headers.get("etag", "")

    async def head(self, key: str) -> Head:
        """Return size, time and entity tag. What is refused or absent is asked again in a way that tells why.

        A HEAD has no body, and a volume that is gone must not read as an object that is not there.
        """
        try:
            reply = await self._ask(_Call("stat", "HEAD", key, total_s=self.settings.call_s))
        except (NotFound, Refused):
            async with self.get(key, 0, 0) as found:
                return Head(found.total, None, found.etag)
        return _head(reply)

    def get(self, key: str, first: int, last: int) -> AbstractAsyncContextManager[Download]:
        """Open bytes ``first`` to ``last``, both included; a store may send more (then ``Download.first`` says so).

        A range behind the end is empty. Raises before the first byte; a break later is ``NoReply`` from the stream.
        """
        call = _Call("get", "GET", key, unsigned={"range": f"bytes={first}-{last}"})
        call = call._replace(total_s=self.settings.moving_s(last - first + 1))
        return Opening(partial(self._sending, call), partial(self._opened, call, first))

    async def delete(self, key: str) -> None:
        """Delete one object; absent is success where the store says so."""
        await self._ask(_Call("delete", "DELETE", key, total_s=self.settings.call_s), (200, 202, 204))

    async def copy(self, source: str, target: str, size_bytes: int) -> None:
        """Copy inside the store. Raises NotOffered where there is no such call."""
        header = {**self.settings.write_headers, "x-amz-copy-source": self._named(source)}
        call = _Call("copy", "PUT", target, signed=header, total_s=self.settings.moving_s(size_bytes))
        _check_done("copy", await self._ask(call), "CopyObjectResult")

    async def list_page(self, prefix: str, *, delimiter: str = "", token: str | None = None) -> xml.Page:
        """Return one page of a listing."""
        query = [("list-type", "2"), ("max-keys", str(KEYS_A_PAGE)), ("prefix", prefix)]
        query += [("delimiter", delimiter)] if delimiter else []
        query += [("continuation-token", token)] if token else []
        return await self._read("list", query, xml.read_page)

    async def make_bucket(self, body: bytes = b"") -> None:
        """Make the bucket; ``body`` says where, for stores that ask. Raises Conflict where there is one of the name."""
        await self._ask(_Call("make bucket", "PUT", body=(body,), total_s=self.settings.call_s))

    async def create_upload(self, key: str) -> str:
        """Begin a multipart upload and return its id."""
        signed, total_s = self.settings.write_headers, self.settings.call_s
        call = _Call("begin upload", "POST", key, (("uploads", ""),), signed=signed, body=(), total_s=total_s)
        return _parsed("begin upload", await self._ask(call), xml.read_upload_id)

    async def upload_part(self, key: str, upload_id: str, number: int, body: Sequence[bytes]) -> xml.Part:
        """Store one part; the same number again replaces it."""
        size = sum(map(len, body))
        query = (("partNumber", str(number)), ("uploadId", upload_id))
        reply = await self._ask(_Call("send part", "PUT", key, query, body=body, total_s=self.settings.moving_s(size)))
        etag = reply.headers.get("etag", "")
        if not etag:
            raise Unavailable("send part: the store did not say what it stored")
        return xml.Part(number, etag, size)

    async def complete(
        self, key: str, upload_id: str, parts: Sequence[xml.Part], total_s: float, *, absent: bool = False
    ) -> None:
        """Ask once for the object to be made. After anything but NoUpload and Refused it may have been, or may yet.

        With ``absent`` (where the store has it) raises Conflict when there is one.
        """
        condition = {"if-none-match": "*"} if absent else {}
        call = _Call("complete", "POST", key, (("uploadId", upload_id),), condition, body=(xml.write_parts(parts),))
        reply = await self._ask(call._replace(total_s=total_s, tries=1))
        _check_done("complete", reply, "CompleteMultipartUploadResult")

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop an unfinished upload and its parts; one that is gone already is success."""
        call = _Call("abort", "DELETE", key, (("uploadId", upload_id),), total_s=self.settings.unfinished_s, tries=2)
        try:
            await self._ask(call, (200, 202, 204))
        except NotFound:
            return

    async def list_uploads(self, key_marker: str = "", id_marker: str = "") -> xml.UploadsPage:
        """Return one page of unfinished uploads."""
        query = [("uploads", ""), ("max-uploads", str(KEYS_A_PAGE))]
        query += [("key-marker", key_marker)] if key_marker else []
        query += [("upload-id-marker", id_marker)] if id_marker else []
        return await self._read("list uploads", query, xml.read_uploads)

    async def list_parts(self, key: str, upload_id: str, marker: str = "") -> xml.PartsPage:
        """Return one page of an upload's stored parts. Raises NoUpload."""
        query = [("max-parts", str(KEYS_A_PAGE)), ("uploadId", upload_id)]
        query += [("part-number-marker", marker)] if marker else []
        return await self._read("list parts", query, xml.read_parts, key)

    async def credentials(self) -> Credentials:
        """Return the key of the moment. Raises what its source raises."""
        return await self._keys() if self._keys is not None else self._credentials

    async def pause(self, tried: int, at_least_s: float = 0.0) -> None:
        """Wait before the next try; ``tried`` is how many were made."""
        wait = min(self.settings.backoff_s * 2 ** (tried - 1), self.settings.backoff_max_s)
        await self.clock.sleep(max(wait, at_least_s))

    async def _read(self, what: str, query: Sequence[tuple[str, str]], read: Callable[[bytes], T], key: str = "") -> T:
        return _parsed(what, await self._ask(_Call(what, "GET", key, tuple(query), total_s=self.settings.call_s)), read)

    async def _ask(self, call: _Call, good: Sequence[int] = (200,)) -> HttpReply:
        """Make the call until it is answered well, refused, or was tried often enough or for twice its time."""
        tries = call.tries or self.settings.tries
        until = self.clock.monotonic() + 2 * call.total_s
        for tried in range(1, tries + 1):
            asked_s = 0.0
            try:
                reply = await self._transport.request(await self._request(call))
            except TransportError as error:
                fault: ProviderError = unanswered(call.what, error)
            else:
                self.dated.heard(reply.headers, self.clock)
                if reply.status in good:
                    return reply
                fault = self._explained(call, fault_of(call.what, reply.status, reply.headers, reply.body))
                asked_s = retry_after_s(reply.headers, default=0.0)
            if not may_repeat(fault, tried, tries) or self.clock.monotonic() >= until:
                break
            await self.pause(tried, asked_s)
        raise fault

    async def _sending(self, call: _Call) -> AbstractAsyncContextManager[HttpStream]:
        return self._transport.stream(await self._request(call))

    async def _opened(self, call: _Call, first: int, stream: HttpStream) -> Download:
        self.dated.heard(stream.headers, self.clock)
        try:
            found = await range_of(call.what, stream, first)
        except Denied as error:
            raise self._explained(call, error) from error
        except BadRequest as error:
            raise (NotFound(f"{call.what}: a folder is no object") if self.settings.has_folders else error) from error
        if found is not None:
            return found
        head = _head(await self._ask(_Call("stat", "HEAD", call.key, total_s=self.settings.call_s)))
        return Download(first, head.size_bytes, head.etag, nothing())

    async def _request(self, call: _Call) -> HttpRequest:
        credentials = await self.credentials()
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in call.query)
        url = f"{self.address(call.key)}{'?' if query else ''}{query}"
        payload = EMPTY if call.body is None else UNSIGNED
        signed = sign(credentials, self._scope, call.method, url, call.signed, payload, self.clock.now())
        headers = {**signed, **call.unsigned, "user-agent": USER_AGENT, "accept-encoding": "identity"}
        body = None
        if call.body is not None:
            headers["content-length"] = str(sum(map(len, call.body)))
            body = _body(call.body)
        return HttpRequest(call.method, url, headers, body, call.total_s, self.settings.silence_s)

    def _explained(self, call: _Call, fault: ProviderError) -> ProviderError:
        more = self.settings.denied.get(call.what)
        return Denied(f"{fault}: {more}") if more is not None and isinstance(fault, Denied) else fault

    def _writing(self, absent: bool) -> Mapping[str, str]:
        return {**self.settings.write_headers, **({"if-none-match": "*"} if absent else {})}

    def address(self, key: str) -> str:
        """Return the absolute address of a key; the empty key is the bucket."""
        if not self.settings.bucket_in_host:
            return f"{self.settings.endpoint}{self._named(key)}"
        scheme, _, host = self.settings.endpoint.partition("://")
        return f"{scheme}://{self.settings.bucket}.{host}/{_quoted(key, '/')}"

    def _named(self, key: str) -> str:
        """Return bucket and key as they stand in an address: only unreserved characters and slashes stay."""
        bucket = _quoted(self.settings.bucket, "")
        return f"/{bucket}/{_quoted(key, '/')}" if key else f"/{bucket}"


_quoted = lru_cache(maxsize=1024)(quote)
"""The same few files of a job are read again and again."""


def may_repeat(fault: ProviderError, tried: int, tries: int) -> bool:
    """Say whether a call that ended in ``fault`` is worth another try after ``tried``."""
    return tried < (min(tries, DENIED_TRIES) if isinstance(fault, Denied) else tries) and isinstance(
        fault, (Unavailable, Denied)
    )


def _body(pieces: Sequence[bytes]) -> bytes | Callable[[], AsyncIterator[bytes]]:
    """Return one piece as it is, and several as a stream that can be opened again for a further try."""
    if len(pieces) <= 1:
        return pieces[0] if pieces else b""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return stream


def _head(reply: HttpReply) -> Head:
    size = reply.headers.get("content-length", "")
    if not (size.isascii() and size.isdigit()):
        raise Unavailable("stat: the store gave no size")
    return Head(int(size), xml.read_date(reply.headers.get("last-modified", "")), reply.headers.get("etag", ""))


def _check_done(what: str, reply: HttpReply, name: str) -> None:
    """Raise the error that can hide under a good status."""
    if _parsed(what, reply, lambda body: xml.read_done(body, name)) is not None:
        raise fault_of(what, reply.status, reply.headers, reply.body)


def _parsed(what: str, reply: HttpReply, read: Callable[[bytes], T]) -> T:
    try:
        return read(reply.body)
    except xml.BadXml as error:
        raise Unavailable(f"{what}: {error}") from error
