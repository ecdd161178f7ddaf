"""Machine directories go whatever was built in them, a bounded piece at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from providers.local import removal
from providers.local.removal import remove_folder


def deep(path: Path, depth: int) -> None:
    """Nest folders deeper than any path may be long."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d" * 20, dir_fd=descriptor)
        below = os.open("d" * 20, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


def test_a_tree_of_everything_goes_and_what_links_lead_to_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    folder = tmp_path / "machine"
    for path in ("a/b/c", "a/b/d", "e"):
        (folder / path).mkdir(parents=True)
        (folder / path / "file").write_text("x")
    os.mkfifo(folder / "a" / "pipe")
    (folder / "link").symlink_to(outside)
    (folder / "a" / "b" / "link").symlink_to(outside)
    assert remove_folder(folder)
    assert not folder.exists()
    assert (outside / "kept").is_dir()


def test_folders_deeper_than_the_stack_and_any_path_go(tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    deep(folder, 3000)
    while not remove_folder(folder):
        pass
    assert not folder.exists()


def test_one_step_takes_a_bounded_piece_and_the_next_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "REMOVED_ENTRIES_MAX", 10)
    folder = tmp_path / "machine"
    (folder / "scratch").mkdir(parents=True)
    for number in range(25):
        (folder / "scratch" / f"{number}").touch()
    assert not remove_folder(folder)
    assert sum(path.is_file() for path in folder.rglob("*")) == 15
    assert [remove_folder(folder) for _ in range(3)][-1]
    assert not folder.exists()


def test_folders_without_rights_go(tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    for path in (folder / "a" / "b", folder / "a", folder):
        path.chmod(0)
    assert remove_folder(folder)


def test_what_is_gone_already_is_gone_and_a_link_is_left_alone(tmp_path: Path) -> None:
    assert remove_folder(tmp_path / "none")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert not remove_folder(tmp_path / "link")
    assert (tmp_path / "target").is_dir()
