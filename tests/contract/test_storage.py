"""What every store keeps (providers/interface.py). Faults 34–36 of the catalogue, as far as they are its own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from providers.interface import CloudStorageProvider, Conflict, NotFound, Refused, Unavailable
from tests.support.providers.subjects import Subject, chunks, content

MIB = 1 << 20
BAD_KEYS = (
    "",
    "/etc/passwd",
    "../up",
    "a/../b",
    "a//b",
    "a/",
    ".hidden",
    "a/.tmp/b",
    "nul\0byte",
    "line\nbreak",
    "back\\slash",
    "x" * 256,
    "long/" * 300 + "x",
    "half\ud800",
)


def store(subject: Subject) -> CloudStorageProvider:
    return subject.provider.storage


async def put(subject: Subject, key: str, data: bytes) -> None:
    await store(subject).put(key, chunks(data))


async def keys(subject: Subject, prefix: str = "") -> list[str]:
    return [found.key async for found in store(subject).list(prefix)]


async def broken(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece
    raise ConnectionResetError("the sender went away")


async def test_what_was_put_comes_back_with_its_digest(provider_under_test: Subject) -> None:
    info = await store(provider_under_test).put("a/b/data.csv", chunks(b"one,", b"two"))
    assert (info.key, info.size_bytes) == ("a/b/data.csv", 7)
    assert info.sha256 == hashlib.sha256(b"one,two").hexdigest()
    assert await content(store(provider_under_test).get("a/b/data.csv")) == b"one,two"
    assert (await store(provider_under_test).stat("a/b/data.csv")).size_bytes == 7


async def test_names_in_any_script_are_possible(provider_under_test: Subject) -> None:
    await put(provider_under_test, "out/Prüfung 数据 (1).csv", b"x")
    assert await keys(provider_under_test) == ["out/Prüfung 数据 (1).csv"]


async def test_an_empty_object_is_an_object(provider_under_test: Subject) -> None:
    info = await store(provider_under_test).put("empty", chunks())
    assert info.size_bytes == 0
    assert await content(store(provider_under_test).get("empty")) == b""


async def test_a_stream_comes_in_chunks_of_at_most_a_mebibyte(provider_under_test: Subject) -> None:
    data = bytes(range(256)) * (10 * MIB // 1024)
    await store(provider_under_test).put("big", chunks(*(data[i : i + MIB] for i in range(0, len(data), MIB))))
    sizes = [len(piece) async for piece in store(provider_under_test).get("big")]
    assert sum(sizes) == len(data)
    assert max(sizes) <= MIB
    assert await content(store(provider_under_test).get("big")) == data


async def test_a_read_can_begin_anywhere(provider_under_test: Subject) -> None:
    await put(provider_under_test, "log", b"0123456789")
    assert await content(store(provider_under_test).get("log", offset=4)) == b"456789"
    assert await content(store(provider_under_test).get("log", offset=10)) == b""


async def test_what_is_not_there_is_not_found(provider_under_test: Subject) -> None:
    await put(provider_under_test, "folder/file", b"x")
    for missing in ("nothing", "folder", "folder/file/below", "folder/other"):
        with pytest.raises(NotFound):
            await store(provider_under_test).stat(missing)
        with pytest.raises(NotFound):
            await content(store(provider_under_test).get(missing))
        with pytest.raises(NotFound):
            await store(provider_under_test).copy(missing, "target")
    assert await keys(provider_under_test) == ["folder/file"]


async def test_a_second_put_replaces_the_object_whole(provider_under_test: Subject) -> None:
    await put(provider_under_test, "control.json", b"a longer first version")
    await put(provider_under_test, "control.json", b"second")
    assert await content(store(provider_under_test).get("control.json")) == b"second"


async def test_a_reader_sees_one_version_to_its_end(provider_under_test: Subject) -> None:
    await put(provider_under_test, "big", b"1" * (2 * MIB))
    stream = store(provider_under_test).get("big")
    first = await anext(stream)
    await put(provider_under_test, "big", b"2" * (2 * MIB))
    assert set(first + await content(stream)) == {ord("1")}


async def test_of_two_exclusive_puts_the_first_wins(provider_under_test: Subject) -> None:
    await store(provider_under_test).put("result.json", chunks(b"first"), exclusive=True)
    with pytest.raises(Conflict):
        await store(provider_under_test).put("result.json", chunks(b"second"), exclusive=True)
    assert await content(store(provider_under_test).get("result.json")) == b"first"


async def test_a_broken_upload_leaves_nothing_and_harms_nothing(provider_under_test: Subject) -> None:
    await put(provider_under_test, "kept", b"old")
    for key in ("new", "kept"):
        with pytest.raises(ConnectionResetError):
            await store(provider_under_test).put(key, broken(b"part", b"part"))
    assert await keys(provider_under_test) == ["kept"]
    assert await content(store(provider_under_test).get("kept")) == b"old"


async def test_a_listing_is_ordered_by_key_and_keeps_to_its_prefix(provider_under_test: Subject) -> None:
    names = ["b/2", "a.txt", "a/1", "b/10", "a/sub/x", "ab", "b-c", "c"]
    for name in names:
        await put(provider_under_test, name, b"x")
    assert await keys(provider_under_test) == sorted(names)
    assert await keys(provider_under_test, "a/") == ["a/1", "a/sub/x"]
    assert await keys(provider_under_test, "b/1") == ["b/10"]
    assert await keys(provider_under_test, "a") == ["a.txt", "a/1", "a/sub/x", "ab"]
    assert await keys(provider_under_test, "none/such") == []


async def test_a_copy_stands_on_its_own(provider_under_test: Subject) -> None:
    await put(provider_under_test, "source", b"data")
    info = await store(provider_under_test).copy("source", "models/m/target")
    assert (info.key, info.size_bytes, info.sha256) == ("models/m/target", 4, hashlib.sha256(b"data").hexdigest())
    await store(provider_under_test).delete("source")
    assert await content(store(provider_under_test).get("models/m/target")) == b"data"


async def test_delete_is_idempotent_and_deletes_one_object(provider_under_test: Subject) -> None:
    await put(provider_under_test, "d/one", b"1")
    await put(provider_under_test, "d/two", b"2")
    await store(provider_under_test).delete("d/one")
    await store(provider_under_test).delete("d/one")
    await store(provider_under_test).delete("never/was")
    assert await keys(provider_under_test) == ["d/two"]
    await store(provider_under_test).delete("d/two")
    await put(provider_under_test, "d", b"a name that was a folder before")
    assert await keys(provider_under_test) == ["d"]


@pytest.mark.parametrize("key", BAD_KEYS, ids=range(len(BAD_KEYS)))
async def test_an_impossible_key_is_refused_by_every_call(provider_under_test: Subject, key: str) -> None:
    await put(provider_under_test, "good", b"x")
    for call in (
        lambda: store(provider_under_test).put(key, chunks(b"x")),
        lambda: store(provider_under_test).stat(key),
        lambda: content(store(provider_under_test).get(key)),
        lambda: store(provider_under_test).copy("good", key),
        lambda: store(provider_under_test).copy(key, "good"),
        lambda: store(provider_under_test).delete(key),
    ):
        with pytest.raises(Refused):
            await call()
    assert await keys(provider_under_test) == ["good"]


async def test_an_impossible_prefix_is_refused(provider_under_test: Subject) -> None:
    with pytest.raises(Refused):
        await keys(provider_under_test, "../")
    with pytest.raises(Refused):
        store(provider_under_test).machine_path("../up")


async def test_a_machine_is_told_a_place_of_its_own_per_key(provider_under_test: Subject) -> None:
    assert store(provider_under_test).machine_path("a/b") != store(provider_under_test).machine_path("a/c")
    assert store(provider_under_test).machine_path("a/b").endswith("/a/b")


async def test_a_lost_put_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    provider_under_test.lose_next("put")
    with pytest.raises(Unavailable):
        await put(provider_under_test, "object", b"data")
    assert await content(store(provider_under_test).get("object")) == b"data"
    await put(provider_under_test, "object", b"data")
    assert await keys(provider_under_test) == ["object"]


async def test_a_lost_exclusive_put_answer_is_found_out_by_reading(provider_under_test: Subject) -> None:
    provider_under_test.lose_next("put")
    with pytest.raises(Unavailable):
        await store(provider_under_test).put("object", chunks(b"mine"), exclusive=True)
    with pytest.raises(Conflict):
        await store(provider_under_test).put("object", chunks(b"mine"), exclusive=True)
    assert await content(store(provider_under_test).get("object")) == b"mine"


async def test_a_lost_copy_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    await put(provider_under_test, "source", b"data")
    provider_under_test.lose_next("copy")
    with pytest.raises(Unavailable):
        await store(provider_under_test).copy("source", "target")
    assert (await store(provider_under_test).copy("source", "target")).size_bytes == 4
    assert await keys(provider_under_test) == ["source", "target"]


async def test_a_lost_delete_answer_is_repaired_by_repeating(provider_under_test: Subject) -> None:
    await put(provider_under_test, "object", b"data")
    provider_under_test.lose_next("delete")
    with pytest.raises(Unavailable):
        await store(provider_under_test).delete("object")
    await store(provider_under_test).delete("object")
    assert await keys(provider_under_test) == []


async def test_objects_outlive_the_daemon(provider_under_test: Subject) -> None:
    await put(provider_under_test, "object", b"data")
    await provider_under_test.reopen()
    assert await content(store(provider_under_test).get("object")) == b"data"
