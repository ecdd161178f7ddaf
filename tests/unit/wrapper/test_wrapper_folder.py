"""The job folder: whole or not at all, first wins, and never made by the machine."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from containers.job import artifacts, folder, scratch
from containers.job.artifacts import collect, is_full
from containers.job.folder import Folder, dump, log_name, parse_object, read_regular
from containers.job.spec import Spec, Work
from messages.folder import log_key
from tests.unit.wrapper.fakes import settings


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_the_first_writer_wins_for_ever(tmp_path: Path) -> None:
    first, second = Folder(tmp_path, "one"), Folder(tmp_path, "two")
    assert first.create("result.json", b'{"a": 1}')
    assert not second.create("result.json", b'{"a": 2}')
    assert first.read("result.json") == {"a": 1}
    assert names(tmp_path) == ["result.json"]


def test_a_lost_answer_of_the_link_is_no_trouble(tmp_path: Path) -> None:
    one = Folder(tmp_path, "one")
    assert one.create("started.json", b"{}")
    assert one.create("started.json", b"{}")


def test_a_much_longer_file_of_another_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "started.json").write_bytes(b"{}" * 1000)
    assert not Folder(tmp_path, "one").create("started.json", b"{}")


def test_without_hard_links_exclusive_creation_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_link)
    assert Folder(tmp_path, "one").create("a", b"1")
    assert not Folder(tmp_path, "two").create("a", b"2")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert names(tmp_path) == ["a"]


def test_another_error_of_the_link_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(OSError, match="broken"):
        Folder(tmp_path, "one").create("a", b"1")
    assert names(tmp_path) == []


def test_a_replacement_that_fails_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Folder(tmp_path, "one")
    one.replace("heartbeat.json", b"{}")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        one.replace("heartbeat.json", b'{"a": 1}')
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="full"):
        one.replace("heartbeat.json", b'{"a": 1}', durable=False)
    assert one.read("heartbeat.json") == {}
    assert names(tmp_path) == ["heartbeat.json"]


def test_the_job_folder_itself_is_never_made(tmp_path: Path) -> None:
    away = Folder(tmp_path / "unmounted", "one")
    for write in (
        lambda: away.create("a", b""),
        lambda: away.replace("a", b""),
        lambda: away.ensure("log"),
        lambda: away.read("a"),
    ):
        with pytest.raises(OSError, match="unmounted"):
            write()
    assert not away.exists("a")
    assert names(tmp_path) == []


def test_only_plain_bounded_json_objects_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "big").write_bytes(b"x" * 11)
    for name, error in (("fifo", ValueError), ("link", OSError), ("big", ValueError), ("none", OSError)):
        with pytest.raises(error):
            read_regular(tmp_path / name, 10)
    for data in (b"[]", b"{", b'{"a": NaN}', b"\xff", b""):
        with pytest.raises(ValueError, match=r"."):
            parse_object(data)
    assert parse_object(dump({"a": "é"})) == {"a": "é"}


def test_log_files_have_the_names_the_daemon_reads() -> None:
    assert [log_name(n) for n in (1, 42)] == [log_key(n) for n in (1, 42)]
    assert (folder.RESULT, folder.STARTED, folder.CONTROL) == ("result.json", "started.json", "control.json")


def test_results_are_regular_files_with_plain_names_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "FILES_MAX", 4)
    out, job = tmp_path / "out", tmp_path / "job"
    job.mkdir()
    (out / "a" / "b").mkdir(parents=True)
    (out / "a" / "b" / "model").write_bytes(b"12345")
    (out / "error.json").write_text("{}")
    (out / "a" / "error.json").write_text("{}")
    (out / "big").write_bytes(b"x" * 100)
    (out / "bad\nname").write_text("x")
    (out / "link").symlink_to("big")
    (out / "folder-link").symlink_to("a")
    os.mkfifo(out / "pipe")
    for n in range(3):
        (out / f"z{n}").write_text("")
    collected = collect(out, job, bytes_max=50)
    assert collected.names >= {"artifacts/z0"}
    assert "artifacts/big" not in collected.names
    assert any("over the limit" in text for text in collected.left_out)
    assert any("more than 4 files" in text for text in collected.left_out)
    assert sum("not a regular file" in text for text in collected.left_out) == 3
    assert any("not plain text" in text for text in collected.left_out)
    assert not any(path.is_symlink() for path in job.rglob("*"))


def test_collecting_again_after_an_error_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, job = tmp_path / "out", tmp_path / "job"
    out.mkdir()
    job.mkdir()
    (out / "model").write_bytes(b"model")

    def no_link(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    linked = collect(out, job)
    monkeypatch.setattr(os, "link", no_link)
    assert collect(out, job) == linked
    assert linked.stored[0]["size_bytes"] == 5

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full") as told:
        collect(out, job)
    assert is_full(told.value)
    assert [path.name for path in (job / "artifacts").iterdir()] == ["model"]


def test_a_result_that_cannot_be_opened_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model").write_bytes(b"model")

    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(os, "open", denied)
    assert collect(tmp_path / "out", tmp_path).left_out == ["model: denied"]
    assert collect(tmp_path / "nowhere", tmp_path).stored == []


def test_the_scratch_directory_begins_empty_and_goes_whole(tmp_path: Path) -> None:
    told = settings(tmp_path)
    (told.scratch / "old").write_text("x")
    (tmp_path / "data.csv").write_text("a")
    spec = Spec("job_x", None, Work(("true",), {}, None), {"target": "t"}, {"data.csv": "data.csv"}, ())
    scratch.prepare(told, spec)
    assert names(told.scratch) == ["checkpoint", "data.csv", "out", "tmp", "work.json"]
    (told.scratch / "out" / "deep").mkdir()
    (told.scratch / "out" / "deep" / "file").write_text("x")
    (told.scratch / "out" / "deep").chmod(0)
    assert scratch.remove(told.scratch)
    assert scratch.remove(told.scratch)
    assert (tmp_path / "data.csv").exists()


def test_a_scratch_directory_with_closed_folders_is_opened_up(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "file").write_text("x")
    (closed / "folder").mkdir()
    for path in (closed / "file", closed / "folder", closed / "none"):
        scratch._open_up(os.unlink, str(path), None)
    assert names(closed) == []
    (tmp_path / "link").symlink_to("closed")
    scratch._open_up(os.unlink, str(tmp_path / "link"), None)
    assert closed.exists()
