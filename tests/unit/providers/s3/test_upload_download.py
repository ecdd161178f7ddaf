"""Large objects in bounded memory: parts, ranges, breaks, cancellation, and what is looked at before it counts."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.storage.folders import ListsFolders
from providers.interface import Conflict, NotFound, Refused, Unavailable
from providers.s3 import store as storage_module
from providers.s3.errors import Replaced, StorageFull, TooLarge
from providers.s3.pieces import PIECE_BYTES_MAX, PartReader
from providers.s3.store import LIST_BATCH
from providers.s3.xml import Entry
from tests.emulators.runpod.wire import Request, Response
from tests.support.s3 import BEGIN, MIB, EmulatedVolume, content, pieces
from tests.support.virtual import run_virtual

DATA = os.urandom(MIB) * 30


async def test_a_large_object_comes_back_with_its_digest_and_leaves_no_part(volume: EmulatedVolume) -> None:
    info = await volume.storage.put("models/big", pieces(DATA))
    assert (info.size_bytes, info.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert await content(volume.storage.get("models/big")) == DATA
    assert await content(volume.storage.get("models/big", offset=9 * MIB + 5)) == DATA[9 * MIB + 5 :]
    assert volume.paths() == ["models/big"]


@pytest.mark.parametrize("concurrency", [1, 2, 8])
async def test_ranges_come_in_order_however_many_are_in_flight(concurrency: int) -> None:
    volume = EmulatedVolume(concurrency=concurrency)
    await volume.storage.put("big", pieces(DATA))
    assert await content(volume.storage.get("big")) == DATA


@given(size=st.integers(0, 40), chunk=st.integers(1, 9), part=st.integers(1, 50))
def test_parts_are_cut_where_they_should_be(size: int, chunk: int, part: int) -> None:
    data = bytes(range(size))

    async def read() -> tuple[list[bytes], PartReader]:
        reader = PartReader(pieces(data, chunk))
        found = []
        while (one := await reader.next(part)).size_bytes:
            found.append(b"".join(one.pieces))
        return found, reader

    found, reader = run_virtual(read)
    assert b"".join(found) == data
    assert all(len(one) == part for one in found[:-1])
    assert (reader.size_bytes, reader.sha256) == (size, hashlib.sha256(data).hexdigest())


async def test_a_part_of_tiny_chunks_is_held_in_few_pieces() -> None:
    part = await PartReader(pieces(bytes(MIB), 100)).next(MIB)
    assert len(part.pieces) < 20
    part = await PartReader(pieces(bytes(8 * MIB), 8 * MIB)).next(8 * MIB)
    assert max(map(len, part.pieces)) <= PIECE_BYTES_MAX


async def test_the_stream_is_read_no_faster_than_the_window_allows(volume: EmulatedVolume) -> None:
    volume.faulty(stalled={"always": True, "operation": "UploadPart"})
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += MIB
            yield bytes(MIB)

    task = asyncio.ensure_future(volume.storage.put("big", endless()))
    await asyncio.sleep(20)
    assert taken <= volume.settings.window_bytes + 2 * MIB
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_upload_leaves_no_part(volume: EmulatedVolume) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(MIB)
        await asyncio.sleep(3600)

    task = asyncio.ensure_future(volume.storage.put("big", slow()))
    await asyncio.sleep(60)
    assert any(path.startswith(".s3compat_uploads/") for path in volume.paths())
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert volume.paths() == []


async def test_a_break_in_the_stream_leaves_no_part(volume: EmulatedVolume) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(MIB)
        raise ConnectionResetError("the sender went away")

    with pytest.raises(ConnectionResetError):
        await volume.storage.put("big", broken())
    assert volume.paths() == []


async def test_an_exclusive_upload_looks_again_before_it_appears(volume: EmulatedVolume) -> None:
    async def racing() -> AsyncIterator[bytes]:
        async for piece in pieces(DATA):
            yield piece
        volume.files.put("big", b"the other one", 0.0)

    with pytest.raises(Conflict):
        await volume.storage.put("big", racing(), exclusive=True)
    assert volume.files.read("big") == b"the other one"
    assert volume.paths() == ["big"]


async def test_smaller_parts_are_tried_once_where_a_proxy_takes_no_large_ones(volume: EmulatedVolume) -> None:
    volume.faulty(too_large={"always": True, "value": 5_000_000})
    await volume.storage.put("big", pieces(DATA))
    assert volume.files.read("big") == DATA
    volume.faulty(too_large={"always": True, "value": 1_000_000})
    with pytest.raises(TooLarge):
        await volume.storage.put("more", pieces(DATA))
    assert volume.paths() == ["big"]


async def test_parts_grow_so_that_few_are_needed() -> None:
    volume = EmulatedVolume(part_bytes=6 * MIB)
    sizes: list[int] = []
    real = volume.client.upload_part

    async def noted(key: str, upload_id: str, number: int, body: list[bytes]) -> object:
        part = await real(key, upload_id, number, [])
        sizes.append(sum(map(len, body)))
        return part._replace(size_bytes=sizes[-1])

    volume.client.upload_part = noted  # type: ignore[method-assign, assignment]

    async def much() -> AsyncIterator[bytes]:
        piece = bytes(MIB)
        for _ in range(1000):
            yield piece

    with pytest.raises(Unavailable):  # the parts were left empty
        await volume.storage.put("big", much())
    assert sum(sizes) == 1000 * MIB
    assert sizes[:64] == [6 * MIB] * 64
    assert sizes[64] == 12 * MIB
    assert max(sizes) <= volume.settings.window_bytes // 3


async def test_a_download_notices_that_the_object_was_replaced(volume: EmulatedVolume) -> None:
    await volume.storage.put("big", pieces(DATA))
    stream = volume.storage.get("big")
    await anext(stream)
    volume.files.put("big", bytes(len(DATA)), volume.clock.now().timestamp())
    with pytest.raises(Replaced):
        await content(stream)


async def test_a_store_that_ignores_ranges_is_read_right() -> None:
    volume = EmulatedVolume()
    await volume.storage.put("big", pieces(DATA))
    real = volume.s3.handle

    def without_ranges(request: Request, now: float) -> Response:
        return real(replace(request, headers={**request.headers, "range": ""}), now)

    volume.transport.handle = without_ranges
    assert await content(volume.storage.get("big", offset=3)) == DATA[3:]


async def test_an_object_that_is_deleted_while_it_is_read_is_no_whole_one(volume: EmulatedVolume) -> None:
    await volume.storage.put("big", pieces(DATA * 2))
    stream = volume.storage.get("big")
    await anext(stream)
    volume.files.delete("big")
    with pytest.raises(Replaced):
        await content(stream)


async def test_a_download_that_is_left_ends_its_requests(volume: EmulatedVolume) -> None:
    await volume.storage.put("big", pieces(DATA))
    stream = volume.storage.get("big")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_unfinished_uploads_are_swept_once_they_are_old(volume: EmulatedVolume) -> None:
    await volume.client.create_upload("jobs/old")
    await volume.client.create_upload("checkpoints/of-somebody-else")
    await asyncio.sleep(7200)
    await volume.client.create_upload("jobs/young")
    assert await volume.storage.sweep_uploads(timedelta(hours=1), ["datasets/", "jobs/"]) == 1
    left = [one.key for one in (await volume.client.list_uploads()).uploads]
    assert left == ["checkpoints/of-somebody-else", "jobs/young"]


async def test_folders_are_told_without_what_is_in_them(volume: EmulatedVolume) -> None:
    for key in ("environments/b/lib/x.py", "environments/b/y", "environments/a/z", "environments/loose", "other/c/d"):
        await volume.storage.put(key, pieces(b"1"))
    asked = volume.transport.calls["GET"]
    assert await volume.storage.folders("environments/") == ["a", "b"]
    assert volume.transport.calls["GET"] == asked + 1
    assert await volume.storage.folders("nothing/") == []
    assert isinstance(volume.storage, ListsFolders)


async def test_a_long_listing_lets_others_have_their_turn(
    volume: EmulatedVolume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that stands still for seconds sends no heartbeat and ends no machine."""
    entries = [Entry(f"jobs/{number:06}", 1, BEGIN) for number in range(4 * LIST_BATCH)]

    async def listing(client: object, prefix: str) -> list[Entry]:
        return entries

    monkeypatch.setattr(storage_module, "listing", listing)
    turns: list[int] = []
    listed = 0

    async def other() -> None:
        while True:
            turns.append(listed)
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    async for _ in volume.storage.list("jobs/"):
        listed += 1
    beside.cancel()
    assert len(set(turns)) >= 4


