"""The emulated AWS behind a ``Transport``, in one process and on any clock: no socket, no thread, no real time.

Answers come as late, cut or lost as the core says. They can also be lost on their way (``lose_calls``).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from providers.aws.client import Client
from providers.aws.settings import AwsSettings, Keys
from providers.s3.sign import Credentials, Scope, sign
from providers.seams import ProviderClock
from providers.transport import HttpRequest
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, OTHER_KEY, OTHER_SECRET
from tests.emulators.aws.wire import Request, Response
from tests.support.aws_bucket import AwsBucket
from tests.support.runpod_sim import SimTransport

if TYPE_CHECKING:
    from tests.emulators.aws.moto_side import MotoSide

REGION: Final = "us-east-1"
BUCKET: Final = "lastcall-tests"
PROFILE: Final = "lastcall-instance"
"""The instance profile that the emulated account has from the start."""
FINGERPRINT: Final = f"aws:{ACCOUNT}:{REGION}"


class AwsTransport(SimTransport):
    """Carries requests to one core; time passes on ``clock`` only."""

    def __init__(
        self,
        core: Ec2Core,
        clock: ProviderClock,
        *,
        latency_s: float = 0.0,
        bucket: AwsBucket | None = None,
        behind: MotoSide | None = None,
    ) -> None:
        """``bucket`` is S3 in virtual time; ``behind`` is every other service there is, S3 too."""
        platform: Any = _Front(core, bucket, behind)  # it is asked by the same words as the other platform
        super().__init__(platform, clock, latency_s=latency_s)
        self.core = core

    def lose_calls(self, action: str, times: int = 1) -> None:
        """Let the next such calls happen and their answers never arrive."""
        wanted = f"Action={action}&".encode()
        self._losses += [lambda r: isinstance(r.body, bytes) and wanted in r.body + b"&"] * times

    async def _on_the_wire(self, request: HttpRequest) -> Any:
        parts = urlsplit(request.url)
        body = request.body
        data = b"".join([bytes(p) async for p in body()]) if callable(body) else bytes(body or b"")
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Request(request.method, parts.path, parts.query, {"host": parts.netloc, **headers}, data)


class _Front:
    """Sends each request to its service by the host it is for."""

    def __init__(self, core: Ec2Core, bucket: AwsBucket | None, behind: MotoSide | None) -> None:
        self._core = core
        self._bucket = bucket
        self._behind = behind

    def handle(self, request: Request, now: float) -> Response:
        if self._behind is not None and not self._core.answers(request):
            return self._behind.handle_behind(self._core, request, now)
        host = request.headers.get("host", "")
        if self._bucket is None or not host.startswith(("s3.", f"{BUCKET}.s3.")):
            return self._core.handle(request, now)
        headers = dict(request.headers)
        return self._bucket.handle_aws(request.method, request.path, request.query, headers, request.body, now)


def signed(body: bytes, now: datetime) -> Request:
    """Return a request to EC2 as the main account sends it."""
    host = f"ec2.{REGION}.amazonaws.com"
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    digest = hashlib.sha256(body).hexdigest()
    made = sign(
        Credentials(MAIN_KEY, MAIN_SECRET), Scope(REGION, "ec2"), "POST", f"https://{host}/", headers, digest, now
    )
    return Request("POST", "/", "", made, body)


def settings(**changes: object) -> AwsSettings:
    """Return the provider's settings for the main account of an emulated AWS."""
    keys = Keys(access_key=MAIN_KEY, secret_key=SecretStr(MAIN_SECRET))
    return AwsSettings.model_validate(
        {"region": REGION, "bucket": BUCKET, "keys": keys, "instance_profile": PROFILE, **changes}
    )


def other_account() -> Keys:
    """Return the key of another account."""
    return Keys(access_key=OTHER_KEY, secret_key=SecretStr(OTHER_SECRET))


def client_of(core: Ec2Core, clock: ProviderClock, **changes: object) -> Client:
    """Return a client of the core."""
    return Client(AwsTransport(core, clock), clock, settings(**changes))
