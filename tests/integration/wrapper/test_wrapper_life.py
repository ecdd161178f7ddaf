"""A machine's life from start to end, as the job folder tells it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os

from messages.folder import Heartbeat, LogLine, Progress, Started
from messages.jobs import ResultMarker
from tests.integration.wrapper.machine import FAR_S, PYTHON, WrapperRun

GOOD = """
import json, os, sys
print("reading", open("data.csv").read().strip(), json.load(open("work.json"))["target"])
print("to stderr", file=sys.stderr)
path = os.environ["LASTCALL_PROGRESS_FILE"]
open(path + ".t", "w").write(json.dumps({"stage": "fit", "percent": 40, "metric": {"loss": 0.5}}))
os.replace(path + ".t", path)
os.mkdir("out/plots")
open("out/model.skops", "wb").write(b"model")
open("out/plots/a.png", "wb").write(b"png")
os.symlink("/etc/hostname", "out/link")
print("last line")
"""


def test_work_that_ends_well_leaves_results_log_and_progress_and_the_marker_last(machine: WrapperRun) -> None:
    (machine.storage / "data.csv").write_text("a,b")
    machine.spec(
        GOOD, work_spec={"target": "b"}, inputs={"data.csv": "data.csv"}, artifacts_required=["artifacts/model.skops"]
    )
    marker = ResultMarker.model_validate(machine.run())
    assert (marker.outcome, marker.code, marker.exit_code) == ("succeeded", None, 0)
    stored = {artifact.name: artifact for artifact in marker.artifacts}
    assert set(stored) == {"artifacts/model.skops", "artifacts/plots/a.png"}
    assert stored["artifacts/model.skops"].sha256 == hashlib.sha256(b"model").hexdigest()
    assert (machine.folder / "artifacts/model.skops").read_bytes() == b"model"
    lines = [LogLine.model_validate(line) for line in machine.lines]
    assert [line.text for line in lines if line.stream == "stdout"] == ["reading a,b b", "last line"]
    assert [line.text for line in lines if line.stream == "stderr"] == ["to stderr"]
    assert any("link" in line.text for line in lines if line.stream == "wrapper")
    started = Started.model_validate(machine.read("started.json"))
    assert (started.nonce, started.machine) == (marker.nonce, machine.name)
    assert started.started_at == marker.started_at
    progress = Progress.model_validate(machine.read("progress.json"))
    assert (progress.stage, progress.percent, progress.metric) == ("fit", 40, {"loss": 0.5})
    heartbeat = Heartbeat.model_validate(machine.read("heartbeat.json"))
    assert heartbeat.log_files == len(list((machine.folder / "log").iterdir()))
    assert heartbeat.stage == "ending"
    written = (machine.folder / "result.json").stat().st_mtime_ns
    assert all(p.stat().st_mtime_ns <= written for p in machine.folder.rglob("*") if p.is_file())
    assert not [p for p in machine.folder.rglob("*") if p.name.startswith(".")]


def test_the_work_sees_nothing_of_the_daemon(machine: WrapperRun) -> None:
    lock = os.open(machine.directory / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    script = (
        "import os, json; print(json.dumps(dict(os.environ)));"
        "print([os.readlink(f'/proc/self/fd/{n}') for n in range(3, 20) if os.path.exists(f'/proc/self/fd/{n}')])"
    )
    work = {"argv": [*PYTHON, script], "environment": {"MINE": "yes", "LASTCALL_MACHINE": "another"}}
    machine.spec("", work=work)
    machine.run(LASTCALL_LOCK_FD=lock)
    os.close(lock)
    seen = json.loads(machine.log[0])
    assert set(seen) - {"LC_CTYPE"} == {
        "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "PYTHONUNBUFFERED", "MINE",
        "LASTCALL_MACHINE", "LASTCALL_PROGRESS_FILE", "LASTCALL_OUT", "LASTCALL_PYTHON", "LASTCALL_CHECKPOINT_FILE",
        "LASTCALL_WORK_MEMORY_BYTES",
    }  # fmt: skip
    assert seen["LASTCALL_MACHINE"] == machine.name
    assert "lock" not in machine.log[1]


def test_the_wrapper_holds_the_inherited_lock_until_it_ends(machine: WrapperRun) -> None:
    lock = os.open(machine.directory / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    machine.spec("import time; print('running'); time.sleep(600)")
    process = machine.start(LASTCALL_LOCK_FD=lock)
    os.close(lock)
    machine.running()
    other = os.open(machine.directory / "lock", os.O_RDWR)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = True
    except BlockingIOError:
        taken = False
    machine.control(1, FAR_S, stop=True)
    machine.end(process)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert not taken


def test_preparing_runs_first_and_ships_its_log(machine: WrapperRun) -> None:
    machine.spec(
        "print('work', open('prepared').read())",
        prepare={"argv": [*PYTHON, "print('preparing'); open('prepared', 'w').write('yes')"], "limit_s": 30},
    )
    assert machine.run()["outcome"] == "succeeded"
    assert machine.log == ["preparing", "work yes"]


def test_preparing_that_fails_runs_no_work(machine: WrapperRun) -> None:
    machine.spec("print('work')", prepare={"argv": [*PYTHON, "raise SystemExit('no such wheel')"]})
    marker = machine.run()
    assert (marker["outcome"], marker["code"], marker["exit_code"]) == ("failed", "E-PREPARE", 1)
    assert "no such wheel" in marker["detail"]
    assert machine.log == ["no such wheel"]


def test_preparing_has_a_limit_of_its_own(machine: WrapperRun) -> None:
    machine.spec(
        "print('work')",
        prepare={
            "argv": [*PYTHON, "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"],
            "limit_s": 0.5,
        },
    )
    assert machine.run()["code"] == "E-PREPARE"
    assert "work" not in machine.log


def test_an_environment_that_cannot_be_worked_from_runs_nothing(machine: WrapperRun) -> None:
    machine.spec("print('work')")
    for missing in ("LASTCALL_MACHINE", "LASTCALL_JOB_FOLDER", "LASTCALL_SOFT_DEADLINE", "LASTCALL_HARD_DEADLINE"):
        process = machine.start(without=missing)
        machine.end(process, exit_code=78)
        assert process.stderr is not None
        assert missing in process.stderr.read().decode()
    assert sorted(path.name for path in machine.folder.iterdir()) == ["spec.json"]


def test_a_missing_input_is_named(machine: WrapperRun) -> None:
    machine.spec("print('work')", inputs={"data.csv": "gone.csv"})
    marker = machine.run()
    assert (marker["outcome"], marker["code"]) == ("interrupted", "E-FOLDER")
    assert "data.csv" in marker["detail"]


def test_a_spec_that_is_none_is_refused_at_once(machine: WrapperRun) -> None:
    (machine.folder / "spec.json").write_text('{"schema": "spec/v9"}')
    assert machine.run(LASTCALL_FOLDER_WAIT_S=FAR_S)["code"] == "E-FOLDER"
    assert machine.read("started.json") is None
