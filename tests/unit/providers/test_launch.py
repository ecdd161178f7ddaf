"""What the launcher's answer means."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from providers.interface import Ambiguous, NoCapacity, Refused
from providers.local import launch
from providers.local.processes import ProcessKey
from providers.local.registry import Entry, MachineRecord
from providers.local.settings import LocalSettings
from tests.unit.providers.test_registry import record


def entry_in(path: Path) -> Entry:
    made: MachineRecord = record()
    return Entry(path, made)


def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> ProcessKey:
    monkeypatch.setattr(launch, "_run_launcher", lambda *arguments: answer)
    return launch.start(LocalSettings(root=tmp_path, wrapper=tmp_path), entry_in(tmp_path), {}, 0)


def test_pid_and_start_time_name_the_wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(tmp_path, monkeypatch, b"12 345\n") == ProcessKey(12, 345)


@pytest.mark.parametrize("answer", [b"failed 2 No such file\n", b"12 345\nfailed 13 Permission denied\n", b"failed 8"])
def test_a_wrapper_that_did_not_start_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with pytest.raises(Refused):
        start(tmp_path, monkeypatch, answer)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_computer_without_room_has_no_capacity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with pytest.raises(NoCapacity):
        start(tmp_path, monkeypatch, f"failed {number} no room\n".encode())


def test_a_launcher_that_ends_without_a_word_is_ambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Ambiguous):
        start(tmp_path, monkeypatch, b"")


def test_a_launcher_that_says_nothing_is_ambiguous_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(launch, "_LAUNCHER", silent)
    monkeypatch.setattr(launch, "LAUNCHER_PATIENCE_S", 0.05)
    settings = LocalSettings(root=tmp_path, wrapper=tmp_path, launch_timeout_s=0.05)
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    try:
        with pytest.raises(Ambiguous):
            launch.start(settings, entry_in(tmp_path), {}, lock)
    finally:
        os.close(lock)


def test_a_wrapper_that_cannot_become_one_says_so_through_the_pipe(tmp_path: Path) -> None:
    settings = LocalSettings(root=tmp_path, wrapper=tmp_path)
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    try:
        answer = launch._run_launcher(settings, tmp_path, [str(tmp_path / "no-interpreter")], {}, lock)
    finally:
        os.close(lock)
    assert b"failed 2 " in answer
