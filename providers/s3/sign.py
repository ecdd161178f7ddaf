"""AWS Signature Version 4 in headers: a plain function of its inputs.

The algorithm is public (AWS documentation, "Signature Version 4 signing process"); tests compare every signature with
the one that botocore makes. Bodies are not hashed: they travel under TLS, and hashing them costs more than sending.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
"""Payload hash of a request whose body is not signed."""
EMPTY: Final = hashlib.sha256(b"").hexdigest()
"""Payload hash of a request without a body."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and its secret, which no text form of this shows."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    """Of temporary credentials (a role)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a signature holds."""

    region: str
    service: str = "s3"


def sign(
    credentials: Credentials,
    scope: Scope,
    method: str,
    url: str,
    headers: Mapping[str, str],
    payload: str,
    now: datetime,
) -> dict[str, str]:
    """Return ``headers`` with those that sign them: ``host``, ``x-amz-date``, the payload hash and ``authorization``.

    ``url`` is absolute and percent-encoded as it will be sent; ``payload`` is UNSIGNED, EMPTY or the body's sha256.
    Every header given is signed, so what a proxy may change is added afterwards.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): value for name, value in headers.items()}
    signed |= {"host": host_of(url), "x-amz-content-sha256": payload, "x-amz-date": stamp}
    if credentials.session_token is not None:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    request = _canonical(method, url, signed, names, payload)
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{stamp}\n{place}\n{digest}"
    signature = hmac.new(_key(credentials.secret_key, place), text.encode(), hashlib.sha256).hexdigest()
    signed["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{place}, SignedHeaders={names}, Signature={signature}"
    )
    return signed


def query_signature(
    credentials: Credentials, scope: Scope, method: str, url: str, headers: Mapping[str, str], now: datetime
) -> str:
    """Return the signature of an address whose query already holds everything else; the body stays unsigned."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    request = _canonical(method, url, headers, ";".join(sorted(headers)), UNSIGNED)
    text = f"{_ALGORITHM}\n{stamp}\n{place}\n{hashlib.sha256(request.encode()).hexdigest()}"
    return hmac.new(_key(credentials.secret_key, place), text.encode(), hashlib.sha256).hexdigest()


def text_signature(credentials: Credentials, scope: Scope, text: str, now: datetime) -> str:
    """Return the signature of a text, such as an upload's policy."""
    place = f"{now.astimezone(UTC):%Y%m%d}/{scope.region}/{scope.service}/aws4_request"
    return hmac.new(_key(credentials.secret_key, place), text.encode(), hashlib.sha256).hexdigest()


def host_of(url: str) -> str:
    """Return the ``host`` header for ``url``: the port is part of it unless it is the scheme's own."""
    parts = urlsplit(url)
    return _host(parts.scheme, parts.netloc)


@lru_cache(maxsize=256)
def _host(scheme: str, netloc: str) -> str:
    parts = SplitResult(scheme, netloc, "", "", "")
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    return host if parts.port in (None, _DEFAULT_PORTS.get(scheme)) else f"{host}:{parts.port}"


def _canonical(method: str, url: str, signed: Mapping[str, str], names: str, payload: str) -> str:
    parts = urlsplit(url)
    pairs = sorted(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    return f"{method}\n{parts.path or '/'}\n{query}\n{lines}\n{names}\n{payload}"


@lru_cache(maxsize=32)
def _key(secret: str, place: str) -> bytes:
    """Return the key of one day, region and service: the same for every request of that day."""
    key = b"AWS4" + secret.encode()
    for part in place.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
