"""``lastcall demo``: a model, a prediction, a cost, and nothing left: no process, no file, also after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lastcall import demo
from lastcall.cli.failures import BrokenConnection, Failure
from lastcall.demo_house import House
from messages.errors import Refusal
from messages.machines import MachineName
from tests.support.house import CHECKOUT, carrying

DEMO_S_MAX = 60.0
"""A guard against hanging; the bar itself is measured by the bench."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for a socket path."""
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        yield Path(folder)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lastcall", "demo", *arguments]


def environment(tmp: Path) -> dict[str, str]:
    tmp.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(tmp), "PYTHONPATH": str(CHECKOUT), "HOME": str(tmp), "TERM": "dumb"}


def processes_of(tmp: Path) -> list[int]:
    """Return the daemon, machines and commands of the demo that runs in ``tmp``."""
    return carrying(os.fsencode(tmp))


def machines_of(tmp: Path) -> list[int]:
    return [pid for pid in processes_of(tmp) if pid in carrying(b"LASTCALL_MACHINE=lc1-")]


def wait_for_a_machine(tmp: Path) -> None:
    until = time.monotonic() + DEMO_S_MAX
    while not machines_of(tmp) and time.monotonic() < until:
        time.sleep(0.02)


def test_the_demo_ends_with_a_model_and_no_machine_and_leaves_nothing(short: Path) -> None:
    done = subprocess.run(
        command(), env=environment(short / "tmp"), capture_output=True, text=True, timeout=DEMO_S_MAX, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "0 machines running, confirmed"
    for said in ("$ lastcall train", "guessing", "Machine terminated", "34 rows predicted", "Total"):
        assert said in done.stdout
    for said in ("Plan:", "[fit]"):
        assert said in done.stderr
    assert processes_of(short) == []
    assert list((short / "tmp").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_mid_training_ends_the_machine_and_leaves_nothing(short: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        command(),
        env=environment(short / "tmp"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for_a_machine(short)
    # As a terminal does it: the whole foreground group.
    os.killpg(running.pid, number)
    said, _ = running.communicate(timeout=DEMO_S_MAX)
    assert running.returncode == 130, said
    assert said.splitlines()[-1] == "0 machines running, confirmed", said
    assert processes_of(short) == []
    assert list((short / "tmp").iterdir()) == []


def test_a_second_machine_of_ours_makes_the_demo_say_so(short: Path) -> None:
    """The last line comes from a listing, not from our own books."""
    keep = short / "kept"
    running = subprocess.Popen(
        command("--keep", str(keep)), env=environment(short / "tmp"), stdout=subprocess.PIPE, text=True
    )
    install = keep / "state" / "install.json"
    until = time.monotonic() + DEMO_S_MAX
    while not (install.exists() and install.stat().st_size) and time.monotonic() < until:
        time.sleep(0.01)
    document = json.loads(install.read_text())
    name = MachineName(document["installation"], "oldg", "zzzzzzzzzz", 1, datetime.now(UTC) + timedelta(hours=1)).text(
        bytes.fromhex(document["name_key"])
    )
    planted = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, "LASTCALL_MACHINE": name}
    )
    try:
        said, _ = running.communicate(timeout=DEMO_S_MAX)
        assert said.splitlines()[-1] == "1 machine running, confirmed", said
        assert running.returncode == 1
        assert planted.poll() is None
    finally:
        planted.kill()
        planted.wait()


def test_the_demo_as_json_prints_one_document_also_below_a_temporary_folder_with_a_long_name(short: Path) -> None:
    deep = short / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    done = subprocess.run(
        command("--json"), env=environment(deep), capture_output=True, text=True, timeout=DEMO_S_MAX, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "demo/v1"
    assert document["machines_running"] == 0
    assert document["job"]["outcome"] == "succeeded"
    assert document["unseen"]["right"] > document["unseen"]["rows"] * 0.8
    assert list(deep.iterdir()) == []


def test_a_directory_that_exists_is_not_used(short: Path) -> None:
    done = subprocess.run(
        command("--keep", str(short)), env=environment(short / "tmp"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot be made" in done.stdout


def test_a_daemon_that_dies_in_the_middle_is_told_and_leaves_nothing(short: Path) -> None:
    running = subprocess.Popen(
        command(), env=environment(short / "tmp"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for_a_machine(short)
    (lock,) = (short / "tmp").glob("*/state/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    said, _ = running.communicate(timeout=DEMO_S_MAX)
    assert running.returncode == 1, said
    assert "Traceback" not in said
    assert "0 machines running, confirmed" in said
    assert said.splitlines()[-1] == "The demo cannot go on: the daemon went away in the middle."
    assert processes_of(short) == []
    assert list((short / "tmp").iterdir()) == []


def test_a_reader_that_goes_away_changes_nothing(short: Path) -> None:
    running = subprocess.Popen(
        command(), env=environment(short / "tmp"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_a_machine(short)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    errors = running.stderr.read()
    running.wait(DEMO_S_MAX)
    running.stderr.close()
    assert "Traceback" not in errors
    assert processes_of(short) == []
    assert list((short / "tmp").iterdir()) == []


# --- inside one process: what goes wrong at a moment that cannot be timed from outside


class Stub:
    """The daemon of a demo that is not started; a signal comes in while it is being stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stopped = 0
        monkeypatch.setattr(House, "start", lambda _: None)
        monkeypatch.setattr(House, "stop", lambda _: self.stop())

    def stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(number)
        self.stopped += 1


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


WRONG = [
    Failure("E-BUSY", "Lastcall is busy"),
    BrokenConnection(),
    Refusal("E-NOTFOUND", "no such job"),
    ValueError("not as long\nas the other"),
    KeyError("prediction"),
    FileNotFoundError(2, "No such file", "answers.csv"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_whatever_goes_wrong_is_one_line_and_everything_is_ended(
    wrong: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def show(*_: object) -> int:
        raise wrong

    stub, before = Stub(monkeypatch), handlers()
    monkeypatch.setattr(demo, "_show", show)
    assert demo.main() == 1
    assert stub.stopped == 1
    assert handlers() == before
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("The demo cannot go on: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_while_everything_is_being_ended_cut_nothing_short(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*_: object) -> int:
        signal.raise_signal(number)
        return 0

    stub, before = Stub(monkeypatch), handlers()
    monkeypatch.setattr(demo, "_show", show)
    assert demo.main() == 130
    assert stub.stopped == 1
    assert handlers() == before


def test_a_signal_after_the_last_step_leaves_the_demo_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Stub(monkeypatch)
    monkeypatch.setattr(demo, "_show", lambda *_: 0)
    assert demo.main() == 0
    assert stub.stopped == 1
