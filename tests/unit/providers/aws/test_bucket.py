"""The bucket: conditions, encryption, renewed keys, and what the store says no to."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from messages.storage import ObjectInfo
from providers.aws.client import Client
from providers.aws.provider import build_aws_storage
from providers.aws.settings import Keys
from providers.aws.storage import AwsStorage
from providers.interface import Conflict, NotFound
from providers.s3.errors import Denied, KeyWrong, RegionWrong
from tests.emulators.aws.core import Ec2Core
from tests.emulators.aws.settings import ACCOUNT, MAIN_KEY, MAIN_SECRET, OTHER_ACCOUNT
from tests.support.aws_bucket import AwsBucket
from tests.support.aws_sim import BUCKET, REGION, AwsTransport, settings
from tests.support.providers.clocks import ManualClock
from tests.support.providers.subjects import chunks, content
from tests.support.s3 import MIB


class Store:
    def __init__(self, **changes: object) -> None:
        self.clock = ManualClock()
        self.bucket = AwsBucket(BUCKET, MAIN_KEY, MAIN_SECRET, ACCOUNT, REGION)
        core = Ec2Core(now=self.clock.now().timestamp())
        self.transport = AwsTransport(core, self.clock, bucket=self.bucket)
        self.transport.keep_sent = True
        told = settings(**changes)
        self.storage: AwsStorage = build_aws_storage(told, Client(self.transport, self.clock, told), self.transport)


@pytest.mark.parametrize("size", [10, 6 * MIB])
async def test_of_writers_that_race_one_wins(size: int) -> None:
    store = Store()

    async def write(letter: bytes) -> ObjectInfo | None:
        try:
            return await store.storage.put("once", chunks(letter * size), exclusive=True)
        except Conflict:
            return None

    found = await asyncio.gather(*(write(letter) for letter in (b"a", b"b", b"c")))
    assert sum(one is not None for one in found) == 1
    assert len(set(await content(store.storage.get("once")))) == 1


@pytest.mark.parametrize("size", [10, 6 * MIB])
@pytest.mark.parametrize(("key", "kind"), [(None, "AES256"), ("alias/lastcall", "aws:kms")])
async def test_everything_that_is_made_says_how_it_is_encrypted(size: int, key: str | None, kind: str) -> None:
    """The emulated bucket refuses what does not."""
    store = Store(kms_key=key)
    await store.storage.put("a", chunks(b"x" * size))
    await store.storage.copy("a", "b")
    said = [r.headers.get("x-amz-server-side-encryption") for r in store.transport.sent if r.method in ("PUT", "POST")]
    assert kind in said


async def test_a_lost_answer_to_a_write_once_is_settled_by_looking() -> None:
    store = Store()
    store.transport.lose_next("PUT", "/once")
    assert (await store.storage.put("once", chunks(b"mine"), exclusive=True)).size_bytes == 4
    with pytest.raises(Conflict):
        await store.storage.put("once", chunks(b"mine"), exclusive=True)


async def test_the_bucket_stands_in_the_host_unless_the_address_is_not_awss() -> None:
    store = Store()
    with pytest.raises(NotFound):
        await store.storage.stat("a")
    assert store.transport.sent[0].url == f"https://{BUCKET}.s3.us-east-1.amazonaws.com/a"
    own = Store(endpoints={"s3": "https://s3.us-east-1.amazonaws.com"})
    with pytest.raises(NotFound):
        await own.storage.stat("a")
    assert own.transport.sent[0].url == f"https://s3.us-east-1.amazonaws.com/{BUCKET}/a"


async def test_a_bucket_of_another_account_is_refused_with_the_right_the_statement_and_whose_it_may_be() -> None:
    store = Store()
    others = AwsBucket(BUCKET, MAIN_KEY, MAIN_SECRET, ACCOUNT, REGION, owner=OTHER_ACCOUNT)
    store.transport = AwsTransport(Ec2Core(now=store.clock.now().timestamp()), store.clock, bucket=others)
    told = settings()
    storage = build_aws_storage(told, Client(store.transport, store.clock, told), store.transport)
    for size in (1, 20 * MIB):
        with pytest.raises(Denied, match=f"s3:PutObject, .*Objects of the daemon policy.* {BUCKET} is of another"):
            await store.clock.drive(storage.put("a", chunks(b"x" * size)))
    with pytest.raises(Denied, match="s3:GetObject"):
        await store.clock.drive(storage.stat("a"))
    with pytest.raises(Denied, match="s3:ListBucket"):
        await store.clock.drive(_listed(storage))


async def _listed(storage: AwsStorage) -> list[ObjectInfo]:
    return [one async for one in storage.list("")]


async def test_a_wrong_region_and_a_wrong_key_are_named() -> None:
    """Fault 39."""
    elsewhere = Store()
    elsewhere.bucket.region = "eu-west-1"
    with pytest.raises(RegionWrong):
        await elsewhere.storage.put("a", chunks(b"x"))
    wrong = Keys(access_key=MAIN_KEY, secret_key=SecretStr("other"))
    with pytest.raises(KeyWrong):
        await Store(keys=wrong).storage.put("a", chunks(b"x"))
