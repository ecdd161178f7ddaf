"""What is no file to send is said before anything is asked or sent; none of it is waited for or called a fault."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from lastcall.cli.client import _pieces
from lastcall.cli.failures import Failure
from lastcall.cli.sending import check_file, is_file, refuse_other

NOBODY = 65534


@contextmanager
def without_rights() -> Iterator[None]:
    """Be somebody whose rights count: nothing is forbidden to root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def refused(text: str) -> Failure:
    with pytest.raises(Failure) as no:
        check_file(text)
    return no.value


def test_a_file_that_may_not_be_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"a,b\n")
    secret.chmod(0)
    folder = tmp_path / "private"
    folder.mkdir(mode=0)
    for path in (secret, folder / "table.csv"):
        with without_rights():
            no = refused(str(path))
        happened, money, todo, page = no.lines()
        assert happened.startswith("You have no right to read ")
        assert money == "Nothing was started and nothing was spent."
        assert "copy that is yours" in todo
        assert page == "E-FILE · docs/errors/E-FILE.md"
    folder.chmod(0o700)


def test_folders_pipes_and_links_to_nothing_are_called_what_they_are(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in {
        ".": "is a folder",
        "pipe": "is a pipe or a device",
        "dangling": "a link to a file that is not there",
        "loop": "a link to a file that is not there",
    }.items():
        text = str(tmp_path / name)
        assert not is_file(text)
        no = refused(text)
        assert (no.entry.code, words in no.happened) == ("E-FILE", True), no.happened


@pytest.mark.parametrize("text", ["", "nothing.csv", "n" * 300, "/dev/zero/x.csv"])
def test_what_is_not_there_is_not_found(text: str) -> None:
    assert not is_file(text)
    refuse_other(text)
    assert refused(text).entry.code == "E-NOTFOUND"


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(b"a,b\n")
    (tmp_path / "link.csv").symlink_to("table.csv")
    assert check_file(str(tmp_path / "link.csv")) == tmp_path / "link.csv"


class Source(io.BytesIO):
    """An open file of five bytes, of which reading gives what a test says."""

    def __init__(self, file: IO[bytes], *given: bytes | OSError) -> None:
        super().__init__()
        self._file, self._given = file, list(given)

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int | None = -1) -> bytes:
        given = self._given.pop(0) if self._given else b""
        if isinstance(given, OSError):
            raise given
        return given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([b"a,b"], "changed while it was sent"),
        ([b"a,b\n", b"1,2\n"], "changed while it was sent"),
        ([b"a,b", OSError(errno.EIO, "Input/output error")], r"could not be read to its end \(Input/output error\)"),
    ],
)
def test_a_file_that_gives_other_than_it_has_is_refused(
    tmp_path: Path, given: list[bytes | OSError], said: str
) -> None:
    path, told = tmp_path / "table.csv", list[int]()
    path.write_bytes(b"a,b\n1")
    with path.open("rb") as file, pytest.raises(Failure) as no:
        list(_pieces(path, Source(file, *given), told.append))
    assert no.value.entry.code == "E-FILE"
    assert re.search(said, no.value.happened)


def test_a_whole_file_leaves_in_pieces_that_are_told(tmp_path: Path) -> None:
    path, told = tmp_path / "table.csv", list[int]()
    path.write_bytes(b"a,b\n1")
    with path.open("rb") as file:
        assert b"".join(_pieces(path, file, told.append)) == b"a,b\n1"
    assert told == [5]
