"""``lastcall demo``: the main job, end to end, on real data, on this computer, in under a minute.

Everything happens in a fresh state directory with a daemon of its own, through the same commands a person types; each
is shown before it runs. At the end, and after Ctrl-C too, no process, machine or file of it is left.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from lastcall.cli.client import Client
from lastcall.cli.failures import BrokenConnection, Failure
from lastcall.paths import SOCKET_PATH_BYTES_MAX, UNIX_SCHEME, Places, default_socket
from messages.errors import EXIT_FAILED, EXIT_OK, EXIT_SIGINT, Refusal

PREFIX = "lastcall-demo-"
STATE = "state"
SHORT_FOLDER = "/tmp"  # noqa: S108 (mkdtemp makes a private one inside)
"""Where the demo lives when the temporary folder's own name is too long for a socket path."""
DATA_PACKAGE, DATA_FILE = "palmerpenguins", "palmerpenguins/data/penguins.csv"
TARGET = "species"
HELD_BACK_EVERY = 10
"""Every tenth row is kept from training, to be predicted afterwards."""
READY_S = 20.0
"""Longest wait for the daemon to answer."""
STOP_S = 30.0
"""Longest wait for the daemon to leave in order."""
MAX_RUNTIME = "5m"
"""Limit of the demo's training: its own timer, should everything else be killed."""
POLL_S = 0.05


class DemoFailed(Exception):
    """The demo could not be shown; one line says why."""


class Table(NamedTuple):
    """The data, in two parts."""

    train: Path
    """The rows to learn from."""
    unseen: Path
    """The rows kept back, without the answer."""
    answers: list[str]
    """The answers of the rows kept back."""
    rows: int
    columns: int
    gaps: int


