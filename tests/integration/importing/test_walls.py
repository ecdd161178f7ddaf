"""A dangerous pickle that the scan let through does nothing either: each layer holds by itself (fault 85)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import CHECKOUT
from tests.support.old_models import dangerous, deep, reduced

OTHERS = ("ends its parent", "limits its parent", "has its parent signalled")
SECRET = "aws_secret_access_key = do-not-tell"
STOPPED = ("PermissionError: the sandbox forbids", "AttributeError")
"""What the hook says, and a name that reaches nothing."""


class Outside:
    """What a pickle would reach: a home with a key, and a server."""

    def __init__(self, home: Path, server: socket.socket) -> None:
        self.home = home
        self.server = server
        self.pickles = dangerous(home, server.getsockname()[1])

    def load(self, pickles: dict[str, bytes] | None = None, **request: Any) -> Any:
        """Load pickles in a process behind walls; return what it says."""
        asked = {"walls": False, "hook": False, "list": False, "memory_bytes": 2 << 30, "cpu_s": 20, **request}
        asked["pickles"] = {name: data.hex() for name, data in (pickles or self.pickles).items()}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(CHECKOUT)}
        return subprocess.run(
            [sys.executable, "-B", "-P", "-m", "tests.support.behind_walls"],
            input=json.dumps(asked),
            env={**environment, "OPENBLAS_NUM_THREADS": "1"},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def assert_untouched(self, said: str) -> None:
        """Nothing was written, nobody connected, nothing was read out."""
        assert not (self.home / "mark").exists()
        assert sorted(path.name for path in self.home.iterdir()) == [".aws"]
        self.server.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.server.accept()
        assert "do-not-tell" not in said


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Outside(tmp_path, server)


def test_the_list_of_names_alone_refuses_all_of_them(outside: Outside) -> None:
    done = outside.load(list=True)
    became = json.loads(done.stdout)["became"]
    assert {name: text for name, text in became.items() if not text.startswith("Refused: E-IMPORT-UNSAFE")} == {}
    outside.assert_untouched(done.stdout)


def test_the_walls_alone_hold_what_calls_any_name(outside: Outside) -> None:
    done = outside.load(walls=True)
    said = json.loads(done.stdout)
    assert {"limits", "seccomp"} <= set(said["walls"])
    stopped = {name for name, text in said["became"].items() if text.startswith("PermissionError")}
    assert {"opens a socket", "writes a file", "makes a folder", "forks", *OTHERS} <= stopped
    assert ("reads a key" in stopped) == ("landlock" in said["walls"])
    outside.assert_untouched(done.stdout if "landlock" in said["walls"] else "")


def test_the_hook_alone_holds_what_calls_any_name_and_tells_what_was_tried(outside: Outside) -> None:
    done = outside.load(hook=True)
    said = json.loads(done.stdout)
    assert {name: text for name, text in said["became"].items() if not text.startswith(STOPPED)} == {}
    assert {"os.system", "open", "os.fork", "os.mkdir", "subprocess.Popen", "ctypes.dlopen"} <= set(said["tried"])
    assert any(event.startswith("socket.") for event in said["tried"])
    outside.assert_untouched(done.stdout)


def test_without_a_layer_they_would_act(outside: Outside) -> None:
    """Else the tests above prove nothing."""
    some = ("runs a command", "reads a key", "opens a socket", "hides a call in a state", "calls what a call returned")
    done = outside.load({name: outside.pickles[name] for name in some})
    assert (outside.home / "mark").exists()
    outside.server.settimeout(10)
    outside.server.accept()[0].close()
    assert "TextIOWrapper" in done.stdout


def test_memory_is_bounded_and_what_nests_deeply_does_no_harm(outside: Outside) -> None:
    bombs = {
        "allocates": reduced("builtins", "bytearray", 1 << 32),
        "remembers far away": b"\x80\x02Nr\xff\xff\xff\xff.",
        "nests": deep(),
    }
    done = outside.load(bombs, walls=True, hook=True, list=True)
    became = json.loads(done.stdout)["became"]
    assert became["allocates"].startswith("MemoryError")
    assert became["remembers far away"] == "gave NoneType"
    assert done.returncode == 0


def test_what_never_ends_is_ended_by_the_clock_of_the_processor(outside: Outside) -> None:
    endless = {"loops": reduced("collections", "deque", _Counting(), 0)}
    done = outside.load(endless, walls=True, cpu_s=2)
    assert done.returncode < 0
    outside.assert_untouched(done.stdout)


class _Counting:
    """``itertools.repeat`` as a pickle names it."""

    def __reduce__(self) -> tuple[Any, ...]:
        import itertools

        return itertools.repeat, (None,)
