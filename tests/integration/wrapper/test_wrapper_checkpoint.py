"""What a machine keeps of its work before it ends, and what the next attempt's machine goes on from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.wrapper.machine import WrapperRun
from tests.support.patience import wait_until

COUNTS = """
import os, signal, sys, time
path = os.environ["LASTCALL_CHECKPOINT_FILE"]
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
done = int(open(path).read()) if os.path.exists(path) else 0
print("from", done)
def keep():
    open(path + ".new", "w").write(str(done))
    os.replace(path + ".new", path)
last = int(sys.argv[1])
while done < last:
    done += 1
    if done % 5 == 0:
        keep()
    if stopping:
        keep()
        print("stopped at", done)
        sys.exit(143)
    time.sleep(0.02)
print("running")
time.sleep(float(sys.argv[2]))
"""
"""Counts, keeps every fifth number, goes on from what is kept."""


def attempt(wrapper: Path, root: Path, number: int, last: int, then_s: float = 0.0) -> WrapperRun:
    """Return the machine of one attempt; those of all attempts share the storage."""
    machine = WrapperRun(wrapper, root / f"machine {number}")
    machine.storage = root / "storage"
    machine.folder = machine.storage / "jobs" / str(number)
    machine.folder.mkdir(parents=True)
    keys = [f"jobs/{earlier}/checkpoint.json" for earlier in range(number - 1, 0, -1)]
    machine.spec(COUNTS, str(last), str(then_s), attempt=number, resume=keys)
    return machine


def start(machine: WrapperRun) -> None:
    number = machine.folder.name
    machine.start(LASTCALL_ATTEMPT=number, LASTCALL_CHECKPOINT_INTERVAL_S="0.05")


def said(machine: WrapperRun, word: str) -> int:
    return int(next(line for line in machine.log if line.startswith(word)).split()[-1])


def test_work_that_is_interrupted_goes_on_from_its_last_word_on_the_next_machine(wrapper: Path, tmp_path: Path) -> None:
    first = attempt(wrapper, tmp_path, 1, 10_000)
    second = attempt(wrapper, tmp_path, 2, 1)
    third = attempt(wrapper, tmp_path, 3, 1)
    try:
        start(first)
        wait_until(lambda: first.read("checkpoint.json"))
        first.started[0].terminate()
        first.end(first.started[0])
        assert (first.marker["code"], first.marker["artifacts"]) == ("E-INTERRUPTED", [])
        stopped = said(first, "stopped at")
        start(second)
        second.end(second.started[0])
        assert (second.marker["outcome"], said(second, "from")) == ("succeeded", stopped)
        size = len(str(stopped))
        assert f"going on from the checkpoint of attempt 1 ({size} bytes)" in second.log
        for slot in (first.folder / "checkpoint").iterdir():
            slot.write_bytes(b"torn")
        start(third)
        third.end(third.started[0])
        assert (third.marker["outcome"], said(third, "from")) == ("succeeded", 0)
        assert any("starting from the beginning" in line for line in third.log)
    finally:
        for machine in (first, second, third):
            machine.close()


def test_what_was_kept_of_work_that_is_done_goes(wrapper: Path, tmp_path: Path) -> None:
    machine = attempt(wrapper, tmp_path, 1, 20, then_s=0.5)
    try:
        start(machine)
        wait_until(lambda: machine.read("checkpoint.json"))
        machine.end(machine.started[0])
        assert machine.marker["outcome"] == "succeeded"
        assert list((machine.folder / "checkpoint").iterdir()) == []
        assert machine.read("checkpoint.json") is None
    finally:
        machine.close()


@pytest.mark.parametrize("how", ["deadline", "killed"])
def test_work_whose_time_is_up_or_that_is_killed_has_left_what_it_kept(wrapper: Path, tmp_path: Path, how: str) -> None:
    machine = attempt(wrapper, tmp_path, 1, 100_000)
    try:
        start(machine)
        wait_until(lambda: machine.read("checkpoint.json"))
        if how == "deadline":
            machine.control(1, 0.5)
            machine.end(machine.started[0])
            assert machine.marker["code"] == "E-TIMEOUT"
        else:
            machine.started[0].kill()
            machine.started[0].wait()
        names = [entry["name"] for entry in json.loads((machine.folder / "checkpoint.json").read_text())["files"]]
        kept = int((machine.folder / names[0]).read_text())
        if how == "deadline":
            assert kept == said(machine, "stopped at")
        assert kept > 0
    finally:
        machine.close()