class Stage:
    """Where the demo's words go: to standard error when standard output is for JSON."""

    def __init__(self, *, json_output: bool, colour: bool | None) -> None:
        self.stream = sys.stderr if json_output else sys.stdout
        self.json_output = json_output
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
        self.colour = colour if colour is not None else self.stream.isatty() and not plain

    def say(self, text: str = "") -> None:
        """Write a line."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def heading(self, text: str) -> None:
        """Write a line that stands out."""
        self.say(f"\n\x1b[1m{text}\x1b[0m" if self.colour else f"\n{text}")


class House:
    """A fresh state directory, the daemon in it, and the commands that speak to it."""

    def __init__(self, root: Path, stage: Stage) -> None:
        self.root = root
        self.state = root / STATE
        self.stage = stage
        self.daemon: subprocess.Popen[bytes] | None = None
        socket = default_socket(self.state)
        self.client = Client(Places(self.state, socket, f"{UNIX_SCHEME}{socket}", host_chosen=False))

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without any setting of a real installation."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LASTCALL_", "RUNPOD_", "AWS_", "TELEGRAM_"))}
        return kept | {
            "LASTCALL_STATE_DIR": str(self.state),
            "LASTCALL_LOGGING_LEVEL": "warning",
            "CLOUD_PROVIDER": "local",
            "XDG_CONFIG_HOME": str(self.root / "no-config"),
        }

    def start(self) -> None:
        """Start the daemon and wait until it answers. It lives in a session of its own: Ctrl-C does not reach it."""
        log = self.root / "daemon.log"
        with log.open("wb") as errors:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "lastcall", "daemon"],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        until = time.monotonic() + READY_S
        while not self._answers():
            if self.daemon.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                raise DemoFailed(f"The daemon did not start: {said[0]}")
            time.sleep(POLL_S)

    def _answers(self) -> bool:
        try:
            self.client.get("/v1/version")
        except (Failure, BrokenConnection, Refusal, OSError):
            return False
        return True

    def command(self, *argv: str, quiet: bool = False) -> int:
        """Show a command and run it as a person would; return its exit status."""
        if not quiet:
            self.stage.heading(f"$ lastcall {' '.join(argv)}")
        stream = subprocess.DEVNULL if quiet else self.stage.stream
        errors = subprocess.DEVNULL if quiet else None
        argv = (sys.executable, "-m", "lastcall", *argv)
        return subprocess.run(
            argv, cwd=self.root, env=self.environment, stdout=stream, stderr=errors, check=False
        ).returncode

    def stop(self) -> None:
        """End the daemon in order; whatever it does, it is gone afterwards."""
        if self.daemon is None or self.daemon.poll() is not None:
            return
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()


def main(*, json_output: bool = False, colour: bool | None = None, keep: str | None = None) -> int:
    """Run the demo and return the exit status; ``keep`` names a new directory to leave everything in."""
    stage = Stage(json_output=json_output, colour=colour)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _root(keep) as root:
            return _demo(House(root, stage))
    except DemoFailed as failed:
        stage.say(str(failed))
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_SIGINT
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _root(keep: str | None) -> Iterator[Path]:
    """A fresh directory; removed afterwards unless it is to be kept."""
    if keep is not None:
        root = Path(keep).absolute()
        try:
            root.mkdir(mode=0o700)
        except OSError as error:
            raise DemoFailed(f"{root} cannot be made: {error.strerror}") from error
        yield root
        return
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    if len(os.fsencode(default_socket(root / STATE))) > SOCKET_PATH_BYTES_MAX:
        root.rmdir()
        root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHORT_FOLDER))
    try:
        yield root
    finally:
        shutil.rmtree(root)


def _demo(house: House) -> int:
    try:
        table = split(penguins(), house.root)
        _introduce(house.stage, table)
        house.start()
        return _show(house, table)
    except KeyboardInterrupt:
        _leave_nothing(house)
        raise
    finally:
        house.stop()


def _leave_nothing(house: House) -> None:
    """After Ctrl-C: end what runs, wait for the proof, say so. A second Ctrl-C does not cut this short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        house.stage.say("\nStopping: ending the machine and waiting for the proof that it is gone.")
        house.command("stop", "--all", "--yes", quiet=True)
        for job in _get(house, "/v1/jobs")["jobs"]:
            house.command("wait", job["id"], "--timeout", "30s", quiet=True)
        _last_line(house)
    except (DemoFailed, Failure, BrokenConnection):
        house.stage.say("The daemon was not up yet, so nothing was rented.")
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def penguins() -> Path:
    """Return the data file of the installed package, without importing the package. Raises DemoFailed."""
    try:
        files = metadata.files(DATA_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise DemoFailed(f"The demo's data is not installed: pip install 'lastcall[demo]' ({DATA_PACKAGE})") from error
    found = next((file for file in files if str(file) == DATA_FILE), None)
    if found is None:
        raise DemoFailed(f"The package {DATA_PACKAGE} has no file {DATA_FILE}.")
    return Path(str(found.locate()))


def split(source: Path, folder: Path) -> Table:
    """Write the rows to learn from and the rows kept back; the latter without their answer."""
    with source.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    at = header.index(TARGET)
    kept = [row for number, row in enumerate(rows) if number % HELD_BACK_EVERY == HELD_BACK_EVERY // 2]
    train = [row for number, row in enumerate(rows) if number % HELD_BACK_EVERY != HELD_BACK_EVERY // 2]
    _write(folder / "penguins.csv", [header, *train])
    _write(folder / "unseen.csv", [row[:at] + row[at + 1 :] for row in (header, *kept)])
    gaps = sum(cell in ("", "NA") for row in train for cell in row)
    return Table(
        folder / "penguins.csv", folder / "unseen.csv", [row[at] for row in kept], len(train), len(header), gaps
    )


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _introduce(stage: Stage, table: Table) -> None:
    stage.say(
        f"Real data: {table.rows} penguins measured at Palmer Station, {table.columns} columns of numbers and "
        f"categories, {table.gaps} gaps;"
    )
    stage.say(f"{len(table.answers)} more are kept back. No account, no money: the rented machine is this computer,")
    stage.say("as processes of their own that Lastcall watches, ends, and proves gone like any other machine.")


def _show(house: House, table: Table) -> int:
    order = ("train", table.train.name, "--target", TARGET, "--max-runtime", MAX_RUNTIME, "--logs", "--yes")
    if (status := house.command(*order)) != EXIT_OK:
        return status
    if (status := house.command("predict", "@last", table.unseen.name, "-o", "answers.csv")) != EXIT_OK:
        return status
    right, best_guess = _score(house.root / "answers.csv", table.answers)
    asked = len(table.answers)
    house.stage.say(f"{right} of {asked} rows it had never seen are right; always guessing the same: {best_guess}.")
    if (status := house.command("cost", "--by", "job")) != EXIT_OK:
        return status
    house.stage.heading("$ lastcall machines ls")
    running = _last_line(house)
    if house.stage.json_output:
        _print_json(house, running, right, asked)
    return EXIT_OK if running == 0 else EXIT_FAILED


def _score(answers: Path, truth: list[str]) -> tuple[int, int]:
    with answers.open(newline="") as file:
        given = [row["prediction"] for row in csv.DictReader(file)]
    right = sum(one == other for one, other in zip(given, truth, strict=True))
    return right, Counter(truth).most_common(1)[0][1]


def _last_line(house: House) -> int:
    """Say how many machines exist, from a listing that begins now: after the terminate call, and after its proof."""
    listed = _get(house, "/v1/machines")
    running = int(listed["running"])
    plural = "machine" if running == 1 else "machines"
    sure = "confirmed" if listed["complete"] else "not confirmed: the listing is not complete"
    house.stage.say(f"{running} {plural} running, {sure}")
    return running if listed["complete"] else max(1, running)


def _print_json(house: House, running: int, right: int, asked: int) -> None:
    document = {
        "schema": "demo/v1",
        "job": _get(house, "/v1/jobs/@last")["job"],
        "unseen": {"rows": asked, "right": right},
        "machines_running": running,
    }
    sys.stdout.write(json.dumps(document) + "\n")


def _get(house: House, path: str) -> dict[str, Any]:
    document: dict[str, Any] = house.client.get(path).document
    return document
