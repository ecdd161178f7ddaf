"""Memory limits, processes, GPU answers, the timer: what the wrapper knows of its machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from containers.job import memory, processes
from containers.job.clock import Clock
from containers.job.gpu import CALL_LIMIT_S, GpuProbe, mean_percent
from containers.job.processes import Seen, carries_marker, descendants, kill, look, members
from containers.job.timer import AFTER_DEADLINE_S, Timer
from tests.unit.wrapper.fakes import NOW, StillClock

GIB = 1 << 30


def host(root: Path, cgroup: str, **files: str) -> Path:
    """A computer of 16 GiB as its /proc and /sys show it."""
    meminfo = f"MemFree: 1 kB\nMemTotal: {16 * GIB // 1024} kB\n"
    contents = {"proc/meminfo": meminfo, "proc/self/cgroup": cgroup, **files}
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    host(tmp_path, "0::/a/b\n", **{f"{base}/a/b/memory.max": "max", f"{base}/a/memory.max": str(4 * GIB)})
    assert memory.limit_bytes(0, tmp_path) == 4 * GIB
    assert memory.limit_bytes(123, tmp_path) == 123


def test_cgroups_of_version_1_count_and_their_unlimited_does_not(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory"
    host(tmp_path, "5:cpu:/\n4:hugetlb,memory:/a\n", **{f"{base}/a/memory.limit_in_bytes": "9223372036854771712"})
    assert memory.limit_bytes(0, tmp_path) == 16 * GIB
    (tmp_path / base / "memory.limit_in_bytes").write_text(str(2 * GIB))
    assert memory.limit_bytes(0, tmp_path) == 2 * GIB


def test_a_container_that_sees_its_own_cgroup_as_root(tmp_path: Path) -> None:
    base = "sys/fs/cgroup"
    host(tmp_path, "0::/\n", **{f"{base}/memory.max": f"{GIB}\n", f"{base}/memory.events": "oom 3\noom_kill 2\n"})
    assert memory.limit_bytes(0, tmp_path) == GIB
    assert memory.oom_kills(tmp_path) == 2


def test_without_a_limit_of_its_own_the_hosts_counter_tells(tmp_path: Path) -> None:
    host(tmp_path, "0::/\n", **{"proc/vmstat": "pgfault 1\noom_kill 7\n"})
    assert memory.oom_kills(tmp_path) == 7
    assert memory.oom_kills(tmp_path / "nothing") == 0
    assert memory.limit_bytes(0, tmp_path / "nothing") > 0


def test_pages_shared_by_forked_processes_count_once_near_the_limit(tmp_path: Path) -> None:
    pages = 1000 * memory.PAGE_BYTES
    files = {f"proc/{pid}/statm": "9999 1000 5" for pid in (1, 2, 3)}
    files |= {f"proc/{pid}/smaps_rollup": f"Rss: 1 kB\nPss: {pages // 2 // 1024} kB\n" for pid in (1, 2)}
    host(tmp_path, "", **files)
    assert memory.used_bytes([1, 2, 99], 100 * pages, tmp_path) == 2 * pages
    assert memory.used_bytes([1, 2], 2 * pages, tmp_path) == pages
    assert memory.used_bytes([1, 3], 2 * pages, tmp_path) == pages // 2 + pages
    assert memory.used_bytes([1], pages, tmp_path) == pages


def test_descendants_are_found_at_any_depth_and_loops_end() -> None:
    table = {pid: Seen(pid, parent, "S", 0) for pid, parent in ((2, 1), (3, 2), (4, 9), (9, 4))}
    assert {seen.pid for seen in descendants(table, {1})} == {2, 3}
    assert {seen.pid for seen in descendants(table, {4})} == {9}


def test_a_process_whose_start_time_differs_is_not_signalled() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]) as process:
        seen = look(process.pid)
        assert seen is not None
        kill(seen._replace(start=seen.start + 1), signal.SIGKILL)
        assert process.poll() is None
        kill(seen, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        kill(seen, signal.SIGKILL)


def test_without_pidfd_the_start_time_still_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> int:
        raise OSError("no pidfd here")

    monkeypatch.setattr(os, "pidfd_open", refused)
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]) as process:
        seen = look(process.pid)
        assert seen is not None
        kill(seen, signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


def test_the_marker_is_matched_whole() -> None:
    environment = {"LASTCALL_MACHINE": "lc1-abc"}
    argv = [sys.executable, "-I", "-S", "-c", "input()"]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE) as process:
        while look(process.pid) is None or not carries_marker(process.pid, "lc1-abc"):
            pass
        assert not carries_marker(process.pid, "lc1-ab")
        assert process.pid in {seen.pid for seen in members("lc1-abc")}
        process.kill()
    assert not carries_marker(process.pid, "lc1-abc")
    assert not carries_marker(1 << 22, "lc1-abc")


def test_gpu_answers_are_averaged() -> None:
    assert mean_percent(b"20\n40\n") == 30
    assert mean_percent(b"[N/A]\n") is None
    assert mean_percent(b"\xff") is None


def driver(root: Path, script: str) -> str:
    path = root / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{root}:/usr/bin:/bin"


def collect(probe: GpuProbe) -> None:
    assert probe.pid is not None
    _, status = os.waitpid(probe.pid, 0)
    probe.on_exit(os.waitstatus_to_exitcode(status))


def test_a_gpu_is_asked_at_its_interval(tmp_path: Path) -> None:
    probe = GpuProbe(10, driver(tmp_path, "echo 55"))
    probe.tick(0)
    probe.tick(1)
    collect(probe)
    assert probe.percent == 55
    probe.tick(5)
    assert probe.pid is None
    probe.tick(10)
    collect(probe)


def test_a_driver_that_never_answers_is_given_up(tmp_path: Path) -> None:
    probe = GpuProbe(10, driver(tmp_path, "exec sleep 60"))
    probe.tick(0)
    probe.tick(CALL_LIMIT_S + 1)
    collect(probe)
    assert probe.percent is None


def test_a_driver_that_cannot_be_started_is_not_asked_again(tmp_path: Path) -> None:
    path = driver(tmp_path, "")
    (tmp_path / "nvidia-smi").write_text("#!/no/such/shell\n")
    probe = GpuProbe(10, path)
    probe.tick(0)
    assert probe.pid is None
    probe.tick(20)
    GpuProbe(10, str(tmp_path / "nowhere")).tick(0)


def test_the_timer_fires_once_at_the_first_limit() -> None:
    fired = threading.Event()
    clock = StillClock()
    timer = Timer(clock, NOW + 10, NOW + 500, fired.set)
    assert timer.left_s() == 10 + AFTER_DEADLINE_S
    timer.move_deadline(NOW + 10_000)
    assert timer.left_s() == 500
    timer.limit_span(50)
    timer.shorten_span(60)
    assert timer.left_s() == 50
    timer.shorten_span(0)
    timer.start()
    assert fired.wait(10)


def test_a_timer_that_was_stopped_never_fires() -> None:
    fired = threading.Event()
    timer = Timer(StillClock(), NOW + 10, NOW + 500, fired.set)
    timer.start()
    timer.stop()
    timer._thread.join(10)
    assert not fired.is_set()


def test_killing_gives_up_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something in an uninterruptible call is still there when the limit has passed."""
    stuck = Seen(1 << 22, 1, "D", 0)
    monkeypatch.setattr(processes, "members", lambda _: [stuck])
    monkeypatch.setattr(processes, "reap", lambda _: True)
    clock = StillClock()
    assert not processes.kill_everything("lc1-x", clock, processes.ignore_exit)
    assert processes.KILL_LIMIT_S <= clock.passed < processes.KILL_LIMIT_S + 1


def test_the_clock_of_these_tests_is_a_clock() -> None:
    assert isinstance(StillClock(), Clock)
