"""Calls of AWS's APIs: signed, paced, each with a deadline, and what an answer means. Nothing is repeated here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from providers.aws.endpoints import Endpoint, bucket_in_host, resolve
from providers.aws.keys import KeySource, key_source
from providers.aws.pace import Pace
from providers.aws.problems import Class, Problem, error_of, plain
from providers.aws.settings import AwsSettings
from providers.aws.wire import Services, Unreadable
from providers.dated import Dated
from providers.gate import Gate, NotAdmitted, Priority
from providers.interface import ProviderError, Unavailable
from providers.s3.sign import Scope, sign
from providers.seams import ProviderClock
from providers.transport import CONNECT_S_MIN, REPLY_BYTES_MAX, HttpReply, HttpRequest, Transport, TransportError

CALL_S: Final = 30.0
PATIENCE_S: Final = 20.0
"""How long a call may wait for its turn while the service throttles."""
SKEW_MAX_S: Final = 240.0
"""AWS takes no signature that is older than five minutes by its own clock ("Signature Version 4 signing process")."""
USER_AGENT: Final = "Lastcall/1"


class Call(NamedTuple):
    """One call. Spans in seconds."""

    service: str
    operation: str
    parameters: Mapping[str, object] = {}
    priority: Priority = Priority.REST
    total_s: float = CALL_S
    patience_s: float = PATIENCE_S
    reply_bytes_max: int = REPLY_BYTES_MAX
    leaves_within_s: float | None = None
    """Its turn and its connection take no longer, or it is not sent: stands for ``patience_s`` where it is given."""


class Answer(NamedTuple):
    """What came: a value, or a problem."""

    value: dict[str, Any] | None
    problem: Problem


class Client:
    """Makes calls for one account and region. Safe to share between tasks."""

    def __init__(
        self, transport: Transport, clock: ProviderClock, settings: AwsSettings, keys: KeySource | None = None
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.services = Services()
        self.keys = keys or key_source(settings.keys, settings.profile)
        self._transport = transport
        self._dated = Dated()
        self._paces: dict[str, Pace] = {}
        self._gates: dict[str, Gate] = {}
        self._endpoints: dict[str, Endpoint] = {}

    def clock_off_s(self) -> float | None:
        """Return by how many seconds AWS's clock is ahead of ours by its last ``Date``; ``None`` before one."""
        return self._dated.off_s(self.clock)

    def wait_s(self, service: str, priority: Priority) -> float:
        """Return 0 when a call of this priority may go out now, else the seconds until it may be asked again."""
        return self._gate(service).wait_s(priority)

    async def exchange(self, call: Call) -> Answer:
        """Make one call and return what came. Raises NotAdmitted, NotSent or NoReply."""
        request = await self._admitted(call)
        sent_at = self.clock.monotonic()
        try:
            reply = await self._transport.request(request)
        except TransportError:
            self._gate(call.service).failed(call.priority)
            raise
        self._gate(call.service).succeeded()
        answer = self._read(call, reply)
        if answer.problem.kind is Class.BUSY:
            self._pace(call.service).throttled(call.priority, sent_at, self.clock.monotonic())
        else:
            self._pace(call.service).answered()
        if answer.problem.kind is Class.KEY:
            self.keys.forget()
        return answer

    async def read(self, call: Call, what: str) -> dict[str, Any]:
        """Make a call that changes nothing, or may be repeated. Raises NotFound, Conflict, Refused or Unavailable."""
        try:
            answer = await self.exchange(call)
        except NotAdmitted as held:
            raise Unavailable(f"AWS was not asked {what}: {held}", held.wait_s) from None
        except TransportError as error:
            raise Unavailable(f"AWS did not answer when asked {what}: {error}") from error
        if answer.value is None:
            now = self.clock.monotonic()
            raise error_of(answer.problem, what, max(1.0, self._pace(call.service).wait_s(call.priority, now)))
        return answer.value

    async def close(self) -> None:
        """Let go of the keys' thread."""
        await self.keys.close()

    def endpoint(self, service: str) -> Endpoint:
        """Return where a service is. Raises Refused for a region that there is not."""
        found = self._endpoints.get(service)
        if found is None:
            found = self._endpoints[service] = resolve(self.settings, service, self.services.data)
        return found

    async def _admitted(self, call: Call) -> HttpRequest:
        """Wait for the call's turn and return it signed: a signature holds from when it is made."""
        gate, asked_at = self._gate(call.service), self.clock.monotonic()
        patience_s = call.patience_s if call.leaves_within_s is None else call.leaves_within_s
        await gate.admitted(call.priority, patience_s)
        request = await self._signed(call)
        gate.sending(call.priority)
        if call.leaves_within_s is None:
            return request
        waited_s = self.clock.monotonic() - asked_at
        return request._replace(connect_s=max(CONNECT_S_MIN, call.leaves_within_s - waited_s))

    async def _signed(self, call: Call) -> HttpRequest:
        service = self.services[call.service]
        try:
            credentials, endpoint = await self.keys.now(), self.endpoint(call.service)
        except ProviderError as error:
            raise NotAdmitted(str(error), 5.0) from error
        encoded = service.encode(call.operation, call.parameters)
        url = self._address(call, endpoint, encoded.target)
        signed = sign(
            credentials,
            Scope(endpoint.region, service.signing_name),
            encoded.method,
            url,
            {name: value for name, value in encoded.headers.items() if name != "content-length"},
            hashlib.sha256(encoded.body).hexdigest(),
            self.clock.now(),
        )
        headers = {**signed, "content-length": encoded.headers["content-length"], "user-agent": USER_AGENT}
        urgent = call.priority is Priority.TERMINATE
        total_s = call.total_s
        return HttpRequest(encoded.method, url, headers, encoded.body, total_s, total_s, call.reply_bytes_max, urgent)

    def _address(self, call: Call, endpoint: Endpoint, target: str) -> str:
        """Return where a request goes; a bucket stands in S3's host where S3 itself answers (``bucket_in_host``)."""
        base, bucket = endpoint.url.rstrip("/"), call.parameters.get("Bucket")
        if call.service != "s3" or not isinstance(bucket, str) or not bucket_in_host(self.settings, bucket):
            return f"{base}{target}"
        scheme, _, host = base.partition("://")
        rest = target.removeprefix(f"/{bucket}")
        return f"{scheme}://{bucket}.{host}{rest if rest.startswith('/') else f'/{rest}'}"

    def _read(self, call: Call, reply: HttpReply) -> Answer:
        service = self.services[call.service]
        self._dated.heard(reply.headers, self.clock)
        request_id = plain(reply.headers.get("x-amzn-requestid") or reply.headers.get("x-amz-request-id", ""))[:64]
        region = plain(reply.headers.get("x-amz-bucket-region", ""))
        problem = Problem(call.service, call.operation, reply.status, "", "", request_id, bucket_region=region)
        if 200 <= reply.status < 300:
            try:
                return Answer(service.decode(call.operation, reply.headers, reply.body), problem)
            except Unreadable:
                return Answer(None, problem._replace(detail="its answer could not be read"))
        fault = service.fault(reply.status, reply.headers, reply.body)
        if fault is None:
            return Answer(None, problem)
        skewed = abs(self.clock_off_s() or 0.0) > SKEW_MAX_S
        return Answer(None, problem._replace(code=plain(fault.code), detail=plain(fault.message), skewed=skewed))

    def _pace(self, service: str) -> Pace:
        return self._paces.setdefault(service, Pace())

    def _gate(self, service: str) -> Gate:
        return self._gates.setdefault(service, Gate(self.clock, self._pace(service), "it is throttling"))
