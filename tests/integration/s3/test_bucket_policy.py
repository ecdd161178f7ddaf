"""The bucket's policy on an S3 server that is not ours and judges conditions: what it refuses, and what it must not.

A part of a multipart upload carries no encryption header ("UploadPart": only keys of the caller's own are repeated with
each part), and is judged as ``s3:PutObject``. So nothing may be refused for want of the header: S3 encrypts what has
none by the bucket's default ("Setting default server-side encryption behavior"), and that cannot be switched off.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from providers.aws.client import Call, Client
from providers.aws.policies import policy
from providers.aws.provider import build_aws_storage
from providers.aws.settings import AwsSettings, Keys
from providers.aws.storage import AwsStorage
from providers.http import AiohttpTransport
from providers.s3.errors import Denied
from tests.support.providers.clocks import RealClock
from tests.support.providers.subjects import chunks
from tests.support.s3 import MIB
from tests.support.seaweed import ACCESS_KEY, REGION, SECRET_KEY, Server

LARGE = b"x" * (20 * MIB)
TLS, OTHER_ENCRYPTION, OTHER_KEYS = "OnlyOverTls", "NoOtherEncryption", "NoKeysOfOthers"


class Guarded:
    """A bucket that has some statements of our policy."""

    def __init__(self, server: Server, bucket: str, transport: AiohttpTransport) -> None:
        keys = Keys(access_key=ACCESS_KEY, secret_key=SecretStr(SECRET_KEY))
        told = AwsSettings(region=REGION, bucket=bucket, keys=keys, endpoints={"s3": server.endpoint})
        self.client = Client(transport, RealClock(), told)
        self.storage: AwsStorage = build_aws_storage(told, self.client, transport)
        self.bucket = bucket

    async def guard(self, *sids: str, **changed: Any) -> None:
        whole = policy("bucket", {"partition": "aws", "bucket": self.bucket})
        kept = [{**one, **changed} for one in whole["Statement"] if one["Sid"] in sids]
        document = json.dumps({**whole, "Statement": kept})
        call = Call("s3", "PutBucketPolicy", {"Bucket": self.bucket, "Policy": document})
        await self.client.read(call, "to set the policy")

    async def put(self, **headers: str) -> int:
        """Write one object by a client that is not ours; return the status."""
        asked = {"Bucket": self.bucket, "Key": "by/another", "Body": b"x", **headers}
        return (await self.client.exchange(Call("s3", "PutObject", asked))).problem.status


@pytest.fixture
async def guarded(server: Server, bucket: str, transport: AiohttpTransport) -> AsyncIterator[Guarded]:
    made = Guarded(server, bucket, transport)
    yield made
    await made.client.close()


async def test_what_says_another_encryption_or_brings_its_own_key_is_refused(guarded: Guarded) -> None:
    await guarded.guard(OTHER_ENCRYPTION, OTHER_KEYS)
    assert await guarded.put(ServerSideEncryption="aws:kms:dsse") == 403
    assert await guarded.put(SSECustomerAlgorithm="AES256") == 403
    assert await guarded.put(ServerSideEncryption="AES256") == 200
    assert await guarded.put() == 200


async def test_small_and_large_objects_and_copies_go_in(guarded: Guarded) -> None:
    await guarded.guard(OTHER_ENCRYPTION, OTHER_KEYS)
    await guarded.storage.put("small", chunks(b"x"))
    assert (await guarded.storage.put("large", chunks(LARGE))).size_bytes == len(LARGE)
    assert (await guarded.storage.copy("large", "copy")).size_bytes == len(LARGE)


async def test_a_policy_that_asks_for_the_header_would_refuse_every_part(guarded: Guarded) -> None:
    """The form that is found everywhere, and why ours has a ``Null`` condition."""
    await guarded.guard(OTHER_ENCRYPTION, Condition={"Null": {"s3:x-amz-server-side-encryption": "true"}})
    await guarded.storage.put("small", chunks(b"x"))
    with pytest.raises(Denied):
        await guarded.storage.put("large", chunks(LARGE))


async def test_nothing_goes_in_without_tls(guarded: Guarded) -> None:
    await guarded.guard(TLS)
    assert await guarded.put() == 403
    with pytest.raises(Denied):
        await guarded.storage.stat("small")
