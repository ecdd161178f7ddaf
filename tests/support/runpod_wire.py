"""A RunPod made of answers a test lays out: for what one module does with one answer. The emulator is for the rest."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pydantic import SecretStr

from providers.runpod.client import Client
from providers.runpod.settings import RunPodSettings
from providers.transport import HttpReply, HttpRequest, HttpStream, NoReply
from tests.support.providers.clocks import ManualClock

KEY = "rpa_SECRETSECRETSECRET"
VOLUME = "vol1"
PLACE = "EU-RO-1"
SETTINGS = RunPodSettings(api_key=SecretStr(KEY), volume_id=VOLUME)
VOLUME_REPLY = {"id": VOLUME, "name": "v", "size": 10, "dataCenter": PLACE, "type": "STANDARD"}

Answer = HttpReply | Exception | Callable[[HttpRequest], "HttpReply | Exception"]


def reply(value: object, status: int = 200, **headers: str) -> HttpReply:
    """Return RunPod's own answer."""
    kind = "application/problem+json" if status >= 400 else "application/json"
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpReply(status, {"content-type": kind, "x-request-id": "req-1", **named}, json.dumps(value).encode())


def problem(status: int, detail: str = "no", **headers: str) -> HttpReply:
    """Return a clean refusal."""
    return reply({"title": "T", "status": status, "detail": detail}, status, **headers)


def page(status: int = 502) -> HttpReply:
    """Return what a proxy before RunPod answers."""
    return HttpReply(status, {"content-type": "text/html"}, b"<html>error</html>")


def empty(status: int = 204) -> HttpReply:
    """Return an answer without a body."""
    return HttpReply(status, {"x-request-id": "req-1"}, b"")


class Wire:
    """Answers each route with what is laid out for it, in order; the last one stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[HttpRequest] = []
        self.lines: list[bytes] = []
        """What a stream tells before it is silent."""

    def on(self, route: str, *answers: Answer) -> None:
        """Lay out answers for ``GET /pods``: method and path below the API's address, without the query."""
        self.answers[route] = list(answers)

    def routes(self) -> list[str]:
        """Return what was asked, in order."""
        return [_route(request) for request in self.asked]

    def bodies(self) -> list[Any]:
        """Return the JSON that was sent, in order."""
        return [json.loads(bytes(r.body)) for r in self.asked if isinstance(r.body, bytes)]

    async def request(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request)
        laid = self.answers.get(_route(request))
        if not laid:
            return problem(404, "pod not found")
        answer = laid.pop(0) if len(laid) > 1 else laid[0]
        if callable(answer) and not isinstance(answer, Exception):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: HttpRequest) -> AsyncIterator[HttpStream]:
        answer = await self.request(request)
        yield _Stream(answer.status, answer.headers, self.lines)

    async def close(self) -> None:
        return None


class _Stream:
    def __init__(self, status: int, headers: Mapping[str, str], lines: list[bytes]) -> None:
        self.status = status
        self.headers = headers
        self._lines = lines

    async def chunks(self) -> AsyncIterator[bytes]:
        for line in self._lines:
            yield line
        raise NoReply("silence")


def _route(request: HttpRequest) -> str:
    path = request.url.partition("?")[0]
    return f"{request.method} {path.removeprefix(SETTINGS.api_url)}"


def account(wire: Wire, settings: RunPodSettings = SETTINGS) -> Client:
    """Return a client on a clock that stands still, whose account answers."""
    wire.answers.setdefault(f"GET /network-volumes/{VOLUME}", [reply(VOLUME_REPLY)])
    return Client(wire, ManualClock(), settings)


def pod(number: int = 1, name: str = "lc1-x", **fields: object) -> dict[str, object]:
    """Return a pod as RunPod writes it."""
    return {
        "id": f"pod{number}",
        "name": name,
        "status": "RUNNING",
        "cost": 0.27,
        "dataCenterId": PLACE,
        "gpu": {"id": "NVIDIA RTX A5000", "count": 1},
        "runtime": {"uptime": 5},
        **fields,
    }
