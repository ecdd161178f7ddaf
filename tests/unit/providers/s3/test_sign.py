"""Signatures: the same as botocore's for any request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch
from urllib.parse import quote

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from providers.s3.sign import EMPTY, UNSIGNED, Credentials, Scope, host_of, sign

NOW = datetime(2026, 11, 23, 14, 3, 7, tzinfo=UTC)
OURS = Credentials("user_abc", "rps_secret")
PRINTABLE = st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs"])
KEYS = st.text(st.one_of(st.sampled_from("/+ %~*'()&=;:,$@!"), PRINTABLE), max_size=30).filter(
    lambda key: not key.startswith("/")
)
NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz-"), min_size=1, max_size=12)
VALUES = st.text(st.sampled_from("abc XYZ09_-/%+\t="), max_size=20)


def theirs(method: str, url: str, headers: Mapping[str, str], payload: str, region: str, token: str | None) -> str:
    """Return the Authorization header that botocore makes."""
    request = AWSRequest(method, url, headers={**headers, "X-Amz-Content-SHA256": payload})
    signer = auth.S3SigV4Auth(TheirCredentials(OURS.access_key, OURS.secret_key, token), "s3", region)
    with (
        patch.object(signer, "payload", lambda request: payload),
        patch("botocore.auth.get_current_datetime", lambda **_: NOW.replace(tzinfo=None)),
    ):
        signer.add_auth(request)
    return str(request.headers["Authorization"])


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    host=st.sampled_from(["https://s3api-eu-ro-1.runpod.io", "http://127.0.0.1:8333", "https://host:443"]),
    key=KEYS,
    query=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    headers=st.dictionaries(NAMES.map(lambda name: f"x-amz-{name}"), VALUES, max_size=3),
    payload=st.sampled_from([UNSIGNED, EMPTY, hashlib.sha256(b"x").hexdigest()]),
    region=st.sampled_from(["EU-RO-1", "us-east-1"]),
    token=st.sampled_from([None, "session/token=="]),
)
def test_a_signature_is_the_one_botocore_makes(
    method: str,
    host: str,
    key: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    payload: str,
    region: str,
    token: str | None,
) -> None:
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    url = f"{host}/bucket/{quote(key, safe='/')}{'?' if text else ''}{text}"
    headers = {
        name: value
        for name, value in headers.items()
        if name not in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
    }
    credentials = Credentials(OURS.access_key, OURS.secret_key, token)
    signed = sign(credentials, Scope(region), method, url, headers, payload, NOW)
    assert signed["authorization"] == theirs(method, url, headers, payload, region, token)
    assert signed["x-amz-date"] == "20261123T140307Z"


def test_any_zone_signs_the_same_instant() -> None:
    url = "https://host/b/k"
    here = NOW.astimezone(timezone(timedelta(hours=9)))
    assert sign(OURS, Scope("r"), "GET", url, {}, EMPTY, here) == sign(OURS, Scope("r"), "GET", url, {}, EMPTY, NOW)


def test_the_port_is_part_of_the_host_unless_it_is_the_schemes_own() -> None:
    assert host_of("https://a.b/x") == "a.b"
    assert host_of("https://a.b:443/x") == "a.b"
    assert host_of("http://a.b:443/x") == "a.b:443"
    assert host_of("http://[::1]:8333/x") == "[::1]:8333"


def test_credentials_never_show() -> None:
    text = repr(Credentials("user_abc", "rps_secret", "token"))
    assert not any(secret in text for secret in ("user_abc", "rps_secret", "token="))
