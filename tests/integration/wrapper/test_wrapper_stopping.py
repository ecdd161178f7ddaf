"""Stop, deadline, the platform's notice, and silence."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.wrapper.machine import FAR_S, WrapperRun
from tests.support.patience import wait_until

SLEEPS = "import time; print('running'); time.sleep(600)"
TIDY = """
import signal, sys, time
def tidy(*_):
    open("out/checkpoint", "w").write("half")
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
print("running")
time.sleep(600)
"""


def test_a_stop_lets_the_work_tidy_up_and_is_a_cancel(machine: WrapperRun) -> None:
    machine.spec(TIDY)
    process = machine.start(LASTCALL_STOP_GRACE_S=FAR_S)
    machine.running()
    machine.control(1, FAR_S, stop=True)
    machine.end(process)
    marker = machine.marker
    assert (marker["outcome"], marker["code"], marker["exit_code"]) == ("cancelled", "E-CANCELLED", 0)
    assert [artifact["name"] for artifact in marker["artifacts"]] == ["artifacts/checkpoint"]


def test_work_that_ignores_a_stop_is_killed_after_the_grace(machine: WrapperRun) -> None:
    machine.spec("import signal; signal.signal(15, signal.SIG_IGN);" + SLEEPS)
    process = machine.start()
    machine.running()
    machine.control(1, FAR_S, stop=True)
    machine.end(process)
    assert (machine.marker["code"], machine.marker["signal"]) == ("E-CANCELLED", signal.SIGKILL)


def test_a_stop_that_is_there_before_the_start_runs_nothing(machine: WrapperRun) -> None:
    machine.control(1, FAR_S, stop=True)
    machine.spec(SLEEPS)
    assert machine.run()["code"] == "E-CANCELLED"
    assert machine.log == []


def test_a_start_after_the_deadline_runs_nothing(machine: WrapperRun) -> None:
    machine.spec(SLEEPS)
    assert machine.run(soft_in_s=0.1)["code"] == "E-TIMEOUT"
    assert machine.log == []


def test_a_control_can_bring_the_deadline_forward(machine: WrapperRun) -> None:
    machine.spec(SLEEPS)
    process = machine.start()
    machine.running()
    machine.control(1, 0.2)
    machine.end(process)
    assert machine.marker["code"] == "E-TIMEOUT"


def test_a_control_can_move_the_deadline_back_but_a_lower_seq_counts_for_nothing(wrapper: Path, tmp_path: Path) -> None:
    for soft_in_s in (4.0, 16.0, 64.0):  # a busy computer may be too late for the first
        machine = WrapperRun(wrapper, tmp_path / f"{soft_in_s}")
        try:
            proven = _outlives(machine, soft_in_s)
            assert not proven or machine.marker["outcome"] == "succeeded"
        finally:
            machine.close()
        if proven:
            return
    pytest.fail("no control was read before its deadline")


def _outlives(machine: WrapperRun, soft_in_s: float) -> bool:
    """Let work end after the deadline it was started with; return whether a later one was known in good time."""
    go_on = machine.storage / "go on"
    machine.spec(f"import os, time; print('running')\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.02)")
    soft = time.time() + soft_in_s
    process = machine.start(soft_in_s=soft_in_s, LASTCALL_HARD_DEADLINE=soft + 3 * FAR_S)
    machine.running()
    machine.control(5, FAR_S)
    machine.heard()
    in_good_time = time.time() < soft - 1.0
    machine.control(4, FAR_S, stop=True)
    machine.heard()
    wait_until(lambda: machine.over or time.time() > soft + 0.3)
    go_on.touch()
    machine.end(process)
    return in_good_time


def test_an_unreadable_control_changes_nothing(machine: WrapperRun) -> None:
    machine.spec("import time; print('running'); time.sleep(0.7)")
    process = machine.start()
    machine.running()
    (machine.folder / "control.json").write_text('{"seq": 1, "stop_req')
    machine.end(process)
    assert machine.marker["outcome"] == "succeeded"


def test_the_platforms_notice_is_an_interruption_within_its_few_seconds(machine: WrapperRun) -> None:
    """Fault 24."""
    machine.spec("import signal; signal.signal(15, signal.SIG_IGN);" + SLEEPS)
    process = machine.start()
    machine.running()
    process.terminate()
    began = time.monotonic()
    machine.end(process)
    assert (machine.marker["outcome"], machine.marker["code"]) == ("interrupted", "E-INTERRUPTED")
    assert time.monotonic() - began > 3.5, "it had its few seconds"


@pytest.mark.parametrize("first", ["work", "wrapper"])
def test_a_shutdown_is_an_interruption_whomever_its_sigterm_reaches_first(machine: WrapperRun, first: str) -> None:
    """Whoever shuts a machine down sends it to every process, in any order."""
    machine.spec("import os, time; print('work', os.getpid()); time.sleep(600)")
    process = machine.start()
    pids = {"work": machine.pid_said("work"), "wrapper": process.pid}
    os.kill(pids.pop(first), signal.SIGTERM)
    time.sleep(0.3 if first == "work" else 0.0)
    for pid in pids.values():
        with suppress(ProcessLookupError):  # the wrapper was faster to end its work
            os.kill(pid, signal.SIGTERM)
    machine.end(process)
    assert (machine.marker["outcome"], machine.marker["code"]) == ("interrupted", "E-INTERRUPTED")
    assert machine.marker["signal"] == signal.SIGTERM


def test_work_that_somebody_ended_and_nothing_else_has_failed(machine: WrapperRun) -> None:
    machine.spec("import os, time; print('work', os.getpid()); time.sleep(600)")
    process = machine.start()
    os.kill(machine.pid_said("work"), signal.SIGTERM)
    machine.end(process)
    assert (machine.marker["outcome"], machine.marker["code"]) == ("failed", "E-WORK")


def test_a_notice_before_the_start_runs_nothing(machine: WrapperRun) -> None:
    process = machine.start()
    wait_until(lambda: _handles(process.pid, signal.SIGTERM))
    process.terminate()
    machine.end(process)
    assert machine.marker["code"] == "E-INTERRUPTED"


def _handles(pid: int, number: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(mask >> (number - 1) & 1)


def test_silence_of_the_daemon_changes_nothing(machine: WrapperRun) -> None:
    """Fault 32: nobody writes a control, nobody reads a heartbeat, and the work runs to its end."""
    machine.spec("import time; time.sleep(1); print('done')")
    marker = machine.run()
    assert marker["outcome"] == "succeeded"
    assert machine.log == ["done"]
