"""An AWS bucket over a real S3 server: the storage contract, conditions on writes, and addresses without a key."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest

from messages.storage import ObjectInfo
from providers.aws.storage import AwsStorage
from providers.http import AiohttpTransport
from providers.interface import Conflict, Presigns
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


async def test_whoever_has_the_address_reads_one_object_and_only_for_a_while(aws: AwsStorage) -> None:
    await aws.put("models/m/model.bin", chunks(b"model"))
    assert isinstance(aws, Presigns)
    found = await aws.presigned_get("models/m/model.bin", 2)
    assert await asyncio.to_thread(_get, found.url) == (200, b"model")
    assert (await asyncio.to_thread(_get, found.url.replace("model.bin", "other.bin")))[0] == 403
    await asyncio.sleep(3)
    assert (await asyncio.to_thread(_get, found.url))[0] == 403


async def test_a_form_uploads_one_object_up_to_its_size(aws: AwsStorage) -> None:
    form = await aws.presigned_post("datasets/d1", 60, 100)
    assert await asyncio.to_thread(_post, form.url, form.fields, b"a,b\n1,2\n") in (200, 204)
    assert await content(aws.get("datasets/d1")) == b"a,b\n1,2\n"
    assert await asyncio.to_thread(_post, form.url, form.fields, b"x" * 101) in (400, 403, 413)
    assert await asyncio.to_thread(_post, form.url, {**form.fields, "key": "datasets/d2"}, b"x") in (400, 403)


def _get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
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
