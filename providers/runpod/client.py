"""Calls of RunPod's API: the key, the quota, the breakers, and what an answer means.

The key goes into the ``Authorization`` header of requests to the configured addresses and nowhere else. Nothing is
repeated here. A call whose turn does not come within its patience is not sent at all.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from providers.dated import Dated
from providers.gate import Gate, NotAdmitted, Priority
from providers.interface import Unavailable
from providers.runpod.problems import Problem, Unreadable, error_of, parse_json, read_problem
from providers.runpod.quota import Quota, retry_after_s
from providers.runpod.settings import RunPodSettings
from providers.seams import ProviderClock
from providers.transport import (
    CONNECT_S_MIN,
    REPLY_BYTES_MAX,
    HttpReply,
    HttpRequest,
    HttpStream,
    Transport,
    TransportError,
)

CALL_S: Final = 30.0
"""For one control call in all (fact sheet 7.2)."""
PATIENCE_S: Final = 20.0
"""How long a call may wait for its turn under the quota."""
BODY_BYTES_MAX: Final = 102_400
"""A longer JSON body is refused by RunPod (fact sheet 0)."""


class Surface(StrEnum):
    """RunPod's hosts, which fail apart from each other."""

    REST = "rest"
    GRAPHQL = "graphql"
    SERVERLESS = "serverless"


class Call(NamedTuple):
    """One call. Spans in seconds."""

    method: str
    path: str
    """Below the surface's address, encoded (``path_of``)."""
    priority: Priority = Priority.REST
    body: object = None
    """Sent as JSON unless ``None``."""
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    surface: Surface = Surface.REST
    total_s: float = CALL_S
    read_s: float = CALL_S
    patience_s: float = PATIENCE_S
    reply_bytes_max: int = REPLY_BYTES_MAX
    leaves_within_s: float | None = None
    """Its turn and its connection take no longer, or it is not sent: stands for ``patience_s`` where it is given."""


class Reply:
    """A whole answer."""

    def __init__(self, reply: HttpReply, secrets: tuple[str, ...]) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.body = reply.body
        self._secrets = secrets

    @cached_property
    def problem(self) -> Problem:
        """What it says, should it not be what was hoped for; read only then, since lists have megabytes."""
        return read_problem(HttpReply(self.status, self.headers, self.body), self._secrets)

    def json(self) -> object:
        """Return the body's value. Raises Unreadable."""
        return parse_json(self.body)


