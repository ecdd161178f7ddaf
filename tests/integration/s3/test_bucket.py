"""An AWS bucket over a real S3 server: the storage contract, conditions on writes, and addresses without a key."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest

from messages.storage import ObjectInfo
from providers.aws.storage import AwsStorage
from providers.http import AiohttpTransport
from providers.interface import Conflict, NotFound
from providers.presigned import PresignedPost, Presigns
from providers.s3.client import S3Client
from tests.contract.test_storage import *  # noqa: F403
from tests.support.providers.clocks import RealClock
from tests.support.providers.subjects import chunks, content
from tests.support.s3 import StoreSubject
from tests.support.seaweed import Server


@pytest.fixture
def aws(server: Server, bucket: str, transport: AiohttpTransport) -> AwsStorage:
    told = server.settings(bucket).model_copy(update={"has_conditions": True})
    return AwsStorage(S3Client(transport, RealClock(), told), "/var/lib/lastcall/store")


@pytest.fixture
def encrypting(server: Server, bucket: str, transport: AiohttpTransport) -> AwsStorage:
    """The same, with the headers that have objects encrypted: they are part of a form's policy."""
    told = server.settings(bucket, write_headers={"x-amz-server-side-encryption": "AES256"})
    return AwsStorage(S3Client(transport, RealClock(), told), "/var/lib/lastcall/store")


class Earlier(RealClock):
    """Two minutes ago."""

    def now(self) -> datetime:
        return super().now() - timedelta(minutes=2)


@pytest.fixture
def provider_under_test(aws: AwsStorage) -> StoreSubject:
    return StoreSubject(aws)


async def test_of_writers_that_race_one_wins_and_its_object_stays(aws: AwsStorage) -> None:
    """The store decides, not a look before the write. (This server does not at the end of a multipart upload.)"""

    async def write(letter: bytes) -> ObjectInfo | None:
        try:
            return await aws.put("once", chunks(letter * 10), exclusive=True)
        except Conflict:
            return None

    found = await asyncio.gather(*(write(letter) for letter in (b"a", b"b", b"c", b"d")))
    winners = [one for one in found if one is not None]
    assert len(winners) == 1
    assert len(set(await content(aws.get("once")))) == 1


async def test_whoever_has_the_address_reads_one_object_and_changes_none(aws: AwsStorage) -> None:
    await aws.put("models/m/model.bin", chunks(b"model"))
    await aws.put("models/m/other.bin", chunks(b"other"))
    assert isinstance(aws, Presigns)
    found = await aws.presigned_get("models/m/model.bin", 60)
    assert await asyncio.to_thread(_get, found.url) == (200, b"model")
    for method in ("PUT", "DELETE"):
        assert (await asyncio.to_thread(_get, found.url, method))[0] == 403
    assert await content(aws.get("models/m/model.bin")) == b"model"


TAMPERED: list[tuple[str, str, str]] = [
    ("another object", "model.bin", "other.bin"),
    ("a longer time", "X-Amz-Expires=60", "X-Amz-Expires=6000"),
    ("a later start", "X-Amz-Date=20", "X-Amz-Date=21"),
    ("another key's name", "X-Amz-Credential=", "X-Amz-Credential=x"),
    ("no signature", "X-Amz-Signature=", "X-Amz-Nothing="),
    ("one letter of it", "X-Amz-Signature=", "X-Amz-Signature=0"),
]


@pytest.mark.parametrize(("_what", "old", "new"), TAMPERED, ids=[what for what, _, _ in TAMPERED])
async def test_an_address_that_was_tampered_with_reads_nothing(aws: AwsStorage, _what: str, old: str, new: str) -> None:
    for name in ("model.bin", "other.bin"):
        await aws.put(f"models/m/{name}", chunks(b"secret"))
    found = await aws.presigned_get("models/m/model.bin", 60)
    assert old in found.url
    status, body = await asyncio.to_thread(_get, found.url.replace(old, new))
    assert status in (400, 403)
    assert b"secret" not in body


async def test_an_address_and_a_form_hold_no_longer_than_they_were_made_for(
    aws: AwsStorage, transport: AiohttpTransport
) -> None:
    await aws.put("models/m/model.bin", chunks(b"model"))
    earlier = S3Client(transport, Earlier(), aws.client.settings)
    past = AwsStorage(earlier, "/var/lib/lastcall/store")
    over, still = (
        await past.presigned_get("models/m/model.bin", 60),
        await past.presigned_get("models/m/model.bin", 600),
    )
    assert (await asyncio.to_thread(_get, over.url))[0] == 403
    assert await asyncio.to_thread(_get, still.url) == (200, b"model")
    late, timely = [await past.presigned_post("datasets/d1", limit_s, 100) for limit_s in (60, 600)]
    assert late.expires < RealClock().now() < timely.expires
    assert await asyncio.to_thread(_post, late.url, late.fields, b"late") in (400, 403)
    with pytest.raises(NotFound):
        await aws.stat("datasets/d1")
    assert await asyncio.to_thread(_post, timely.url, timely.fields, b"in time") in (200, 204)
    assert await content(aws.get("datasets/d1")) == b"in time"


async def test_a_form_uploads_one_object_up_to_its_size(aws: AwsStorage) -> None:
    form = await aws.presigned_post("datasets/d1", 60, 100)
    assert await asyncio.to_thread(_post, form.url, form.fields, b"a,b\n1,2\n") in (200, 204)
    assert await content(aws.get("datasets/d1")) == b"a,b\n1,2\n"
    assert await asyncio.to_thread(_post, form.url, form.fields, b"x" * 100) in (200, 204)
    assert await asyncio.to_thread(_post, form.url, form.fields, b"y" * 101) in (400, 403, 413)
    assert await content(aws.get("datasets/d1")) == b"x" * 100


def _wider(form: PresignedPost) -> dict[str, str]:
    """The form with a policy that allows more, under the old signature."""
    policy = json.loads(base64.b64decode(form.fields["policy"]))
    policy["conditions"][-1][-1] = 10**9
    return {**form.fields, "policy": base64.b64encode(json.dumps(policy).encode()).decode()}


FORMS: dict[str, Callable[[PresignedPost], dict[str, str]]] = {
    "another object": lambda form: {**form.fields, "key": "datasets/d2"},
    "a wider policy": _wider,
    "no policy": lambda form: {name: value for name, value in form.fields.items() if name != "policy"},
    "no signature": lambda form: {name: value for name, value in form.fields.items() if name != "x-amz-signature"},
    "another signature": lambda form: {**form.fields, "x-amz-signature": "0" * 64},
    "unencrypted": lambda form: {**form.fields, "x-amz-server-side-encryption": "none"},
}


@pytest.mark.parametrize("how", FORMS)
async def test_a_form_that_was_tampered_with_uploads_nothing(encrypting: AwsStorage, how: str) -> None:
    sound = await encrypting.presigned_post("datasets/d0", 60, 100)
    assert await asyncio.to_thread(_post, sound.url, sound.fields, b"x") in (200, 204)
    form = await encrypting.presigned_post("datasets/d1", 60, 100)
    assert await asyncio.to_thread(_post, form.url, FORMS[how](form), b"x") in (400, 403)
    for key in ("datasets/d1", "datasets/d2"):
        with pytest.raises(NotFound):
            await encrypting.stat(key)


def _get(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        asked = urllib.request.Request(url, b"x" if method == "PUT" else None, method=method)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def _post(url: str, fields: Mapping[str, str], data: bytes) -> int:
    edge = "edge-of-a-part"
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = "".join(parts) + f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(url, body, {"content-type": f"multipart/form-data; boundary={edge}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
