"""The emulated RunPod behind a ``Transport``, in one process and on any clock: no socket, no thread, no real time.

The platform's answers come as late, cut or lost as it says; deadlines of requests hold on the same clock. Answers can
also be lost on their way (``lose_next``) and nothing may get through at all (``cut_off``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from providers.runpod.settings import RunPodSettings
from providers.seams import ProviderClock
from providers.transport import STREAM_CHUNK_BYTES_MAX, HttpReply, HttpRequest, HttpStream, NoReply, NotSent
from tests.emulators.runpod.platform import Platform
from tests.emulators.runpod.settings import MAIN_KEY
from tests.emulators.runpod.wire import Request, Response, Surface

ACCOUNT: Final = "user_main"
VOLUME: Final = "vol0main00"
PLACE: Final = "EU-RO-1"
USER_AGENT: Final = "lastcall/test (+RunPod client)"
FOLLOW_S: Final = 0.25
"""Between two looks at a stream that does not end."""

Loss = Callable[[HttpRequest], bool]


class SimTransport:
    """Carries requests to one platform; time passes on ``clock`` only."""

    def __init__(self, platform: Platform, clock: ProviderClock, *, latency_s: float = 0.0) -> None:
        self.platform = platform
        self.clock = clock
        self.latency_s = latency_s
        """Each way, half of it before the platform hears of the request."""
        self.slowest_s = 0.0
        """The longest a request has been on its way there."""
        self.cut_off = False
        """Nothing gets through: no connection can be made."""
        self.sent: list[HttpRequest] = []
        self.keep_sent = False
        """Whether requests are kept in ``sent``; a long simulation has no room for them."""
        self._losses: list[Loss] = []
        self._closed = False

    def lose_next(self, method: str, path_part: str) -> None:
        """Let the next such request happen and its answer never arrive."""
        self._losses.append(lambda r: r.method == method and path_part in urlsplit(r.url).path)

    async def request(self, request: HttpRequest) -> HttpReply:
        """Send and return the whole answer. Raises NotSent or NoReply."""
        answer = await self.send(request)
        body = await answer.body(request.reply_bytes_max)
        return HttpReply(answer.status, answer.headers, body)

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        """Send and return the answer as soon as its headers are there. Raises NotSent or NoReply."""
        return _Sending(self, request)

    async def close(self) -> None:
        """Carry nothing any more."""
        self._closed = True

    async def send(self, request: HttpRequest) -> Arriving:
        """Send and return the answer once its first byte is there. Raises NotSent or NoReply."""
        deadline = self.clock.monotonic() + request.total_s
        if self.cut_off or self._closed:
            raise NotSent("no connection")
        if self.keep_sent:
            self.sent.append(request)
        wire = await self._on_the_wire(request)
        self.slowest_s = max(self.slowest_s, self.latency_s / 2)
        await self._pass(self.latency_s / 2, deadline)
        response = self.platform.handle(wire, self.clock.now().timestamp())
        lost = next((loss for loss in self._losses if loss(request)), None)
        if lost is not None:
            self._losses.remove(lost)
            response = Response(response.status, lost="reset")
        await self._arrive(response, request, deadline)
        return Arriving(response, request, self.clock, deadline)

    async def _arrive(self, response: Response, request: HttpRequest, deadline: float) -> None:
        """Wait for the first byte, or for the end of patience."""
        if response.lost == "hang" or response.delay_s > request.read_s:
            await self.clock.sleep(max(0.0, min(request.read_s, deadline - self.clock.monotonic())))
            raise NoReply("the time was over")
        await self._pass(response.delay_s + self.latency_s / 2, deadline)
        if response.lost == "reset":
            raise NoReply("the connection broke")

    async def _pass(self, seconds: float, deadline: float) -> None:
        left = deadline - self.clock.monotonic()
        if seconds > left:
            await self.clock.sleep(max(0.0, left))
            raise NoReply("the time was over")
        if seconds > 0:
            await self.clock.sleep(seconds)

    async def _on_the_wire(self, request: HttpRequest) -> Request:
        surface, path, query, host = address(request.url)
        body = request.body
        if callable(body):
            data = b"".join([bytes(piece) async for piece in body()])
        else:
            data = b"" if body is None else bytes(body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Request(surface, request.method, path, query, {"user-agent": USER_AGENT, "host": host, **headers}, data)


class _Sending:
    """A request that is sent when it is entered. No generator: a simulation sends hundreds of thousands."""

    def __init__(self, transport: SimTransport, request: HttpRequest) -> None:
        self._transport = transport
        self._request = request

    async def __aenter__(self) -> HttpStream:
        return await self._transport.send(self._request)

    async def __aexit__(self, *_: object) -> None:
        return None


class Arriving:
    """An answer on its way."""

    def __init__(self, response: Response, request: HttpRequest, clock: ProviderClock, deadline: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._request = request
        self._clock = clock
        self._deadline = deadline

    async def body(self, bytes_max: int) -> bytes:
        """Return the whole body. Raises NoReply, also where it has more than ``bytes_max``."""
        body = await self._arrived()
        if self._response.follow is not None:
            more = bytearray(body)
            async for piece in self._follow(self._response.follow):
                more += piece
                if len(more) > bytes_max:
                    break
            body = bytes(more)
        if len(body) > bytes_max:
            raise NoReply(f"the answer has more than {bytes_max} bytes")
        self._check_whole()
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        body = await self._arrived()
        for start in range(0, len(body), STREAM_CHUNK_BYTES_MAX):
            yield body[start : start + STREAM_CHUNK_BYTES_MAX]
        self._check_whole()
        if self._response.follow is not None:
            async for piece in self._follow(self._response.follow):
                yield piece

    async def _arrived(self) -> bytes:
        """Return what comes of the body at all, but for what follows it."""
        response = self._response
        body = b"" if self._request.method == "HEAD" else response.body
        if response.lost == "cut":
            body = body[: len(body) // 2]
        if response.drip_s:
            await self._drip(len(body))
        return body

    def _check_whole(self) -> None:
        if self._response.lost == "cut":
            raise NoReply("the answer was cut")

    async def _drip(self, size: int) -> None:
        """Byte for byte: only the whole matters here, unless one byte takes too long."""
        clock, each_s = self._clock, self._response.drip_s
        patience_s = self._deadline - clock.monotonic()
        if each_s > self._request.read_s:
            patience_s = min(patience_s, self._request.read_s)
        if each_s * size > patience_s:
            await clock.sleep(max(0.0, patience_s))
            raise NoReply("the time was over")
        await clock.sleep(each_s * size)

    async def _follow(self, follow: Callable[[], bytes]) -> AsyncIterator[bytes]:
        clock = self._clock
        silent_since = clock.monotonic()
        while True:
            if piece := follow():
                yield piece
                silent_since = clock.monotonic()
            until = min(self._deadline, silent_since + self._request.read_s)
            if clock.monotonic() >= until:
                raise NoReply("the time was over")
            await clock.sleep(min(FOLLOW_S, until - clock.monotonic()))


@lru_cache(maxsize=1024)
def address(url: str) -> tuple[Surface, str, str, str]:
    """Return surface, path, query and host of an absolute address of the platform."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host.startswith("s3api-"):
        surface = Surface.S3
    elif host == "api.runpod.ai":
        surface = Surface.SERVERLESS
    elif host == "api.runpod.io":
        surface = Surface.GRAPHQL if parts.path == "/graphql" else Surface.REST
    else:
        raise ValueError(f"{host} is no host of the platform")
    return surface, parts.path, parts.query, parts.netloc


def with_volume(platform: Platform, now: float) -> Platform:
    """Give the main account the network volume that ``settings`` names."""
    platform.add_volume(ACCOUNT, "lastcall", 50, PLACE, now, VOLUME)
    return platform


def settings(**changes: object) -> RunPodSettings:
    """Return the provider's settings for the main account of an emulated platform."""
    return RunPodSettings.model_validate({"api_key": SecretStr(MAIN_KEY), "volume_id": VOLUME, **changes})
