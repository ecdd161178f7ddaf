"""Addresses that need no key: signed as botocore signs them, one object each, for as long as was asked (fault 89)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from pydantic import SecretStr

from providers.interface import Refused
from providers.s3.client import S3Client
from providers.s3.presign import presign_get, presign_post
from providers.s3.settings import S3Settings
from tests.support.providers.clocks import BEGIN, ManualClock
from tests.unit.providers.test_factory import NoTransport

ACCESS, SECRET = "AKIAEXAMPLE", "secret/example"


def client(**changes: Any) -> S3Client:
    told: dict[str, Any] = {
        "endpoint": "https://s3.eu-central-1.amazonaws.com",
        "region": "eu-central-1",
        "bucket": "mine",
        "access_key": ACCESS,
        "secret_key": SecretStr(SECRET),
        "bucket_in_host": True,
        "write_headers": {"x-amz-server-side-encryption": "AES256"},
    }
    return S3Client(NoTransport(), ManualClock(), S3Settings.model_validate({**told, **changes}))


@pytest.fixture
def their_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda remove_tzinfo=True: BEGIN.replace(tzinfo=None))


@pytest.mark.parametrize("key", ["models/m1/model.skops", "a b+c/ü"])
async def test_a_read_is_signed_as_botocore_signs_it(key: str, their_clock: None) -> None:
    ours = await presign_get(client(), key, 600)
    request = AWSRequest("GET", ours.url.partition("?")[0])
    auth.S3SigV4QueryAuth(TheirCredentials(ACCESS, SECRET), "s3", "eu-central-1", expires=600).add_auth(request)
    assert dict(p.split("=") for p in ours.url.partition("?")[2].split("&")) == dict(
        p.split("=") for p in request.url.partition("?")[2].split("&")
    )
    assert (ours.expires - BEGIN).total_seconds() == 600


async def test_a_form_is_signed_as_botocore_signs_it_and_bounds_the_size() -> None:
    ours = await presign_post(client(), "datasets/d1", 600, 1000)
    policy = json.loads(base64.b64decode(ours.fields["policy"]))
    assert ["content-length-range", 1, 1000] in policy["conditions"]
    assert {"key": "datasets/d1"} in policy["conditions"]
    assert {"bucket": "mine"} in policy["conditions"]
    assert policy["expiration"] == "2026-11-23T14:10:00.000Z"
    request = AWSRequest("POST", ours.url)
    request.context["timestamp"] = ours.fields["x-amz-date"]
    signer = auth.S3SigV4PostAuth(TheirCredentials(ACCESS, SECRET), "s3", "eu-central-1")
    assert ours.fields["x-amz-signature"] == signer.signature(ours.fields["policy"], request)


@pytest.mark.parametrize("limit_s", [0, -1, 7 * 86_400 + 1])
async def test_odd_times_and_sizes_are_refused(limit_s: int) -> None:
    with pytest.raises(Refused):
        await presign_get(client(), "a", limit_s)
    with pytest.raises(Refused):
        await presign_post(client(), "a", limit_s, 10)
    with pytest.raises(Refused):
        await presign_post(client(), "a", 60, 0)


async def test_what_lets_somebody_in_shows_in_no_text() -> None:
    found = await presign_get(client(), "a", 60)
    form = await presign_post(client(), "a", 60, 10)
    assert "Signature" not in f"{found!r} {form!r}"
    assert "signature" not in f"{form!r}"
