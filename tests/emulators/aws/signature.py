"""Signature Version 4, checked as AWS does: in the header for every service, in the query where S3 presigns."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote

from tests.emulators.aws.wire import Request

SCHEME = "AWS4-HMAC-SHA256"
STAMP = "%Y%m%dT%H%M%SZ"
Wrong = Literal["signature", "early", "late"]


@dataclass(frozen=True)
class Signed:
    """What a request says about who signed it."""

    access: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    """Names of the signed headers."""
    signature: str
    at: float
    """When it was signed, by the caller's clock."""
    token: str | None
    presigned_s: int | None = None
    """How long a presigned address lives."""


def signed(request: Request) -> Signed | None:
    """Return who signed a request, or ``None`` where nobody did, or not readably."""
    header = request.headers.get("authorization", "")
    try:
        if header.startswith(SCHEME + " "):
            stamp, token = request.headers.get("x-amz-date", ""), request.headers.get("x-amz-security-token")
            return _in_header(header, stamp, token)
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        if query.get("X-Amz-Algorithm") == SCHEME:
            return _signed(
                query["X-Amz-Credential"],
                query["X-Amz-SignedHeaders"],
                query["X-Amz-Signature"],
                query["X-Amz-Date"],
                query.get("X-Amz-Security-Token"),
                int(query["X-Amz-Expires"]),
            )
    except (KeyError, ValueError):
        return None
    return None


def check(request: Request, who: Signed, secret: str, now: float, skew_max_s: float) -> Wrong | None:
    """Return what is wrong with a signature, or ``None``."""
    if who.presigned_s is not None:
        if now > who.at + who.presigned_s:
            return "late"
    elif who.at < now - skew_max_s:
        return "late"
    if who.at > now + skew_max_s:
        return "early"
    return None if hmac.compare_digest(signature(request, who, secret), who.signature) else "signature"


def signature(request: Request, who: Signed, secret: str) -> str:
    """Return the signature that a request should have."""
    stamp = datetime.fromtimestamp(who.at, UTC).strftime(STAMP)
    scope = f"{who.date}/{who.region}/{who.service}/aws4_request"
    text = "\n".join((SCHEME, stamp, scope, hashlib.sha256(_canonical(request, who).encode()).hexdigest()))
    return hmac.digest(_key(secret, scope), text.encode(), "sha256").hex()


@lru_cache(maxsize=64)
def _key(secret: str, scope: str) -> bytes:
    """Return the key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=16)  # who looks at a call asks again who signed it
def _in_header(header: str, stamp: str, token: str | None) -> Signed:
    parts = dict(one.strip().split("=", 1) for one in header.removeprefix(SCHEME).split(","))
    return _signed(parts["Credential"], parts["SignedHeaders"], parts["Signature"], stamp, token)


def _signed(
    credential: str, headers: str, found: str, stamp: str, token: str | None, presigned_s: int | None = None
) -> Signed:
    access, date, region, service, _ = credential.rsplit("/", 4)
    return Signed(access, date, region, service, tuple(headers.split(";")), found, _seconds(stamp), token, presigned_s)


@lru_cache(maxsize=1024)
def _seconds(stamp: str) -> float:
    """Return a signature's time in seconds since 1970. Raises ValueError."""
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).timestamp()


def _canonical(request: Request, who: Signed) -> str:
    path = request.path if who.service == "s3" else quote(request.path, safe="/~")
    pairs = [
        (unquote(name), unquote(value)) for name, _, value in (one.partition("=") for one in _split(request.query))
    ]
    query = "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in pairs)
        if name != "X-Amz-Signature"
    )
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in who.headers)
    if who.presigned_s is not None:
        payload = "UNSIGNED-PAYLOAD"
    else:
        payload = request.headers.get("x-amz-content-sha256") or hashlib.sha256(request.body).hexdigest()
    return "\n".join((request.method, path or "/", query, headers, ";".join(who.headers), payload))


def _split(query: str) -> list[str]:
    return [one for one in query.split("&") if one]
