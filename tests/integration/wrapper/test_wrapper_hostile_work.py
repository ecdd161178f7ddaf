"""Training that behaves badly: the right outcome and code each, and none of its processes left."""

from __future__ import annotations

import os
import signal

import pytest

from containers.job.processes import scan
from tests.integration.wrapper.machine import FAR_S, WrapperRun, is_gone
from tests.support.patience import PATIENCE_S, wait_until

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('running'); time.sleep(600)"

FORKS = """
import os, sys, time
ready, tell = os.pipe()
def child(word, clear):
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.write(1, f"{word} {os.getpid()}\\n".encode())  # at once: both write to one pipe
    os.write(tell, b".")
    program = [sys.executable, "-I", "-S", "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    os.execve(program[0], program, {} if clear else dict(os.environ))
child("marked", False)
child("cleared", True)
os.read(ready, 1), os.read(ready, 1)
print("running")
"""  # noqa: E501

EATS = """
import time
held = []
while True:
    held.append(bytearray(b"x" * (8 << 20)))
    time.sleep(0.01)
"""


def test_work_that_ignores_sigterm_is_killed_at_the_deadline(machine: WrapperRun) -> None:
    machine.spec(DEAF)
    process = machine.start()
    machine.running()
    machine.control(1, 0.5)
    machine.end(process)
    marker = machine.marker
    assert (marker["outcome"], marker["code"], marker["signal"]) == ("timed_out", "E-TIMEOUT", signal.SIGKILL)
    assert machine.log == ["running", "stopping the work: deadline"]


def test_work_that_hangs_ends_at_its_longest_runtime(machine: WrapperRun) -> None:
    machine.spec("import time; time.sleep(600)")
    marker = machine.run(LASTCALL_MAX_RUNTIME_S=FAR_S + 1, LASTCALL_TERM_LEAD_S=FAR_S, soft_in_s=2 * FAR_S)
    assert (marker["outcome"], marker["code"], marker["signal"]) == ("timed_out", "E-TIMEOUT", signal.SIGTERM)


def test_grandchildren_in_sessions_of_their_own_are_killed_when_the_work_exits(machine: WrapperRun) -> None:
    machine.spec(FORKS)
    marker = machine.run()
    assert marker["outcome"] == "succeeded"
    for word in ("marked", "cleared"):
        assert is_gone(machine.pid_said(word))


def test_grandchildren_with_an_emptied_environment_do_not_outlive_a_stop(machine: WrapperRun) -> None:
    machine.spec(FORKS + "\ntime.sleep(600)")
    process = machine.start()
    pids = [machine.pid_said(word) for word in ("marked", "cleared")]
    machine.control(1, FAR_S, stop=True)
    machine.end(process)
    assert machine.marker["code"] == "E-CANCELLED"
    assert all(is_gone(pid) for pid in pids)


def test_work_that_eats_memory_is_ended_before_the_limit_and_says_so(machine: WrapperRun) -> None:
    """Fault 22."""
    machine.spec(EATS)
    marker = machine.run(LASTCALL_MEMORY_LIMIT_BYTES=300 << 20)
    assert (marker["outcome"], marker["code"]) == ("failed", "E-OOM")
    assert marker["max_rss_bytes"] >= 280 << 20
    heartbeat = machine.read("heartbeat.json")
    assert heartbeat is not None
    assert heartbeat["memory_limit_bytes"] == 300 << 20


def test_memory_is_counted_over_the_whole_tree(machine: WrapperRun) -> None:
    child = "held = bytearray(b'x' * (120 << 20)); import time; time.sleep(600)"
    machine.spec(
        "import subprocess, sys, time; [subprocess.Popen([sys.executable, '-c', sys.argv[1]]) for _ in '123'];"
        "time.sleep(600)",
        child,
    )
    assert machine.run(LASTCALL_MEMORY_LIMIT_BYTES=300 << 20)["code"] == "E-OOM"


def test_a_sigkill_that_is_not_ours_with_memory_all_but_full_reads_as_out_of_memory(machine: WrapperRun) -> None:
    machine.spec("import os, time; held = b'x' * (276 << 20); print('running'); time.sleep(600)")
    process = machine.start(LASTCALL_MEMORY_LIMIT_BYTES=300 << 20)
    wait_until(lambda: (machine.read("heartbeat.json") or {}).get("rss_bytes", 0) > 270 << 20)
    os.kill(next(seen.pid for seen in scan().values() if seen.parent == process.pid), signal.SIGKILL)
    machine.end(process)
    marker = machine.marker
    assert (marker["outcome"], marker["code"], marker["signal"]) == ("failed", "E-OOM", signal.SIGKILL)


