"""Copies on this computer: bounded, never at the cost of what is in use or on its way, and brought anew on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.storage.access import INCOMING
from messages.storage import ObjectInfo
from providers.interface import InPlace, NotFound
from providers.near import ARRIVING, IN_USE_S, NearCopies
from tests.unit.storage.kit import Clock, MemoryStore


class Slow(MemoryStore):
    """Others come in between while it writes."""

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, exclusive: bool = False) -> ObjectInfo:
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().put(key, chunks, exclusive=exclusive)


class Near:
    """A store elsewhere, and 100 bytes of room here."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store, self.disk = MemoryStore(self.clock), Slow(self.clock)
        self.copies = NearCopies(self.store, self.disk, self.clock, 100)

    async def fetched(self, key: str, size_bytes: int = 40) -> None:
        """Fetch an object that lies in the store; time passes."""
        if key not in self.store.objects:
            await self.store.write(key, b"x" * size_bytes)
        await self.copies.fetch(key)
        self.clock.elapsed += 1


@pytest.fixture
def near() -> Near:
    return Near()


def test_the_folder_of_uploads_is_the_one_they_arrive_in() -> None:
    assert ARRIVING == INCOMING


async def test_what_was_unused_for_longest_goes_first_however_young_the_copy(near: Near) -> None:
    await near.fetched("old")
    await near.fetched("young")
    near.clock.elapsed += IN_USE_S
    await near.fetched("old")
    near.clock.elapsed += IN_USE_S
    await near.fetched("new")
    assert sorted(near.disk.objects) == ["new", "old"]


async def test_what_was_handed_out_just_now_stays_though_the_room_is_needed(near: Near) -> None:
    await near.fetched("a")
    await near.fetched("b")
    await near.fetched("c")
    assert sorted(near.disk.objects) == ["a", "b", "c"]
    near.clock.elapsed += IN_USE_S
    await near.fetched("d")
    assert sorted(near.disk.objects) == ["c", "d"]


async def test_an_upload_on_its_way_is_never_taken_away(near: Near) -> None:
    upload = f"datasets/user_x/{INCOMING}/ds_x.csv"
    await near.disk.write(upload, b"x" * 90)
    await near.disk.write("copy", b"x" * 10)
    near.clock.elapsed += 100 * IN_USE_S
    await near.fetched("new")
    assert sorted(near.disk.objects) == [upload, "new"]


async def test_what_is_kept_of_an_upload_keeps_the_bound_too(near: Near) -> None:
    await near.disk.write("copy", b"x" * 60)
    near.clock.elapsed += 1
    upload = f"{INCOMING}/ds_x.csv"
    await near.disk.write(upload, b"y" * 40)
    await near.copies.keep(upload, "kept")
    assert sorted(near.disk.objects) == [upload, "kept"]
    assert near.disk.objects["kept"][0] == b"y" * 40
    near.clock.elapsed += 1
    await near.fetched("new", 60)
    assert sorted(near.disk.objects) == [upload, "new"], "a kept copy was handed out to nobody"


async def test_copies_that_come_at_a_time_share_the_room(near: Near) -> None:
    await near.disk.write("copy", b"x" * 20)
    near.clock.elapsed += 1
    await near.store.write("a", b"x" * 45)
    await near.store.write("b", b"x" * 45)
    await asyncio.gather(near.copies.fetch("a"), near.copies.fetch("b"))
    assert sorted(near.disk.objects) == ["a", "b"]


async def test_only_a_copy_of_the_right_length_is_here(near: Near) -> None:
    assert not await near.copies.has("a", 5)
    await near.fetched("a", 5)
    assert await near.copies.has("a", 5)
    assert not await near.copies.has("a", 6)


async def test_a_copy_that_is_forgotten_is_brought_anew(near: Near) -> None:
    """Fault 40: of the right size, with other bytes."""
    await near.fetched("a", 5)
    await near.disk.write("a", b"other")
    await near.copies.fetch("a")
    assert near.disk.objects["a"][0] == b"other"
    await near.copies.forget("a")
    await near.copies.fetch("a")
    assert near.disk.objects["a"][0] == b"x" * 5


async def test_where_the_store_is_here_nothing_is_copied_or_forgotten(near: Near) -> None:
    await near.disk.write("a", b"x")
    here = InPlace(near.disk)
    await here.keep("a", "b")
    await here.forget("a")
    assert await here.has("b", 1)
    assert list(near.disk.objects) == ["a"]
    assert await here.fetch("a") == "mem:a"
    with pytest.raises(NotFound):
        await here.fetch("b")
