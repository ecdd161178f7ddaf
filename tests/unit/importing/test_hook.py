"""The hook tells what a model's loading needs from what an attack needs; it is asked here without being put up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from containers.importing.hook import TRIED_MAX, Hook

LIBRARIES = Path("/usr/lib/python3")
FORBIDDEN: list[tuple[str, tuple[Any, ...]]] = [
    ("os.system", (b"true",)),
    ("os.fork", ()),
    ("os.exec", ("/bin/sh", [], None)),
    ("os.posix_spawn", ("/bin/sh", [], {})),
    ("os.kill", (1, 9)),
    ("os.remove", ("x", -1)),
    ("os.listdir", ("/root",)),
    ("os.scandir", (None,)),
    ("subprocess.Popen", ("sh", [], None, None)),
    ("socket.__new__", (None, 2, 1, 0)),
    ("socket.getaddrinfo", ("example.invalid", 80, 0, 0, 0)),
    ("ctypes.dlopen", ("libc.so.6",)),
    ("sys.addaudithook", ()),
    ("open", ("/root/.aws/credentials", "r", os.O_RDONLY)),
    ("open", (str(LIBRARIES / "x"), "w", os.O_WRONLY | os.O_CREAT)),
    ("open", (str(LIBRARIES / "x"), None, os.O_RDWR)),
    ("open", (str(LIBRARIES / "../../../etc/passwd"), "r", 0)),
    ("open", (f"{LIBRARIES}-other/x", "r", 0)),
    ("open", (object(), "r", 0)),
    ("import", ("subprocess", None, None, None, None)),
    ("import", ("http.client", None, None, None, None)),
]
NEEDED: list[tuple[str, tuple[Any, ...]]] = [
    ("open", (str(LIBRARIES / "sklearn" / "x.py"), "r", os.O_RDONLY)),
    ("open", (os.fsencode(LIBRARIES / "x"), None, os.O_RDONLY | os.O_CLOEXEC)),
    ("open", (7, "wb", os.O_WRONLY)),
    ("os.listdir", (str(LIBRARIES),)),
    ("import", ("sklearn.tree", None, None, None, None)),
    ("import", ("_cython_3_2_1", None, None, None, None)),
    ("ctypes.dlsym", (None, "XGBoosterPredict")),
    ("compile", (None, "x")),
    ("gc.get_objects", (0,)),
]


def hook() -> Hook:
    return Hook([LIBRARIES])


@pytest.mark.parametrize(("event", "arguments"), FORBIDDEN)
def test_what_an_attack_needs_is_refused_and_remembered(event: str, arguments: tuple[Any, ...]) -> None:
    made = hook()
    with pytest.raises(PermissionError, match=event):
        made._judge(event, arguments)
    assert made.tried == [event if event != "import" else f"import {arguments[0]}"]


@pytest.mark.parametrize(("event", "arguments"), NEEDED)
def test_what_a_library_needs_is_let_through(event: str, arguments: tuple[Any, ...]) -> None:
    made = hook()
    made._judge(event, arguments)
    assert made.tried == []


def test_a_library_that_is_not_on_the_list_is_not_there_and_looking_for_it_is_no_attack() -> None:
    made = hook()
    with pytest.raises(ModuleNotFoundError):
        made._judge("import", ("torch", None, None, None, None))
    assert made.tried == []


def test_however_much_is_tried_little_is_remembered() -> None:
    made = hook()
    for _ in range(TRIED_MAX * 3):
        with pytest.raises(PermissionError):
            made._judge("os.fork", ())
    assert len(made.tried) == TRIED_MAX
