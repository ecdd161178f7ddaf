"""An emulator is a copy of a process that has loaded it: it starts and ends as a process of its own would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulators.aws.launch import Emulator as AwsEmulator
from tests.emulators.common.forking import CHECKOUT, Copy
from tests.integration.aws_emulator.kit import Instances
from tests.support import processes
from tests.support.patience import PATIENCE_S, wait_until
from tests.support.providers import audit

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.emulators.runpod.launch import Emulator
emulator = Emulator(Path(sys.argv[1]))
print(emulator.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_emulator_ends_with_killed_tests(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not audit.running(int(done.stdout)))


def test_each_makes_ids_of_its_own(tmp_path: Path) -> None:
    """A copy begins with the random state of what it is a copy of."""
    made = []
    for name in ("one", "two"):
        with AwsEmulator(tmp_path / name, program="none") as running:
            kit = Instances(running)
            made.append((kit.client("iam").create_user(UserName="u")["User"]["UserId"], running.pid))
            kit.close()
        assert not audit.running(running.pid)
    assert len(set(made)) == len({user for user, _ in made}) == len({pid for _, pid in made}) == 2


def test_what_it_prints_and_how_it_ends_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = processes.children()
    wrong = Copy("tests.emulators.runpod", ["--root"], PATIENCE_S)
    assert wrong.wait(PATIENCE_S) == 2
    assert "expected one argument" in capfd.readouterr().err
    asked = Copy("tests.emulators.runpod", ["--help"], PATIENCE_S)
    assert b"usage: tests.emulators.runpod" in asked.stdout.read()
    assert asked.wait(PATIENCE_S) == 0
    broken = Copy("tests.emulators.runpod", ["--root", str(tmp_path), "--settings", "{"], PATIENCE_S)
    assert broken.wait(PATIENCE_S) == 1
    assert "JSONDecodeError" in capfd.readouterr().err
    for one in (wrong, asked, broken):
        one.stdout.close()
    assert processes.left(processes.children, before) == {}
