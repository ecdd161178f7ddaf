"""The book of ended machines: no line is lost to a torn one, and it does not grow for ever."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from providers.local import ended as ended_module
from providers.local.ended import ENDED_FILE, Ended, EndedBook

AT = datetime(2026, 11, 23, 14, tzinfo=UTC)


def line(name: str) -> Ended:
    after = AT + timedelta(seconds=3)
    return Ended(name=name, digest="d", account="a", began=AT, ended=after, rate_usd_per_hour=Decimal(1))


def test_what_was_added_is_there_after_a_restart(tmp_path: Path) -> None:
    book = EndedBook(tmp_path)
    book.add(line("lc1-a"))
    book.add(line("lc1-b"))
    assert EndedBook(tmp_path).kept == book.kept == {"lc1-a": line("lc1-a"), "lc1-b": line("lc1-b")}


def test_a_torn_line_is_passed_over_and_never_glued_to_the_next(tmp_path: Path) -> None:
    EndedBook(tmp_path).add(line("lc1-a"))
    with (tmp_path / ENDED_FILE).open("ab") as file:
        file.write(b'{"name": "lc1-b", "dig')
    book = EndedBook(tmp_path)
    assert set(book.kept) == {"lc1-a"}
    book.add(line("lc1-c"))
    assert set(EndedBook(tmp_path).kept) == {"lc1-a", "lc1-c"}


def test_a_disk_that_takes_only_a_part_is_an_error_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = EndedBook(tmp_path)
    book.add(line("lc1-a"))
    whole = (tmp_path / ENDED_FILE).read_bytes()
    write = os.write
    monkeypatch.setattr("os.write", lambda file, data: write(file, data[:5]))
    with pytest.raises(OSError, match="part"):
        book.add(line("lc1-b"))
    monkeypatch.undo()
    assert (tmp_path / ENDED_FILE).read_bytes() == whole
    assert set(book.kept) == {"lc1-a"}


def test_only_the_last_machines_are_kept_in_memory_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_module, "ENDED_KEPT", 3)
    monkeypatch.setattr(ended_module, "ENDED_LINES_MAX", 6)
    book = EndedBook(tmp_path)
    for number in range(50):
        book.add(line(f"lc1-{number}"))
        assert len((tmp_path / ENDED_FILE).read_bytes().splitlines()) <= 6
    assert list(book.kept) == ["lc1-47", "lc1-48", "lc1-49"] == list(EndedBook(tmp_path).kept)


def test_a_file_too_long_is_shortened_after_a_restart_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = EndedBook(tmp_path)
    for number in range(20):
        book.add(line(f"lc1-{number}"))
    monkeypatch.setattr(ended_module, "ENDED_KEPT", 3)
    monkeypatch.setattr(ended_module, "ENDED_LINES_MAX", 6)
    EndedBook(tmp_path).add(line("lc1-20"))
    assert len((tmp_path / ENDED_FILE).read_bytes().splitlines()) == 3
