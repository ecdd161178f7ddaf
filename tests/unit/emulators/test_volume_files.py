"""A volume's files: one set of rules for those in memory and those on disk."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.runpod.volume import UPLOADS, DirectoryFiles, Files, MemoryFiles, Volume, Volumes


@pytest.fixture(params=["memory", "directory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return MemoryFiles() if request.param == "memory" else DirectoryFiles(tmp_path / "volume")


def keys(files: Files, prefix: str = "", after: str = "") -> list[str]:
    return [entry.key for entry in files.walk(prefix, after)]


def test_what_was_put_is_read_whole_and_in_ranges(files: Files) -> None:
    files.put("a/b.txt", b"0123456789", 100.0)
    assert files.read("a/b.txt") == b"0123456789"
    assert files.read("a/b.txt", 3, 4) == b"3456"
    assert files.read("a/b.txt", 8) == b"89"
    assert files.read("a/b.txt", 20) == b""


def test_the_time_of_a_file_is_the_one_given(files: Files) -> None:
    files.put("a", b"12", 100.0)
    stat = files.stat("a")
    assert stat is not None
    assert (stat.size, stat.mtime, stat.folder) == (2, 100.0, False)


def test_every_content_has_a_version_of_its_own(files: Files) -> None:
    files.put("a", b"12", 100.0)
    before = files.stat("a")
    files.put("a", b"34", 101.0)
    after = files.stat("a")
    assert before
    assert after
    assert before.version != after.version


def test_create_takes_a_free_name_only(files: Files) -> None:
    assert files.create("a/started.json", b"first", 1.0)
    assert not files.create("a/started.json", b"second", 2.0)
    assert files.read("a/started.json") == b"first"
    assert keys(files) == ["a/started.json"]


def test_nothing_is_at_a_path_that_nobody_wrote(files: Files) -> None:
    files.put("file", b"x", 1.0)
    assert files.stat("none") is None
    assert files.stat("file/below") is None
    for path in ("none", "file/below"):
        with pytest.raises(FileNotFoundError):
            files.read(path)
        assert not files.delete(path)


def test_a_deleted_file_leaves_its_folder(files: Files) -> None:
    files.put("a/b/c", b"x", 1.0)
    assert files.delete("a/b/c")
    assert keys(files) == ["a/b/"]
    assert not files.delete("a")
    assert files.delete("a/b")
    assert files.delete("a")
    assert keys(files) == []


def test_files_and_folders_do_not_take_each_others_place(files: Files) -> None:
    files.put("file", b"x", 1.0)
    files.make_folder("folder/inner", 1.0)
    with pytest.raises(NotADirectoryError):
        files.put("file/below", b"y", 2.0)
    with pytest.raises(NotADirectoryError):
        files.make_folder("file", 2.0)
    with pytest.raises(IsADirectoryError):
        files.put("folder", b"y", 2.0)
    with pytest.raises(IsADirectoryError):
        files.read("folder")
    assert keys(files) == ["file", "folder/inner/"]


def test_keys_come_in_the_order_of_the_whole_key(files: Files) -> None:
    for key in ("a/b", "a.txt", "a0", "a/b.c", "a/b-d/e", "b"):
        files.put(key, b"x", 1.0)
    assert keys(files) == ["a.txt", "a/b", "a/b-d/e", "a/b.c", "a0", "b"]
    assert keys(files, "a/b") == ["a/b", "a/b-d/e", "a/b.c"]
    assert keys(files, after="a/b") == ["a/b-d/e", "a/b.c", "a0", "b"]
    assert keys(files, "a/", "a/b-d/e") == ["a/b.c"]


def test_usage_counts_every_file_and_the_unfinished_uploads(files: Files) -> None:
    files.put("a", b"12345", 1.0)
    files.put("a", b"123", 1.0)
    files.put(f"{UPLOADS}u/1", b"1234", 1.0)
    assert files.usage() == 7
    files.delete("a")
    assert files.usage() == 4


def test_parts_are_joined_in_the_order_given(files: Files) -> None:
    files.put("2", b"two", 1.0)
    files.put("1", b"one", 1.0)
    files.join(["1", "2"], "whole/file", 2.0)
    assert files.read("whole/file") == b"onetwo"
    with pytest.raises(FileNotFoundError):
        files.join(["1", "3"], "other", 2.0)
    assert files.stat("other") is None


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/./b", "a\0b", "x" * 256, "/".join(["ab"] * 400)])
def test_a_path_that_is_no_file_is_refused(files: Files, path: str) -> None:
    with pytest.raises(ValueError, match="key"):
        files.put(path, b"x", 1.0)
    with pytest.raises(ValueError, match="key"):
        files.stat(path)


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    files = DirectoryFiles(tmp_path / "volume")
    (files.path / "link").symlink_to(tmp_path)
    (files.path / "loop").symlink_to("loop")
    assert keys(files) == []
    for path in ("link/secret", "loop"):
        with pytest.raises(FileNotFoundError):
            files.read(path)
    with pytest.raises(FileNotFoundError):
        files.put("link/new", b"x", 1.0)
    assert files.stat("link/secret") is None


def test_what_a_pod_writes_into_the_directory_is_seen(tmp_path: Path) -> None:
    files = DirectoryFiles(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "log").write_bytes(b"line\n")
    assert keys(files) == ["jobs/log"]
    assert files.read("jobs/log") == b"line\n"
    files.put("jobs/control.json", b"{}", 5.0)
    assert (tmp_path / "jobs" / "control.json").read_bytes() == b"{}"
    assert not (tmp_path / UPLOADS).exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = DirectoryFiles(tmp_path)
    files.put("a", b"old", 1.0)

    def full(*arguments: object, **names: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    for name in ("utime", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(OSError, match="no space"):
                files.put("a", b"new", 2.0)
    assert [(entry.key, files.read(entry.key)) for entry in files.walk() if entry.stat.size] == [("a", b"old")]
    assert files.usage() == 3


def test_an_error_of_the_disk_is_not_taken_for_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = DirectoryFiles(tmp_path)
    files.put("a", b"old", 1.0)

    def broken(self: Path) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(Path, "unlink", broken)
    with pytest.raises(OSError, match="broken"):
        files.delete("a")


PATHS = st.lists(st.sampled_from(["a", "b", "a.b", "a-b", "ä"]), min_size=1, max_size=3).map("/".join)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "create", "delete", "folder"]), PATHS), max_size=15)


@given(steps=STEPS, prefix=st.sampled_from(["", "a", "a/", "a/b"]), after=st.one_of(st.just(""), PATHS))
def test_memory_and_directory_do_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]], prefix: str, after: str
) -> None:
    both: tuple[Files, Files] = (MemoryFiles(), DirectoryFiles(tmp_path_factory.mktemp("v")))
    for number, (step, path) in enumerate(steps):
        assert _done(both[0], step, path, number) == _done(both[1], step, path, number)
    walks = [[(entry.key, entry.stat.size) for entry in files.walk(prefix, after)] for files in both]
    assert walks[0] == walks[1] == sorted(walks[0])
    assert both[0].usage() == both[1].usage()


def _done(files: Files, step: str, path: str, number: int) -> bool | type[OSError]:
    try:
        if step == "put":
            files.put(path, b"x" * number, float(number))
        elif step == "create":
            return files.create(path, b"x" * number, float(number))
        elif step == "folder":
            files.make_folder(path, float(number))
        else:
            return files.delete(path)
    except OSError as error:
        return type(error)
    return True


def test_volumes_are_added_found_changed_listed_and_removed() -> None:
    volumes = Volumes()
    mine = Volume("v1", "user_a", "EU-RO-1", 10, MemoryFiles())
    theirs = Volume("v2", "user_b", "EU-RO-1", 10, MemoryFiles())
    volumes.add(mine)
    volumes.add(theirs)
    with pytest.raises(ValueError, match="v1"):
        volumes.add(mine)
    assert volumes.list() == (mine, theirs)
    assert volumes.list("user_a") == (mine,)
    volumes.replace(replace(mine, size_gb=20))
    with pytest.raises(KeyError):
        volumes.replace(replace(mine, id="v3"))
    found = volumes.get("v1")
    assert found is not None
    assert found.free_bytes == 20 * 10**9
    assert volumes.remove("v1") == found
    assert volumes.get("v1") is None
    assert volumes.remove("v1") is None
