"""Helper processes as the daemon really starts them."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lastcall import sandbox
from lastcall.spawner import SANDBOX, SystemSpawner
from tests.support import processes
from tests.support.patience import PATIENCE_S

FAST_S = PATIENCE_S


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_dead(pid: int) -> bool:
    until = time.monotonic() + FAST_S
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


async def test_output_and_exit_code_come_back() -> None:
    result = await SystemSpawner().run(
        python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), timeout_s=FAST_S
    )
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


async def test_a_signal_is_a_negative_exit_code() -> None:
    result = await SystemSpawner().run(python("import os; os.kill(os.getpid(), 15)"), timeout_s=FAST_S)
    assert result.exit_code == -signal.SIGTERM


async def test_nothing_of_our_environment_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "canary")
    result = await SystemSpawner().run(
        python("import os; print(sorted(os.environ.items()))"), timeout_s=FAST_S, environment={"HOME": "/somewhere"}
    )
    assert b"canary" not in result.stdout
    names = {name for name, _ in ast.literal_eval(result.stdout.decode())}
    assert names - {"LC_CTYPE"} == {"PATH", "HOME", "LANG"}
    assert b"/somewhere" in result.stdout


async def test_it_gets_no_new_privileges_no_core_files_and_its_own_session() -> None:
    code = (
        "import os, resource; status = open('/proc/self/status').read();"
        "print('NoNewPrivs:\\t1' in status, resource.getrlimit(resource.RLIMIT_CORE), os.getsid(0) == os.getpid())"
    )
    result = await SystemSpawner().run(python(code), timeout_s=FAST_S)
    assert result.stdout == b"True (0, 0) True\n"


async def test_more_memory_than_allowed_is_refused_to_it() -> None:
    limit = 256 << 20
    result = await SystemSpawner().run(python("x = bytearray(400 << 20)"), timeout_s=FAST_S, memory_limit_bytes=limit)
    assert result.exit_code == 1
    assert b"MemoryError" in result.stderr


async def test_output_is_cut_at_its_limit_and_the_process_not_held_up() -> None:
    result = await SystemSpawner().run(
        python("import sys; sys.stdout.write('x' * 3_000_000)"), timeout_s=FAST_S, output_limit_bytes=1_000
    )
    assert (result.exit_code, len(result.stdout)) == (0, 1_000)


async def test_the_whole_group_is_killed_at_the_timeout(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 600 & echo $! >'{note}~'; mv '{note}~' '{note}'; wait"  # a shell starts in no time
    with pytest.raises(TimeoutError):
        await SystemSpawner().run(["/bin/sh", "-c", script], timeout_s=2.0)
    assert wait_dead(int(note.read_text()))


async def test_children_left_behind_die_with_it() -> None:
    code = "import os, time\nchild = os.fork()\nif child: print(child)\nelse: time.sleep(600)"
    result = await SystemSpawner().run(python(code), timeout_s=FAST_S)
    assert result.exit_code == 0
    assert wait_dead(int(result.stdout))


async def test_a_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    task = asyncio.create_task(SystemSpawner().run(python(code), timeout_s=FAST_S))
    while not (note.exists() and note.read_text()):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wait_dead(int(note.read_text()))


async def test_no_descriptor_and_no_zombie_stays() -> None:
    spawner, children = SystemSpawner(), processes.children()
    await spawner.run(python("pass"), timeout_s=FAST_S)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        await spawner.run(python("pass"), timeout_s=FAST_S)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert processes.children() == children


async def test_a_process_that_cannot_be_watched_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor left (faults.md 51)."""

    def fail(_: int) -> int:
        raise OSError(24, "too many open files")

    children = processes.children()
    monkeypatch.setattr(os, "pidfd_open", fail)
    with pytest.raises(OSError, match="too many"):
        await SystemSpawner().run(python("import time; time.sleep(600)"), timeout_s=FAST_S)
    assert processes.children() == children


async def test_a_program_that_is_not_there_is_an_exit_code() -> None:
    result = await SystemSpawner().run(["/nonexistent/program"], timeout_s=FAST_S)
    assert result.exit_code == sandbox.EXIT_NOT_FOUND
    assert b"could not be started" in result.stderr


async def test_no_more_processes_run_at_once_than_allowed(tmp_path: Path) -> None:
    folder = str(tmp_path)
    code = (
        f"import os, time; me = os.path.join({folder!r}, str(os.getpid())); open(me, 'w').close();"
        f"print(len(os.listdir({folder!r}))); time.sleep(0.1); os.unlink(me)"
    )
    spawner = SystemSpawner(processes_max=1)
    results = await asyncio.gather(*(spawner.run(python(code), timeout_s=FAST_S) for _ in range(3)))
    assert [result.stdout for result in results] == [b"1\n"] * 3


def test_it_dies_with_the_daemon(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    helper = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    daemon = (
        "import asyncio, sys\nfrom lastcall.spawner import SystemSpawner\n"
        f"asyncio.run(SystemSpawner().run([sys.executable, '-I', '-S', '-c', {helper!r}], timeout_s=600))"
    )
    process = subprocess.Popen([sys.executable, "-c", daemon], cwd=Path(__file__).parents[2])
    try:
        until = time.monotonic() + FAST_S
        while not (note.exists() and note.read_text()) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert wait_dead(int(note.read_text()))


def test_it_does_not_start_when_the_daemon_died_before(tmp_path: Path) -> None:
    """The parent is another than the one that asked: what a child sees whose parent died before the limits stood."""
    note = tmp_path / "ran"
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(SANDBOX), str(os.getppid()), "0", "--", "touch", str(note)], check=False
    )
    assert result.returncode == sandbox.EXIT_PARENT_GONE
    assert not note.exists()


@pytest.mark.parametrize("arguments", [["1", "0", "touch"], ["1", "0", "--"], ["x", "0", "--", "true"]])
def test_without_limits_nothing_is_started(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-I", "-S", str(SANDBOX), *arguments], check=False, capture_output=True, text=True
    )
    assert result.returncode == sandbox.EXIT_LIMITS
    assert result.stderr
