"""The directory store against what a job could plant in it, and against its own crashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from providers.interface import Conflict, NotFound, Refused, Unavailable
from tests.support.providers.subjects import LocalSubject, chunks, content


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with a secret, outside the store."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


async def test_a_planted_link_leads_nowhere(local: LocalSubject, outside: Path) -> None:
    store, root = local.provider.storage, local.root / "storage"
    (root / "job").mkdir()
    (root / "job" / "folder").symlink_to(outside)
    (root / "job" / "file").symlink_to(outside / "secret")
    for key in ("job/folder/secret", "job/file", "job/folder"):
        with pytest.raises(NotFound):
            await content(store.get(key))
        with pytest.raises(NotFound):
            await store.stat(key)
    assert [found.key async for found in store.list("")] == []
    assert [found.key async for found in store.list("job/folder/")] == []
    with pytest.raises(Refused):
        await store.put("job/folder/new", chunks(b"x"))
    await store.put("job/file", chunks(b"mine"))
    await store.delete("job/folder/secret")
    await store.delete("job/folder")
    assert (outside / "secret").read_text() == "secret"
    assert {path.name for path in outside.iterdir()} == {"secret"}


async def test_a_pipe_does_not_make_a_reader_wait(local: LocalSubject) -> None:
    os.mkfifo(local.root / "storage" / "pipe")
    with pytest.raises(NotFound):
        await content(local.provider.storage.get("pipe"))
    assert [found.key async for found in local.provider.storage.list("")] == []


async def test_what_a_crashed_upload_left_is_swept_at_the_start(local: LocalSubject) -> None:
    left = local.root / "storage" / ".tmp" / "0123"
    left.write_bytes(b"half")
    await local.reopen()
    assert not left.exists()


async def test_a_finished_upload_leaves_no_other_file(local: LocalSubject) -> None:
    await local.provider.storage.put("a", chunks(b"x"))
    with pytest.raises(Conflict):
        await local.provider.storage.put("a", chunks(b"y"), exclusive=True)
    assert list((local.root / "storage" / ".tmp").iterdir()) == []
    assert {path.name for path in (local.root / "storage").iterdir()} == {".tmp", "a"}


async def test_unfinished_files_of_a_wrapper_are_not_listed(local: LocalSubject) -> None:
    folder = local.root / "storage" / "job"
    folder.mkdir()
    (folder / ".result.json.tmp").write_bytes(b"{")
    (folder / "result.json").write_bytes(b"{}")
    assert [found.key async for found in local.provider.storage.list("job/")] == ["job/result.json"]


async def test_a_folder_in_the_way_is_a_conflict(local: LocalSubject) -> None:
    await local.provider.storage.put("a/b", chunks(b"x"))
    for exclusive in (False, True):
        with pytest.raises(Conflict):
            await local.provider.storage.put("a", chunks(b"y"), exclusive=exclusive)
    with pytest.raises(Refused):
        await local.provider.storage.put("a/b/c", chunks(b"y"))


async def test_deleting_the_last_object_removes_its_empty_folders(local: LocalSubject) -> None:
    await local.provider.storage.put("a/b/c", chunks(b"x"))
    await local.provider.storage.put("a/d", chunks(b"x"))
    await local.provider.storage.delete("a/b/c")
    assert not (local.root / "storage" / "a" / "b").exists()
    assert (local.root / "storage" / "a" / "d").exists()


async def test_a_full_disk_is_unavailable_and_leaves_nothing(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("providers.local.files.os.write", full)
    with pytest.raises(Unavailable):
        await local.provider.storage.put("a", chunks(b"x"))
    monkeypatch.undo()
    assert list((local.root / "storage" / ".tmp").iterdir()) == []
    assert [found.key async for found in local.provider.storage.list("")] == []


async def test_a_file_cut_behind_our_back_is_not_taken_for_whole(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.local.files.os.write", lambda descriptor, data: len(data))
    with pytest.raises(Unavailable):
        await local.provider.storage.put("a", chunks(b"xyz"))
    monkeypatch.undo()
    with pytest.raises(NotFound):
        await local.provider.storage.stat("a")


async def test_a_closed_store_answers_nothing(local: LocalSubject) -> None:
    store = local.provider.storage
    await store.close()
    await store.close()
    with pytest.raises(Unavailable):
        await store.stat("a")


async def test_a_listing_of_thousands_comes_in_order(local: LocalSubject) -> None:
    folder = local.root / "storage" / "many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:06d}.ndjson").touch()
    found = [info.key async for info in local.provider.storage.list("many/")]
    assert found == sorted(found)
    assert len(found) == 1000
