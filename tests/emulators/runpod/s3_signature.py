"""Who signed a request: AWS Signature Version 4 in the Authorization header, and nothing else (fact sheet 5.2)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from tests.emulators.runpod.s3_answers import S3Error
from tests.emulators.runpod.wire import Request

SKEW_MAX_S = 3600.0
"""Fact sheet 5.2."""
_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<signed>[a-z0-9;_-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class S3Key:
    """One key pair; the console makes them, no API does (fact sheet 5.2)."""

    access_key: str
    """``user_…``."""
    secret: str = field(repr=False)
    """``rps_…``."""
    account: str


class S3Keys:
    """The key pairs of all accounts."""

    def __init__(self, keys: Iterable[S3Key] = ()) -> None:
        self._keys = {key.access_key: key for key in keys}

    def add(self, key: S3Key) -> None:
        """Take a key pair, in place of an earlier one of the same name."""
        self._keys[key.access_key] = key

    def revoke(self, access_key: str) -> None:
        """Forget a key pair."""
        self._keys.pop(access_key, None)

    def get(self, access_key: str) -> S3Key | None:
        """Return one key pair."""
        return self._keys.get(access_key)


@dataclass(slots=True)
class Claim:
    """What the Authorization header says, not yet believed."""

    access_key: str
    day: str
    region: str
    signed: tuple[str, ...]
    signature: str
    moment: str
    """As in x-amz-date, 20261003T101500Z."""


def claimed(request: Request) -> Claim:
    """Return what the header says. Errors: S3Error 403 without one, 400 for one that cannot be read."""
    header = request.headers.get("authorization", "")
    if not header:
        raise S3Error(403, "AccessDenied", "missing Authorization")
    found = _HEADER.fullmatch(header.strip())
    if found is None or found["service"] != "s3":
        raise S3Error(400, "AuthorizationHeaderMalformed", "the Authorization header cannot be read")
    moment = request.headers.get("x-amz-date", "")
    if not re.fullmatch(r"\d{8}T\d{6}Z", moment) or moment[:8] != found["day"]:
        raise S3Error(403, "AccessDenied", "x-amz-date is missing or of another day than the signature")
    return Claim(
        found["key"], found["day"], found["region"], tuple(found["signed"].split(";")), found["signature"], moment
    )


def check_clock(claim: Claim, now: float) -> None:
    """Raise S3Error 403 if the client's clock is too far from ``now``."""
    try:
        then = _seconds(claim.moment)
    except ValueError as error:
        raise S3Error(403, "AccessDenied", "x-amz-date is no time") from error
    if abs(now - then) > SKEW_MAX_S:
        raise S3Error(403, "RequestTimeTooSkewed", "the time of the request is too far from the time of the server")


def check_region(claim: Claim, data_center: str) -> None:
    """Raise S3Error 400 unless the request was signed for this data centre."""
    if claim.region not in (data_center, data_center.lower()):
        message = f"the region '{claim.region}' is wrong; expecting '{data_center}'"
        raise S3Error(400, "AuthorizationHeaderMalformed", message)


def check_signature(request: Request, claim: Claim, key: S3Key) -> None:
    """Raise S3Error unless the request is exactly what the holder of ``key`` signed, its body included."""
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in claim.signed]
    if unsigned or "host" not in claim.signed:
        raise S3Error(403, "AccessDenied", f"not signed: {', '.join(unsigned) or 'host'}")
    payload = request.headers.get("x-amz-content-sha256", "")
    if not payload:
        raise S3Error(400, "InvalidRequest", "x-amz-content-sha256 is missing")
    scope = f"{claim.day}/{claim.region}/s3/aws4_request"
    digest = hashlib.sha256(_canonical(request, claim, payload).encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{claim.moment}\n{scope}\n{digest}"
    expected = hmac.new(_signing_key(key.secret, claim.day, claim.region), to_sign.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(expected, claim.signature):
        raise S3Error(403, "SignatureDoesNotMatch", "the signature is not that of this request and this key")
    if payload.startswith("STREAMING-"):
        raise S3Error(501, "NotImplemented", "signed chunks and trailers are not implemented")
    if payload != "UNSIGNED-PAYLOAD" and payload != hashlib.sha256(request.body).hexdigest():
        raise S3Error(400, "XAmzContentSHA256Mismatch", "x-amz-content-sha256 is not that of the body")


def _canonical(request: Request, claim: Claim, payload: str) -> str:
    pairs = []
    for part in request.query.split("&") if request.query else []:
        name, _, value = part.partition("=")
        pairs.append((_encoded(name, ""), _encoded(value, "")))
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in claim.signed]
    return "\n".join(
        [
            request.method,
            _encoded(request.path, "/"),
            "&".join(f"{name}={value}" for name, value in sorted(pairs)),
            "".join(headers),
            ";".join(claim.signed),
            payload,
        ]
    )


@lru_cache(maxsize=1024)
def _seconds(moment: str) -> float:
    """Return a time like 20261003T101500Z in seconds since 1970. Raises ValueError."""
    return datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@lru_cache(maxsize=4096)
def _encoded(part: str, safe: str) -> str:
    """Return the one right spelling, whatever the client's was."""
    return quote(unquote_to_bytes(part), safe=f"{safe}-_.~")


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key