async def test_a_probe_leaves_nothing_and_tells_a_full_volume(volume: EmulatedVolume) -> None:
    await volume.storage.probe()
    assert volume.paths() == []
    volume.faulty(full=True)
    with pytest.raises(StorageFull):
        await volume.storage.probe()


async def test_a_copy_goes_through_here_where_the_store_cannot(volume: EmulatedVolume) -> None:
    await volume.storage.put("source", pieces(DATA))
    volume.faulty(copy_unsupported=True)
    info = await volume.storage.copy("source", "target")
    assert info.sha256 == hashlib.sha256(DATA).hexdigest()
    assert volume.files.read("target") == DATA


@pytest.mark.parametrize("status", [400, 403, 500, 524])
async def test_a_copy_that_the_store_does_not_make_goes_through_here(
    volume: EmulatedVolume, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifacts are paid for: whatever keeps the store from copying them, they can be read and written."""
    await volume.storage.put("source", pieces(DATA))
    handle = volume.transport.handle

    def copies_nothing(request: Request, now: float) -> Response:
        if "x-amz-copy-source" in request.headers:
            return Response(status, {}, b"")
        return handle(request, now)

    monkeypatch.setattr(volume.transport, "handle", copies_nothing)
    info = await volume.storage.copy("source", "target")
    assert info.sha256 == hashlib.sha256(DATA).hexdigest()
    assert volume.files.read("target") == DATA


async def test_a_copy_that_finds_no_room_or_no_source_is_not_tried_in_another_way(volume: EmulatedVolume) -> None:
    with pytest.raises(NotFound):
        await volume.storage.copy("nothing", "target")
    await volume.storage.put("source", pieces(DATA))
    volume.faulty(full=True)
    sent = volume.transport.sent_bytes
    with pytest.raises(StorageFull):
        await volume.storage.copy("source", "target")
    assert volume.transport.sent_bytes == sent


async def test_a_folder_that_is_not_empty_keeps_its_name(volume: EmulatedVolume) -> None:
    await volume.storage.put("d/one", pieces(b"1"))
    for data in (b"x", DATA):
        with pytest.raises(Refused):
            await volume.storage.put("d", pieces(data))
    assert volume.paths() == ["d/one"]
    await volume.storage.delete("d/one")
    await volume.storage.put("d", pieces(DATA))
    assert volume.paths() == ["d"]
