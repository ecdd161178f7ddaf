"""The client against a server that is not ours: signatures, large objects over real sockets, breaks, cancellation."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from providers.http import AiohttpTransport
from providers.interface import Conflict, NotFound
from providers.runpod.storage import RunPodStorage
from providers.s3.client import S3Client
from providers.s3.errors import KeyWrong
from tests.support.providers.clocks import RealClock
from tests.support.s3 import MIB, content, pieces
from tests.support.seaweed import Server

DATA = os.urandom(MIB) * 21


async def test_a_large_object_goes_up_and_comes_back(storage: RunPodStorage) -> None:
    info = await storage.put("models/big", pieces(DATA, 300_000))
    assert (info.size_bytes, info.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert await content(storage.get("models/big")) == DATA
    assert await content(storage.get("models/big", offset=len(DATA) - 3)) == DATA[-3:]
    assert await content(storage.get("models/big", offset=len(DATA))) == b""


@pytest.mark.parametrize("key", ["a b", "a+b", "a%2Fb", "ü/数据", "q?x=1&y", "h#1", "~'()*!", "a;b:c@d,e=f$"])
async def test_keys_with_any_character_are_signed_right(storage: RunPodStorage, key: str) -> None:
    await storage.put(key, pieces(b"x"))
    assert await content(storage.get(key)) == b"x"
    assert (await storage.copy(key, f"copy/{key}")).size_bytes == 1
    assert [info.key async for info in storage.list("copy/")] == [f"copy/{key}"]
    await storage.delete(key)
    with pytest.raises(NotFound):
        await storage.stat(key)


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
async def test_a_wrong_key_is_named(server: Server, bucket: str, transport: AiohttpTransport, wrong: str) -> None:
    storage = RunPodStorage(S3Client(transport, RealClock(), server.settings(bucket, **{wrong: "other"})), "/workspace")
    for call in (storage.probe(), storage.stat("x"), storage.delete("x"), content(storage.get("x"))):
        with pytest.raises(KeyWrong):
            await call


async def test_a_cancelled_upload_leaves_no_part(storage: RunPodStorage, client: S3Client) -> None:
    sent = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        async for piece in pieces(DATA):
            yield piece
        sent.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(storage.put("big", stuck()))
    await asyncio.wait_for(sent.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.list_uploads()).uploads == ()
    with pytest.raises(NotFound):
        await storage.stat("big")


async def test_what_a_crash_left_is_swept(storage: RunPodStorage, client: S3Client) -> None:
    upload_id = await client.create_upload("jobs/x")
    await client.upload_part("jobs/x", upload_id, 1, [b"x"])
    assert [part.size_bytes for part in (await client.list_parts("jobs/x", upload_id)).parts] == [1]
    assert await storage.sweep_uploads(timedelta(hours=1), ["jobs/"]) == 0
    assert await storage.sweep_uploads(timedelta(hours=-1), ["models/"]) == 0
    assert await storage.sweep_uploads(timedelta(hours=-1), ["jobs/"]) == 1
    assert (await client.list_uploads()).uploads == ()


async def test_a_probe_leaves_nothing(storage: RunPodStorage, client: S3Client) -> None:
    await storage.probe()
    assert (await client.list_page("")).entries == ()


async def test_a_conditional_put_is_left_to_stores_that_have_one(client: S3Client) -> None:
    await client.put("once", [b"first"], absent=True)
    with pytest.raises(Conflict):
        await client.put("once", [b"second"], absent=True)


async def test_answers_without_a_body_end_however_often_they_come(client: S3Client) -> None:
    await client.put("x", [b"1"])
    for _ in range(3):
        assert (await asyncio.wait_for(client.head("x"), 5)).size_bytes == 1
