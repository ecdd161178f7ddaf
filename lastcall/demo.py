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
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from lastcall.cli.failures import BrokenConnection, Failure
from lastcall.demo_house import STATE, DemoFailed, House, Stage
from lastcall.paths import SOCKET_PATH_BYTES_MAX, default_socket
from messages.errors import EXIT_FAILED, EXIT_OK, EXIT_SIGINT, Refusal

PREFIX = "lastcall-demo-"
SHORT_FOLDER = "/tmp"  # noqa: S108 (mkdtemp makes a private one inside)
"""Where the demo lives when the temporary folder's own name is too long for a socket path."""
DATA_PACKAGE, DATA_FILE = "palmerpenguins", "palmerpenguins/data/penguins.csv"
TARGET = "species"
HELD_BACK_EVERY = 10
"""Every tenth row is kept from training, to be predicted afterwards."""
MAX_RUNTIME = "5m"
"""Limit of the demo's training: its own timer, should everything else be killed."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, an order to end, a closed terminal: all clean up first."""


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


def main(*, json_output: bool = False, colour: bool | None = None, keep: str | None = None) -> int:
    """Run the demo and return the exit status; ``keep`` names a new directory to leave everything in."""
    stage = Stage(json_output=json_output, colour=colour)
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        with _root(keep) as root:
            return _demo(House(root, stage))
    except DemoFailed as failed:
        stage.say(str(failed))
        return failed.exit
    except OSError as failed:
        stage.say(_line_of(failed))
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_SIGINT
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End the demo; from here on only cleaning up is left, which nothing cuts short."""
    _hear_nothing()
    raise KeyboardInterrupt


def _hear_nothing() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


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
    # Twice: a signal can come in before the inner _hear_nothing is through, but only one ever does.
    try:
        try:
            return _shown(house)
        finally:
            _hear_nothing()
    except KeyboardInterrupt:
        house.stage.say("\nStopping: ending the machine and waiting for the proof that it is gone.")
        _leave_nothing(house)
        raise
    except DemoFailed:
        if house.answered:
            _leave_nothing(house)
        raise
    finally:
        _hear_nothing()
        house.stop()


def _shown(house: House) -> int:
    """Show everything; whatever goes wrong is one line. Raises DemoFailed."""
    try:
        table = split(penguins(), house.root)
        _introduce(house.stage, table)
        house.start()
        return _show(house, table)
    except _WRONG as error:
        raise DemoFailed(_line_of(error)) from error


_WRONG = (Failure, BrokenConnection, Refusal, ValueError, LookupError, OSError, csv.Error)
"""What a step of the demo may run into: the daemon's refusal or end, an answer or a file that is not as expected."""


def _line_of(error: Exception) -> str:
    if isinstance(error, Failure):
        return f"The demo cannot go on: {error.happened} ({error.entry.code})"
    if isinstance(error, BrokenConnection):
        return "The demo cannot go on: the daemon went away in the middle."
    words = " ".join(str(error).split())
    return f"The demo cannot go on: {type(error).__name__}: {words}"


def _leave_nothing(house: House) -> None:
    """End what runs, wait for the proof, and say so. Signals are not heard meanwhile."""
    try:
        house.start_again()
        house.command("stop", "--all", "--yes", quiet=True)
        for job in _get(house, "/v1/jobs")["jobs"]:
            house.command("wait", job["id"], "--timeout", "30s", quiet=True)
        _last_line(house)
    except (DemoFailed, *_WRONG) as error:
        if house.answered:
            house.stage.say(f"{_line_of(error)}. What may still run ends by its own timer.")
        else:
            house.stage.say("The daemon was not up yet, so nothing was rented.")


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
    _type(house, "train", table.train.name, "--target", TARGET, "--max-runtime", MAX_RUNTIME, "--logs", "--yes")
    _type(house, "predict", "@last", table.unseen.name, "-o", "answers.csv")
    right, best_guess = _score(house.root / "answers.csv", table.answers)
    asked = len(table.answers)
    house.stage.say(f"{right} of {asked} rows it had never seen are right; always guessing the same: {best_guess}.")
    _type(house, "cost", "--by", "job")
    house.stage.heading("$ lastcall machines ls")
    running = _last_line(house)
    if house.stage.json_output:
        _print_json(house, running, right, asked)
    return EXIT_OK if running == 0 else EXIT_FAILED


def _type(house: House, *argv: str) -> None:
    """Run one command of the demo. Raises DemoFailed with its status; it has said itself what was wrong."""
    if (status := house.command(*argv)) != EXIT_OK:
        raise DemoFailed(f"The demo ends here: lastcall {argv[0]} ended with status {status}.", status)


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
