"""Addresses that let whoever has them read or write one object for a while (Signature Version 4 in the query, or as a
POST policy). They are secrets for as long as they hold: never logged, one object each (fault 89)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from providers.interface import Refused
from providers.presigned import PresignedGet, PresignedPost
from providers.s3.client import S3Client
from providers.s3.sign import Credentials, Scope, host_of, query_signature, text_signature

LIMIT_S_MAX: Final = 7 * 86_400
"""As S3 has it. An address made with temporary keys ends with them, however long it was asked for."""
UPLOAD_BYTES_MAX: Final = 5 << 30
"""S3's own limit of one POST."""


async def presign_get(client: S3Client, key: str, limit_s: int) -> PresignedGet:
    """Return an address of ``key`` that reads it. Raises Refused for a time S3 does not take."""
    _check(limit_s)
    now, credentials = client.clock.now(), await client.credentials()
    url = client.address(key)
    fields = _fields(credentials, Scope(client.settings.region), now)
    fields["X-Amz-Expires"] = str(limit_s)
    fields["X-Amz-SignedHeaders"] = "host"
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(fields.items()))
    scope = Scope(client.settings.region)
    signature = query_signature(credentials, scope, "GET", f"{url}?{query}", {"host": host_of(url)}, now)
    return PresignedGet(url=f"{url}?{query}&X-Amz-Signature={signature}", expires=now + timedelta(seconds=limit_s))


async def presign_post(client: S3Client, key: str, limit_s: int, bytes_max: int) -> PresignedPost:
    """Return a form that uploads ``key``; S3 itself refuses what is longer. Raises Refused for odd limits."""
    _check(limit_s)
    if not 0 < bytes_max <= UPLOAD_BYTES_MAX:
        raise Refused(f"an upload form takes 1 to {UPLOAD_BYTES_MAX} bytes, not {bytes_max}")
    now, credentials = client.clock.now(), await client.credentials()
    scope, expires = Scope(client.settings.region), now + timedelta(seconds=limit_s)
    fields = {"key": key, **client.settings.write_headers}
    fields |= {name.lower(): value for name, value in _fields(credentials, scope, now).items()}
    policy = {
        "expiration": expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "conditions": [
            {"bucket": client.settings.bucket},
            *({name: value} for name, value in fields.items()),
            ["content-length-range", 1, bytes_max],
        ],
    }
    text = base64.b64encode(json.dumps(policy).encode()).decode()
    fields |= {"policy": text, "x-amz-signature": text_signature(credentials, scope, text, now)}
    return PresignedPost(url=client.address(""), fields=fields, expires=expires, bytes_max=bytes_max)


def _fields(credentials: Credentials, scope: Scope, now: datetime) -> dict[str, str]:
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    found = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key}/{place}",
        "X-Amz-Date": stamp,
    }
    if credentials.session_token is not None:
        found["X-Amz-Security-Token"] = credentials.session_token
    return found


def _check(limit_s: int) -> None:
    if not 0 < limit_s <= LIMIT_S_MAX:
        raise Refused(f"an address holds 1 to {LIMIT_S_MAX} seconds, not {limit_s}")
