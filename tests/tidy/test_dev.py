"""``./dev``: one entry, quick when nothing changed, one line when something is missing."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT
from tools import coverage_gate, environment


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what ``./dev`` needs, in a folder with a space in its name, without an environment."""
    root = tmp_path / "a copy"
    root.mkdir()
    shutil.copy(ROOT / "dev", root)
    shutil.copytree(ROOT / "tools", root / "tools")
    shutil.copytree(ROOT / "requirements", root / "requirements")
    return root


def make_ready(root: Path, profile: str) -> environment.Environment:
    """Make an environment by hand whose Python and command only say what they were asked."""
    made = environment.Environment(root)
    made.python.parent.mkdir(parents=True)
    for name in ("python", "lastcall"):
        script = made.python.with_name(name)
        script.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        script.chmod(0o755)
    made.write_stamp(profile)
    return made


def dev(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "HOME": str(root.parent), **variables}
    return subprocess.run(
        ["sh", root / "dev", *arguments], env=clean, cwd=root.parent, capture_output=True, text=True, check=False
    )


def broken_python(folder: Path, body: str) -> str:
    """Return a program that stands in for a Python."""
    folder.mkdir(exist_ok=True)
    script = folder / "python3"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("has", "arguments"),
    [
        ("core", ["run", "ps", "--json"]),
        ("train", ["run", "--host", "unix:///x", "daemon"]),
        ("demo", ["demo", "--keep"]),
        ("dev", ["run", "demo"]),
    ],
)
def test_a_ready_environment_is_used_at_once(checkout: Path, has: str, arguments: list[str]) -> None:
    make_ready(checkout, has)
    done = dev(checkout, *arguments, PYTHON="/nonexistent")
    expected = arguments if arguments[0] == "demo" else arguments[1:]
    assert (done.stdout, done.stderr) == (f"lastcall {' '.join(expected)}\n", "")


@pytest.mark.parametrize(
    ("has", "arguments"),
    [
        ("core", ["run", "daemon"]),
        ("core", ["demo"]),
        ("train", ["run", "demo"]),
        ("demo", ["test"]),
        ("demo", ["lint"]),
    ],
)
def test_a_smaller_environment_is_not_enough(checkout: Path, has: str, arguments: list[str]) -> None:
    make_ready(checkout, has)
    done = dev(checkout, *arguments, PYTHON="/nonexistent")
    assert done.returncode == 1
    assert done.stderr == "dev: needs Python 3.11 or newer, and found none (PYTHON=/path/to/python chooses one)\n"


def test_changed_requirements_or_another_place_are_noticed(checkout: Path) -> None:
    made = make_ready(checkout, "dev")
    assert made.holds("core")
    locked = checkout / "requirements/dev.txt"
    before = locked.read_text()
    locked.write_text(before + "# changed\n")
    assert not made.holds("core")
    assert dev(checkout, "run", PYTHON="/nonexistent").returncode == 1
    locked.write_text(before)
    assert dev(checkout, "run", PYTHON="/nonexistent").returncode == 0
    moved = checkout.parent / "moved"
    checkout.rename(moved)
    assert not environment.Environment(moved).holds("core")
    assert dev(moved, "run", PYTHON="/nonexistent").returncode == 1


def test_the_check_costs_next_to_nothing(checkout: Path) -> None:
    make_ready(checkout, "core")
    spans = []
    for _ in range(5):
        before = cpu_of_children_s()
        dev(checkout, "run")
        spans.append(cpu_of_children_s() - before)
    assert min(spans) < 0.05, "seconds of computing, however long the computer took for them"


def cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_an_old_python_is_refused_in_one_line(checkout: Path) -> None:
    done = dev(checkout, "run", PYTHON=broken_python(checkout, "exit 1"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_a_missing_module_of_python_names_its_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit):
        environment.check_interpreter()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "install the package python3-venv" in error


def test_a_missing_system_library_names_its_package(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_ready(checkout, "train")
    message = "ImportError: libgomp.so.1: cannot open shared object file: No such file or directory"
    made.python.write_text(f"#!/bin/sh\necho Traceback >&2\necho '{message}' >&2\nexit 1\n")
    with pytest.raises(SystemExit):
        environment.verify(made, "train")
    assert capsys.readouterr().err == (
        "dev: the system library libgomp.so.1 is missing: install the package libgomp1 and call again\n"
    )


def test_an_environment_whose_making_was_cut_short_is_made_anew(checkout: Path) -> None:
    made = environment.Environment(checkout)
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    assert made.works()
    made.unfinished.parent.mkdir()
    made.unfinished.touch()
    assert not made.works()


def test_two_calls_do_not_install_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "x" / "lock"
    with environment.alone(lock), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with environment.alone(lock):
        pass


def test_a_failed_installation_is_one_line_and_is_tried_again(checkout: Path) -> None:
    """The steps are stand-ins that fail as the real ones do without a network."""
    log = 'echo "ERROR: No matching distribution found for aiohttp==3" ; exit 1'
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tools import environment as e\n"
        "real = e.run\n"
        f"e.run = lambda command, out, limit, **v: real(['sh', '-c', {log!r}], out, limit)\n"
        "e.Environment.works = lambda self: True\n"
        "e.ensure(Path(sys.argv[1]), 'core')\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script, checkout], cwd=checkout, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "the installation failed: ERROR: No matching distribution found for aiohttp==3" in done.stderr
        assert "Traceback" not in done.stderr
        assert (checkout / ".dev/install.unfinished").exists()
        assert not (checkout / ".venv/lastcall-stamp").exists()


def test_the_command_works_from_a_long_path(tmp_path: Path) -> None:
    """The system reads at most 255 bytes of a "#!" line."""
    root = tmp_path / ("long " + "x" * 150) / ("y" * 150)
    made = environment.Environment(root)
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    site = root / "site"
    (site / "lastcall/cli").mkdir(parents=True)
    (site / "lastcall/cli/main.py").write_text("import sys\ndef main():\n    print(sys.argv[1:])\n    return 5\n")
    script = made.python.with_name("lastcall")
    script.write_text(environment.LAUNCHER.format(python=f"'{made.python}'"))
    script.chmod(0o755)
    done = subprocess.run(
        [script, "a b"], env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (5, "['a b']\n")


def test_unknown_words_are_answered_with_help(checkout: Path) -> None:
    done = dev(checkout, "tset")
    assert done.returncode == 2
    assert done.stderr.startswith("dev: no command tset\n\nUsage: ./dev")
    assert dev(checkout).returncode == 2
    assert dev(checkout, "--help").stdout.startswith("Usage: ./dev COMMAND")


def report(files: dict[str, tuple[int, int]]) -> dict[str, object]:
    def summary(covered: int, total: int) -> dict[str, int]:
        return {"num_statements": total, "covered_lines": covered, "num_branches": 0, "covered_branches": 0}

    sums = [sum(column) for column in zip(*files.values(), strict=True)]
    return {
        "files": {name: {"summary": summary(*counts), "missing_lines": [3]} for name, counts in files.items()},
        "totals": summary(*sums),
    }


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        ({"actors/journal/x.py": (10, 10), "lastcall/y.py": (9, 10)}, []),
        ({"actors/journal/x.py": (99, 100), "lastcall/y.py": (10, 10)}, ["must be covered whole: actors/journal/x.py"]),
        ({"lastcall/y.py": (8, 10)}, ["overall 80.0 % is below 90 %", "   80.0 % lastcall/y.py"]),
        ({"lastcall/empty.py": (0, 0), "lastcall/y.py": (10, 10)}, []),
    ],
)
def test_the_coverage_gate_names_what_falls_short(files: dict[str, tuple[int, int]], problems: Sequence[str]) -> None:
    found = coverage_gate.verdict(report(files))
    assert len(found) == len(problems)
    for line, expected in zip(found, problems, strict=True):
        assert line.startswith(expected)
