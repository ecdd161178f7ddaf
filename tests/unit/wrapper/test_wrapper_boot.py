"""The boot program: one text of two sources, small, old enough, and nothing the platform would change."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from containers.job import boot
from containers.job.runpod import Pod
from providers.runpod.boot import BOOT_BYTES_MAX, BOOT_SOURCE, start_args


class Left(Exception):
    """Stands for the end of the pod."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LASTCALL_MACHINE_DIR", "LASTCALL_BUNDLE", "LASTCALL_WRAPPER_SHA256"):
        monkeypatch.setenv(name, "")  # what was set is put back, what was not set goes: the program sets some
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_boot_program_is_small_and_old_enough() -> None:
    assert len(BOOT_SOURCE.encode()) <= BOOT_BYTES_MAX
    ast.parse(BOOT_SOURCE, feature_version=(3, 9))
    compile(BOOT_SOURCE, "boot", "exec")


def test_the_platform_replaces_nothing_in_it() -> None:
    """Fact sheet 2.3: ``{{ … }}`` in a variable is taken for the name of a secret."""
    assert "{{" not in BOOT_SOURCE + start_args()


def test_the_boot_program_imports_the_standard_library_alone() -> None:
    tree = ast.parse(BOOT_SOURCE)
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names


def test_the_boot_program_says_the_same_as_its_sources() -> None:
    """Only comments and documentation are left out."""

    def bare(tree: ast.Module) -> list[str]:
        for node in ast.walk(tree):
            body: list[ast.stmt] = getattr(node, "body", [])
            if isinstance(body, list):
                node.body = [s for s in body if not _is_text(s)]  # type: ignore[attr-defined]
        return [ast.dump(statement) for statement in tree.body if not _of_ours(statement)]

    sources = [Path(str(module.__file__)).read_text() for module in (sys.modules["containers.job.runpod"], boot)]
    expected = [line for text in sources for line in bare(ast.parse(text))]
    assert bare(ast.parse(BOOT_SOURCE)) == expected


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _of_ours(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(("__future__", "containers"))


def test_the_command_is_an_entrypoint_and_one_line_of_plain_shell() -> None:
    said = json.loads(start_args())
    assert set(said) == {"entrypoint", "cmd"}
    assert said["entrypoint"] == ["sh", "-c"]
    (script,) = said["cmd"]
    assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0


def test_numbers_that_are_none_get_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTCALL_FOLDER_WAIT_S", "soon")
    assert boot.seconds("LASTCALL_FOLDER_WAIT_S", 7.0) == 7.0
    monkeypatch.setenv("LASTCALL_FOLDER_WAIT_S", "3")
    assert boot.seconds("LASTCALL_FOLDER_WAIT_S", 7.0) == 3.0


def test_the_wrapper_goes_to_the_machines_own_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(boot.put(b"wrapper"))
    assert path == home / ".lastcall-machine" / "wrapper.pyz"
    assert path.read_bytes() == b"wrapper"
    assert os.environ["LASTCALL_MACHINE_DIR"] == str(path.parent)


def test_a_home_that_cannot_be_written_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("HOME", str(home / "file"))
    monkeypatch.setattr("tempfile.mkdtemp", lambda: str(home))
    assert Path(boot.put(b"wrapper")).parent == home


def test_the_wrapper_is_started_with_the_key_in_a_pipe_only(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []

    def execve(*arguments: Any) -> NoReturn:
        called.append(arguments)
        raise Left

    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_SECRET")
    monkeypatch.setenv("LASTCALL_BOOT", "the program")
    monkeypatch.setattr("os.execve", execve)
    with pytest.raises(Left):
        boot.become("/x/wrapper.pyz", "rpa_SECRET")
    program, arguments, environment = called[0]
    assert (program, arguments[1:]) == (sys.executable, ["-I", "-S", "/x/wrapper.pyz"])
    assert "rpa_SECRET" not in json.dumps(environment)
    assert "LASTCALL_BOOT" not in environment
    descriptor = int(environment["LASTCALL_KEY_FD"])
    assert os.get_inheritable(descriptor)
    with open(descriptor, "rb") as pipe:
        assert pipe.read() == b"rpa_SECRET"


def leaving(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []

    def leave(_: Pod, why: str) -> NoReturn:
        told.append(why)
        raise Left(why)

    monkeypatch.setattr(boot, "leave", leave)
    monkeypatch.setattr(boot, "watch", lambda *_: None)
    return told


def test_a_bundle_that_is_not_there_ends_the_pod(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = leaving(monkeypatch)
    monkeypatch.setattr(boot, "fetch", lambda _: None)
    with pytest.raises(Left):
        boot.main()
    assert told[0] == "no wrapper that is the right one"


def test_a_wrapper_that_cannot_be_started_ends_the_pod(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = leaving(monkeypatch)
    monkeypatch.setenv("LASTCALL_BUNDLE", str(home))
    monkeypatch.setenv("LASTCALL_WRAPPER_SHA256", hashlib.sha256(b"wrapper").hexdigest())
    (home / "wrapper.pyz").write_bytes(b"wrapper")

    def become(*_: str) -> NoReturn:
        raise PermissionError("noexec")

    monkeypatch.setattr(boot, "become", become)
    with pytest.raises(Left):
        boot.main()
    assert told == ["PermissionError"]


def test_leaving_ends_the_pod_and_exits(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    done: list[Any] = []

    def leave(status: int) -> NoReturn:
        done.append(status)
        raise Left

    monkeypatch.setattr(boot, "end_pod", done.append)
    monkeypatch.setattr("os._exit", leave)
    pod = Pod({}, "rpa_SECRET")
    with pytest.raises(Left):
        boot.leave(pod, "for a reason")
    assert done == [pod, 1]
    assert capfd.readouterr().err == "lastcall boot: for a reason; ending the pod\n"


def test_the_hard_deadline_is_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    told: list[str] = []
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(boot, "leave", lambda _, why: told.append(f"{why} at {now[0]:.0f}"))
    boot.watch(Pod({}, ""), 107.0)
    boot.watch(Pod({}, ""), float("nan"))
    assert told == ["the hard deadline has passed at 107"] * 2
