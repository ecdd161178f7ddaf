"""The guards around all tests hold."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.conftest import OutsideAddress, check_address
from tests.support import processes


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "0.0.0.0", "example.invalid"])
def test_a_test_cannot_reach_outside(address: str) -> None:
    with socket.socket() as outside:
        with pytest.raises(OutsideAddress):
            outside.connect((address, 9))
        with pytest.raises(OutsideAddress):
            outside.connect_ex((address, 9))
    with socket.socket(type=socket.SOCK_DGRAM) as outside, pytest.raises(OutsideAddress):
        outside.sendto(b"x", (address, 9))


@pytest.mark.parametrize(("address", "inside"), [("2001:db8::1", False), ("fe80::1%eth0", False), ("::1", True)])
def test_addresses_of_the_newer_protocol_are_judged_alike(address: str, inside: bool) -> None:
    """Without a socket: a computer may have none of this kind."""
    with nullcontext() if inside else pytest.raises(OutsideAddress):
        check_address(socket.AF_INET6, (address, 9, 0, 0))


def test_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


def test_warnings_are_errors() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("x", stacklevel=1)


@pytest.mark.no_cover
def test_what_is_not_counted_is_not_traced_in_a_worker_either() -> None:
    assert sys.gettrace() is None


def test_the_order_of_hashes_is_pinned_where_the_whole_suite_runs() -> None:
    """``./dev test`` sets it; a single pytest by hand may go without."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert sys.flags.hash_randomization == 0


def test_a_child_that_is_left_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    before = processes.children()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in processes.children()
        assert "input()" in processes.left(processes.children, before)[child.pid]
    assert processes.left(processes.children, before) == {}


def test_a_process_that_works_in_a_folder_is_seen(tmp_path: Path) -> None:
    for where, variables in ((tmp_path, {}), (Path("/"), {"X": str(tmp_path / "x")})):
        environment = {"PATH": os.environ["PATH"], **variables}
        with subprocess.Popen(["sleep", "60"], cwd=where, env=environment) as child:
            assert child.pid in processes.working_in(tmp_path)
            child.kill()
    assert processes.working_in(tmp_path) == {}


def test_the_developers_own_settings_are_out_of_reach(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not [name for name in os.environ if name.startswith(("LASTCALL_", "RUNPOD_", "AWS_"))]
    assert Path(os.environ["HOME"]).is_relative_to(tmp_path_factory.getbasetemp())