def test_a_sigkill_without_any_sign_of_memory_is_a_failed_program(machine: WrapperRun) -> None:
    machine.spec("import os; os.kill(os.getpid(), 9)")
    marker = machine.run()
    assert (marker["outcome"], marker["code"], marker["signal"]) == ("failed", "E-WORK", signal.SIGKILL)


def test_exit_0_without_the_result_is_a_failure(machine: WrapperRun) -> None:
    """Fault 30."""
    machine.spec("open('out/metrics.json', 'w').write('{}')", artifacts_required=["artifacts/model.skops"])
    marker = machine.run()
    assert (marker["outcome"], marker["code"]) == ("failed", "E-NORESULT")
    assert "artifacts/model.skops is missing" in marker["detail"]
    assert [artifact["name"] for artifact in marker["artifacts"]] == ["artifacts/metrics.json"]


def test_a_symlink_is_no_result(machine: WrapperRun) -> None:
    machine.spec(
        "import os; os.symlink('/etc/passwd', 'out/model.skops')", artifacts_required=["artifacts/model.skops"]
    )
    marker = machine.run()
    assert marker["code"] == "E-NORESULT"
    assert "not a regular file" in marker["detail"]
    assert not (machine.folder / "artifacts").exists()


def test_a_known_error_keeps_its_code_and_its_words(machine: WrapperRun) -> None:
    machine.spec(
        "import json, sys;"
        "json.dump({'code': 'E-TASK', 'detail': 'logistic needs classes'}, open('out/error.json', 'w'));"
        "open('out/metrics.json', 'w').write('{}'); sys.exit(3)"
    )
    marker = machine.run()
    assert (marker["outcome"], marker["code"], marker["detail"]) == ("failed", "E-TASK", "logistic needs classes")
    assert [artifact["name"] for artifact in marker["artifacts"]] == ["artifacts/metrics.json"]


def test_a_crash_is_a_failed_program_with_its_last_error_line(machine: WrapperRun) -> None:
    machine.spec("raise ValueError('bad column')")
    marker = machine.run()
    assert (marker["outcome"], marker["code"], marker["exit_code"]) == ("failed", "E-WORK", 1)
    assert "ValueError: bad column" in marker["detail"]


@pytest.mark.parametrize("argv", [["/no/such/program"], ["no-such-program"]])
def test_a_program_that_does_not_exist_is_a_failed_program(machine: WrapperRun, argv: list[str]) -> None:
    machine.spec("", work={"argv": argv})
    marker = machine.run()
    assert (marker["outcome"], marker["code"]) == ("failed", "E-WORK")
    assert "could not be started" in marker["detail"]


def test_a_full_disk_is_named(machine: WrapperRun) -> None:
    machine.spec("import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))")
    assert machine.run()["code"] == "E-DISK"


def test_work_that_closes_its_output_and_goes_on_is_still_watched(machine: WrapperRun) -> None:
    machine.spec("import os, time; os.close(1); os.close(2); time.sleep(0.5); open('out/a', 'w').write('x')")
    marker = machine.run()
    assert marker["outcome"] == "succeeded"
    assert len(marker["artifacts"]) == 1


def test_zombies_of_others_are_reaped_while_the_work_runs(machine: WrapperRun) -> None:
    script = (
        "import os, time\n"
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        if os.fork() == 0:\n"
        "            os._exit(0)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "print('running'); time.sleep(600)"
    )
    machine.spec(script)
    process = machine.start()
    machine.running()
    wait_until(lambda: _children(process.pid) == 1)
    machine.control(1, FAR_S, stop=True)
    machine.end(process)


def _children(pid: int) -> int:
    return sum(1 for seen in scan().values() if seen.parent == pid)


def test_work_that_kills_the_wrapper_leaves_no_marker_and_a_second_start_clears_up(machine: WrapperRun) -> None:
    """Fault 31: the daemon's path alone must do; here the platform's restart does."""
    machine.spec("import os, time; print('running'); os.kill(os.getppid(), 9); time.sleep(600)")
    process = machine.start()
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    assert machine.read("result.json") is None
    machine.end(machine.start())
    assert machine.marker["code"] == "E-RESTARTED"
