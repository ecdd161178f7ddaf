"""A real S3 client, set up as for the platform (fact sheet 5.2), against the emulator's endpoint over loopback."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.session import Session

from tests.emulators.runpod.s3 import S3Keys, VolumeS3
from tests.emulators.runpod.volume import UPLOADS, DirectoryFiles, Volume, Volumes
from tests.emulators.runpod.wire import Request, Surface
from tests.support.s3_kit import MINE, REGION

KEY = "jobs/user 1/größe+&=.json"


class Endpoint:
    """The endpoint behind a real socket."""

    def __init__(self, root: Path) -> None:
        self.files = DirectoryFiles(root)
        volumes = Volumes()
        volumes.add(Volume("vol1", MINE.account, REGION, 1, self.files))
        self.s3 = VolumeS3(volumes, S3Keys([MINE]))
        self.url = ""
        self.ended = asyncio.Event()

    async def serve(self) -> AsyncIterator[Endpoint]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield self
        self.ended.set()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(Surface.S3, request.method, path, query, headers, await request.read())
        answer = self.s3.handle(asked, time.time())
        if answer.lost == "hang":
            await self.ended.wait()
        if answer.lost == "reset" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[Endpoint]:
    async for served in Endpoint(tmp_path / "volume").serve():
        yield served


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Any]:
    made = connected(endpoint)
    yield made
    made.close()


def connected(endpoint: Endpoint, region: str = REGION, secret: str = MINE.secret, **options: Any) -> Any:
    config = Config(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent="test",
        **{"retries": {"mode": "standard", "total_max_attempts": 3}, **options},
    )
    return Session().create_client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=region,
        aws_access_key_id=MINE.access_key,
        aws_secret_access_key=secret,
        config=config,
    )


async def call(work: Callable[..., Any], **arguments: Any) -> Any:
    """Call the blocking client beside the loop that serves it."""
    return await asyncio.to_thread(work, Bucket="vol1", **arguments)


def etag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


async def test_an_object_lives_from_put_to_delete(endpoint: Endpoint, client: Any) -> None:
    put = await call(client.put_object, Key=KEY, Body=b"0123456789", Metadata={"sha": "x"})
    assert put["ETag"] == etag_of(b"0123456789")
    assert endpoint.files.read(KEY) == b"0123456789"
    head = await call(client.head_object, Key=KEY)
    assert (head["ContentLength"], head["ETag"], head["Metadata"]) == (10, etag_of(b"0123456789"), {})
    assert abs(head["LastModified"].timestamp() - time.time()) < 60
    got = await call(client.get_object, Key=KEY, Range="bytes=2-4")
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentRange"]) == (206, "bytes 2-4/10")
    assert await asyncio.to_thread(got["Body"].read) == b"234"
    await call(client.copy_object, Key="copy", CopySource={"Bucket": "vol1", "Key": KEY})
    assert endpoint.files.read("copy") == b"0123456789"
    for _ in range(2):
        deleted = await call(client.delete_object, Key=KEY)
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as refused:
        await call(client.head_object, Key=KEY)
    assert refused.value.response["Error"]["Code"] == "404"


async def test_lists_are_paged(client: Any) -> None:
    for key in ("a/1", "a/2", "b", KEY):
        await call(client.put_object, Key=key, Body=b"x")
    for name in ("list_objects_v2", "list_objects"):
        paginator = client.get_paginator(name)
        pages = await asyncio.to_thread(list, paginator.paginate(Bucket="vol1", MaxKeys=2))
        assert [one["Key"] for page in pages for one in page["Contents"]] == ["a/1", "a/2", "b", KEY]
        folded = await call(getattr(client, name), Delimiter="/")
        assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["a/", "jobs/"]
    buckets = await asyncio.to_thread(client.list_buckets)
    assert [one["Name"] for one in buckets["Buckets"]] == ["vol1"]
    assert (await call(client.head_bucket))["ResponseMetadata"]["HTTPStatusCode"] == 200


async def test_an_upload_in_parts(endpoint: Endpoint, client: Any) -> None:
    upload = {"Key": KEY, "UploadId": (await call(client.create_multipart_upload, Key=KEY))["UploadId"]}
    parts = []
    for number, body in ((1, b"one" * 1000), (2, b"two")):
        sent = await call(client.upload_part, **upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    listed = await call(client.list_parts, **upload)
    assert [(one["PartNumber"], one["ETag"]) for one in listed["Parts"]] == [
        (1, parts[0]["ETag"]),
        (2, parts[1]["ETag"]),
    ]
    waiting = await call(client.list_multipart_uploads)
    assert [(one["Key"], one["UploadId"]) for one in waiting["Uploads"]] == [(f"/{KEY}", upload["UploadId"])]
    done = await call(client.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})
    assert done["Key"] == f"/{KEY}"
    assert done["ETag"].endswith('-2"')
    assert endpoint.files.read(KEY) == b"one" * 1000 + b"two"
    assert not (endpoint.files.path / UPLOADS).exists()
    other = await call(client.create_multipart_upload, Key="other")
    await call(client.abort_multipart_upload, Key="other", UploadId=other["UploadId"])
    assert "Uploads" not in await call(client.list_multipart_uploads)


async def test_a_lost_complete_is_found_done(endpoint: Endpoint, client: Any) -> None:
    hurried = connected(endpoint, read_timeout=0.5, retries={"total_max_attempts": 1})
    upload = {"Key": KEY, "UploadId": (await call(client.create_multipart_upload, Key=KEY))["UploadId"]}
    sent = await call(client.upload_part, **upload, PartNumber=1, Body=b"whole")
    parts = {"Parts": [{"PartNumber": 1, "ETag": sent["ETag"]}]}
    endpoint.s3.faults.merge({"complete_lost": {"next": 1, "value": "timeout"}}, time.time())
    with pytest.raises(ReadTimeoutError):
        await call(hurried.complete_multipart_upload, **upload, MultipartUpload=parts)
    hurried.close()
    with pytest.raises(ClientError) as refused:
        await call(client.complete_multipart_upload, **upload, MultipartUpload=parts)
    assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
    assert (await call(client.head_object, Key=KEY))["ContentLength"] == 5


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"region": "us-east-1"}, "AuthorizationHeaderMalformed"),
        ({"secret": "rps_wrong"}, "SignatureDoesNotMatch"),
    ],
)
async def test_a_client_set_up_wrongly_is_told(endpoint: Endpoint, options: dict[str, str], code: str) -> None:
    wrong = connected(endpoint, **options)
    with pytest.raises(ClientError) as refused:
        await call(wrong.put_object, Key=KEY, Body=b"x")
    wrong.close()
    assert refused.value.response["Error"]["Code"] == code


async def test_a_broken_connection_is_tried_again_by_the_client(endpoint: Endpoint, client: Any) -> None:
    endpoint.s3.faults.merge({"outage": 1}, time.time())
    await call(client.put_object, Key=KEY, Body=b"x")
    assert endpoint.s3.faults.outage.hits == 1
    assert endpoint.files.read(KEY) == b"x"
