"""A machine under test: the real zipapp as a process, with short intervals, in a folder of its own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import coverage

from containers.job import processes
from containers.job.build import sources
from tests.support.patience import PATIENCE_S, wait_until

FAR_S = 600.0
"""No test waits so long: what it says is ended by something else."""
PYTHON = (sys.executable, "-I", "-S", "-u", "-c")
"""Starts quickly and writes its lines at once."""


class WrapperRun:
    """One machine: its folders, its wrapper processes, and what they left."""

    def __init__(self, wrapper: Path, root: Path) -> None:
        self.wrapper = wrapper
        self.name = f"lc1-test-{secrets.token_hex(6)}"
        self.storage = root / "storage"
        self.folder = self.storage / "jobs" / "1"
        self.directory = root / "machines" / self.name
        self.started: list[subprocess.Popen[bytes]] = []
        self.folder.mkdir(parents=True)
        self.directory.mkdir(parents=True)

    def spec(self, script: str, *arguments: str, **more: Any) -> None:
        work = {"argv": [*PYTHON, script, *arguments]}
        spec = {"schema": "spec/v1", "job_id": "job_aaaaaaaaaa", "attempt": 1, "work": work, **more}
        (self.folder / "spec.json").write_text(json.dumps(spec))

    def control(self, seq: int, soft_in_s: float, stop: bool = False) -> None:
        soft = datetime.fromtimestamp(time.time() + soft_in_s, UTC).isoformat()
        temporary = self.folder / "control.tmp"
        temporary.write_text(json.dumps({"seq": seq, "soft_deadline": soft, "stop_requested": stop}))
        temporary.replace(self.folder / "control.json")

    def start(self, soft_in_s: float = FAR_S, without: str = "", **more: Any) -> subprocess.Popen[bytes]:
        now = time.time()
        environment = {
            "PATH": os.environ["PATH"],
            "LASTCALL_MACHINE": self.name,
            "LASTCALL_PROVIDER": "local",
            "LASTCALL_JOB_FOLDER": str(self.folder),
            "LASTCALL_STORAGE_ROOT": str(self.storage),
            "LASTCALL_MACHINE_DIR": str(self.directory),
            "LASTCALL_ATTEMPT": "1",
            "LASTCALL_SOFT_DEADLINE": str(now + soft_in_s),
            "LASTCALL_HARD_DEADLINE": str(now + soft_in_s + 60),
            "LASTCALL_MAX_RUNTIME_S": str(FAR_S),
            "LASTCALL_TERM_LEAD_S": "0.6",
            "LASTCALL_KILL_LEAD_S": "0.3",
            "LASTCALL_CONTROL_INTERVAL_S": "0.1",
            "LASTCALL_HEARTBEAT_INTERVAL_S": "0.1",
            "LASTCALL_LOG_FLUSH_S": "0.1",
            "LASTCALL_NONCE_INTERVAL_S": "0.2",
            "LASTCALL_NONCE_SETTLE_S": "0",
            "LASTCALL_FOLDER_WAIT_S": "60",
            "LASTCALL_STOP_GRACE_S": "0.3",
            "SECRET_OF_THE_DAEMON": "hunter2",
            **{name: str(value) for name, value in more.items()},
        }
        process = subprocess.Popen(
            self._command(),
            env={name: value for name, value in environment.items() if name != without},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            close_fds="LASTCALL_LOCK_FD" not in environment,
        )
        self.started.append(process)
        return process

    def _command(self) -> list[str]:
        """The zipapp; while coverage is measured the same sources from the checkout, measured too."""
        measured = coverage.Coverage.current()
        if measured is None:
            return [sys.executable, "-I", "-S", str(self.wrapper)]
        entry = self.directory / "entry.py"
        entry.write_bytes(sources()["__main__.py"])
        data = f"--data-file={Path(str(measured.config.data_file)).resolve()}"
        return [sys.executable, "-m", "coverage", "run", "-p", "--branch", "--source=containers.job", data, str(entry)]

    def run(self, **more: Any) -> dict[str, Any]:
        """Start, wait for the end, and return the marker."""
        self.end(self.start(**more))
        return self.marker

    def end(self, process: subprocess.Popen[bytes], exit_code: int = 0) -> None:
        """Wait until the wrapper has ended; nothing of the machine may be left."""
        assert process.wait(PATIENCE_S) == exit_code, (process.stderr and process.stderr.read(), self.log)
        assert self.alive() == []
        if exit_code == 0:
            assert (self.directory / "reaped").exists()
            assert not (self.directory / "scratch").exists()

    def alive(self) -> list[int]:
        """Every living process with the machine's marker."""
        return [pid for pid in processes.scan() if processes.carries_marker(pid, self.name)]

    @property
    def marker(self) -> dict[str, Any]:
        marker: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return marker

    def read(self, name: str) -> dict[str, Any] | None:
        """A JSON file of the folder, or nothing while it is not there."""
        try:
            document: dict[str, Any] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return None
        return document

    @property
    def lines(self) -> list[dict[str, Any]]:
        files = sorted((self.folder / "log").glob("*.ndjson")) if (self.folder / "log").exists() else []
        return [json.loads(line) for file in files for line in file.read_bytes().split(b"\n") if line]

    @property
    def log(self) -> list[str]:
        return [line["text"] for line in self.lines]

    def heard(self) -> None:
        """Wait until what lies in the folder now was read: before every heartbeat the control is."""
        for _ in range(2):  # the first may have been under way
            before = self.read("heartbeat.json")
            wait_until(lambda seen=before: self.over or self.read("heartbeat.json") != seen)  # type: ignore[misc]

    @property
    def over(self) -> bool:
        """Whether every wrapper has ended."""
        return all(process.poll() is not None for process in self.started)

    def running(self) -> Any:
        """Wait until the work says it runs."""
        return wait_until(lambda: "running" in self.log)

    def pid_said(self, word: str) -> int:
        """The pid a process of the work wrote to the log as ``<word> <pid>``."""
        found = wait_until(lambda: [line for line in self.log if line.startswith(f"{word} ")])
        return int(found[0].split()[1])

    def close(self) -> None:
        """Leave nothing behind, whatever a failing test left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
        for pid in self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    """Whether a process is no longer there, or only as a corpse its parent has not collected."""
    seen = processes.look(pid)
    return seen is None or seen.state in "ZX"