def path_of(*segments: str) -> str:
    """Return ``/a/b`` with every segment encoded."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


class Client:
    """Makes calls for one account. Safe to share between tasks."""

    def __init__(self, transport: Transport, clock: ProviderClock, settings: RunPodSettings) -> None:
        self.clock = clock
        self.settings = settings
        self.quota = Quota(settings.shares)
        self._transport = transport
        self._dated = Dated()
        self._quotas = {surface: Quota(settings.shares) for surface in Surface} | {Surface.REST: self.quota}
        self._gates = {
            surface: Gate(clock, quota, "the call quota is used up") for surface, quota in self._quotas.items()
        }
        self._bases = {
            Surface.REST: settings.api_url,
            Surface.GRAPHQL: settings.graphql_url,
            Surface.SERVERLESS: settings.serverless_url,
        }

    def clock_off_s(self) -> float | None:
        """Return by how many seconds RunPod's clock is ahead of ours by its last ``Date``; ``None`` before one."""
        return self._dated.off_s(self.clock)

    def calls_now(self, priority: Priority) -> int | None:
        """Return how many REST calls of this priority could go out now, or ``None`` while no bound is known."""
        if self._gates[Surface.REST].wait_s(priority) > 0:
            return 0
        return self.quota.left(priority, self.clock.monotonic())

    async def exchange(self, call: Call) -> Reply:
        """Make one call and return the answer, whatever its status. Raises NotAdmitted, NotSent or NoReply."""
        request, asked_at = self._request(call), self.clock.monotonic()
        await self._admitted(call)
        if call.leaves_within_s is not None:
            waited_s = self.clock.monotonic() - asked_at
            request = request._replace(connect_s=max(CONNECT_S_MIN, call.leaves_within_s - waited_s))
        try:
            reply = await self._transport.request(request)
        except TransportError:
            self._gates[call.surface].failed(call.priority)
            raise
        self._answered(call, reply.status, reply.headers)
        return Reply(reply, self._secrets)

    async def read(self, call: Call, what: str, ok: Collection[int] = (200,)) -> object:
        """Make a call that changes nothing, or may be repeated, and return its JSON (``None`` for 204).

        Raises NotFound, Refused, or Unavailable for everything that is not RunPod's own clean answer.
        """
        reply = await self.good(call, what, ok)
        if reply.status == 204:
            return None
        try:
            return reply.json()
        except Unreadable:
            raise Unavailable(f"RunPod's answer when asked {what} could not be read") from None

    async def good(self, call: Call, what: str, ok: Collection[int] = (200,)) -> Reply:
        """Make a call and return its answer, its body not read yet. Raises like ``read``."""
        reply = await self.answer(call, what)
        if reply.status not in ok:
            raise error_of(reply.problem, reply.headers, what)
        return reply

    async def answer(self, call: Call, what: str) -> Reply:
        """Make a call and return its answer, whatever its status. Raises Unavailable where none came."""
        try:
            return await self.exchange(call)
        except NotAdmitted as held:
            raise Unavailable(f"RunPod was not asked {what}: {held}", held.wait_s) from None
        except TransportError as error:
            raise Unavailable(f"RunPod did not answer when asked {what}: {error}") from error

    async def graphql(
        self, query: str, variables: Mapping[str, object], what: str, priority: Priority, total_s: float = CALL_S
    ) -> object:
        """Run one GraphQL operation and return its ``data``. Raises like ``read``; errors in a 200 are Unavailable."""
        body = {"query": query, "variables": dict(variables)}
        call = Call("POST", "", priority, body, surface=Surface.GRAPHQL, total_s=total_s)
        said = await self.read(call, what)
        if not isinstance(said, dict) or "data" not in said or said.get("errors"):
            raise Unavailable(f"RunPod's GraphQL answer when asked {what} holds no result")
        data: object = said["data"]
        return data

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[HttpStream]:
        """Make one call whose answer is read piece by piece. Raises NotAdmitted, NotSent or NoReply."""
        request = self._request(call)
        await self._admitted(call)
        try:
            opened = self._transport.stream(request)
            answer = await opened.__aenter__()
        except TransportError:
            self._gates[call.surface].failed(call.priority)
            raise
        self._answered(call, answer.status, answer.headers)
        try:
            yield answer
        finally:
            await opened.__aexit__(None, None, None)

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self.settings.api_key.get_secret_value(),)

    def _request(self, call: Call) -> HttpRequest:
        query = f"?{urlencode(call.query)}" if call.query else ""
        headers = {"accept": "application/json", "authorization": f"Bearer {self._secrets[0]}", **call.headers}
        body = None
        if call.body is not None:
            body = encode(call.body)
            headers |= {"content-type": "application/json", "content-length": str(len(body))}
        url = f"{self._bases[call.surface]}{call.path}{query}"
        read_s = min(call.read_s, call.total_s)
        urgent = call.priority is Priority.TERMINATE
        return HttpRequest(call.method, url, headers, body, call.total_s, read_s, call.reply_bytes_max, urgent)

    async def _admitted(self, call: Call) -> None:
        """Wait for the call's turn, and count it."""
        gate = self._gates[call.surface]
        patience_s = call.patience_s if call.leaves_within_s is None else call.leaves_within_s
        await gate.admitted(call.priority, patience_s)
        gate.sending(call.priority)
        self._quotas[call.surface].sent(self.clock.monotonic())

    def _answered(self, call: Call, status: int, headers: Mapping[str, str]) -> None:
        now = self.clock.monotonic()
        self._dated.heard(headers, self.clock)
        quota = self._quotas[call.surface]
        self._gates[call.surface].succeeded()
        quota.answered(headers, now)
        if status == 429:
            quota.refused(call.priority, retry_after_s(headers), now)


def encode(body: object) -> bytes:
    """Return JSON as it is sent."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
