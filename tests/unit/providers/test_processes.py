"""Reading the process table."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from providers.local.processes import ProcessKey, ProcFs, find_marker, parse_stat
from tests.support.providers import audit

STAT = "{pid} (a) b (c) {state} 42 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 {threads} 0 {start} 0 0"


def row(root: Path, pid: int, *, state: str = "S", threads: int = 1, start: int = 5, environ: bytes = b"A=1\0") -> None:
    folder = root / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "stat").write_text(STAT.format(pid=pid, state=state, threads=threads, start=start))
    (folder / "environ").write_bytes(environ)


def test_a_name_with_parentheses_does_not_confuse_the_fields() -> None:
    found = parse_stat(STAT.format(pid=9, state="R", threads=3, start=77).encode())
    assert (found.pid, found.parent, found.state, found.threads, found.start) == (9, 42, "R", 3, 77)


def test_the_marker_is_a_whole_variable() -> None:
    assert find_marker(b"X=LASTCALL_MACHINE=no\0LASTCALL_MACHINE=m\0Y=2") == "m"
    assert find_marker(b"XLASTCALL_MACHINE=no\0LASTCALL_MACHINES=no") is None
    assert find_marker(b"LASTCALL_MACHINE=\0") is None
    assert find_marker(b"LASTCALL_MACHINE=\xff") == "\\xff"


def test_a_scan_shows_states_and_markers(tmp_path: Path) -> None:
    row(tmp_path, os.getpid())
    row(tmp_path, 10, environ=b"LASTCALL_MACHINE=m\0")
    (tmp_path / "version").write_text("not a process")
    scan = ProcFs(tmp_path).scan()
    assert scan.complete
    assert {pid: p.marker for pid, p in scan.processes.items()} == {os.getpid(): None, 10: "m"}


def test_the_environment_of_another_user_is_not_read(tmp_path: Path) -> None:
    row(tmp_path, 10, environ=b"LASTCALL_MACHINE=m\0")
    assert ProcFs(tmp_path, uid=os.getuid() + 1).scan().processes[10].marker is None


def test_a_table_that_cannot_be_read_is_incomplete(tmp_path: Path) -> None:
    assert not ProcFs(tmp_path / "nothing").scan().complete
    row(tmp_path, 10)
    assert not ProcFs(tmp_path).scan().complete, "it does not even show ourselves"
    row(tmp_path, os.getpid())
    (tmp_path / "10" / "stat").write_text("garbage")
    assert not ProcFs(tmp_path).scan().complete


def test_a_process_that_ends_while_the_table_is_read_is_looked_for_again(tmp_path: Path) -> None:
    row(tmp_path, os.getpid())
    (tmp_path / "10").mkdir()  # listed, and gone when it is read
    assert ProcFs(tmp_path).scan().complete


def test_a_chain_that_outruns_every_look_makes_it_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, pids = ProcFs(tmp_path), iter(range(100, 1000))
    row(tmp_path, os.getpid())
    monkeypatch.setattr(table, "_new_pids", lambda seen: [next(pids)])
    assert not table.scan().complete


def test_this_process_is_alive_and_no_other_start_time_is() -> None:
    start = audit.start_time(os.getpid())
    assert ProcFs().alive(ProcessKey(os.getpid(), start))
    assert not ProcFs().alive(ProcessKey(os.getpid(), start + 1))


def test_a_signal_reaches_exactly_the_process_meant() -> None:
    table, other = ProcFs(), audit.sleeper()
    try:
        key = ProcessKey(other.pid, audit.start_time(other.pid))
        assert not table.signal(key._replace(start=key.start - 1), signal.SIGKILL)
        assert audit.running(other.pid)
        assert table.signal(key, signal.SIGKILL)
        other.wait()
        assert not table.signal(key, signal.SIGKILL)
        assert not table.alive(key)
    finally:
        other.kill()
        other.wait()


def test_newcomers_are_each_shown_once() -> None:
    table, seen = ProcFs(), set[int]()
    assert os.getpid() in {p.pid for p in table.newcomers(seen)}
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        shown = {p.pid for p in table.newcomers(seen)}
        assert child.pid in shown
        assert os.getpid() not in shown
    finally:
        child.communicate()
