"""A pod under test: the create body's command in a bare environment, a volume behind a link, a home that is empty."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from containers.bundle import IMPORTS, Bundle
from containers.job import processes
from lastcall.bundles import BundleProgram, bundle_program
from providers.runpod.boot import BOOT_SOURCE, start_args
from tests.integration.bundle.api import Index, Platform
from tests.support.patience import PATIENCE_S

KEY = "rpa_KEYOFTHISPODALONE"
BASE_PYTHON = Path(getattr(sys, "_base_executable", sys.executable))


class PodRun:
    """One pod: what was created with which environment, its volume, and what became of it."""

    def __init__(self, root: Path, platform: Platform, index: Index, bundle: Bundle) -> None:
        self.name = f"lc1-test-{secrets.token_hex(6)}"
        self.platform = platform
        self.index = index
        self.bundle = bundle
        self.root = root
        self.volume = root / "volume"
        self.mount = root / "mount"
        self.folder = self.volume / "jobs" / "1"
        self.home = root / "home"
        self.path = root / "bin"
        self.process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True)
        self.mount.symlink_to(self.volume)
        self.path.mkdir()
        (self.path / "python3").symlink_to(BASE_PYTHON)
        platform.kill = self.kill

    @property
    def program(self) -> BundleProgram:
        return bundle_program(self.bundle.prefix, str(self.mount), self.bundle.wrapper_sha256)

    def fill(self, without: str = "") -> None:
        """Put the bundle on the volume, as storage does."""
        folder = self.volume / self.bundle.prefix
        folder.mkdir(parents=True)
        for name, data in self.bundle.files.items():
            if name != without:
                (folder / name).write_bytes(data)

    def spec(self, script: str, imports: tuple[str, ...] = ("tinylib",), **more: Any) -> None:
        """Order a small program in place of the training, prepared as the training is."""
        program = self.program
        own = program.prepare_argv[: -len(IMPORTS)]
        document = {
            "schema": "spec/v1",
            "job_id": "job_aaaaaaaaaa",
            "attempt": 1,
            "prepare": {"argv": [*own, *imports], "limit_s": program.prepare_limit_s},
            "work": {"argv": [program.argv[0], "-c", script], "environment": dict(program.environment)},
            **more,
        }
        (self.folder / "spec.json").write_text(json.dumps(document))

    def environment(self, soft_in_s: float, hard_in_s: float) -> dict[str, str]:
        now = time.time()
        return {
            "LASTCALL_BOOT": BOOT_SOURCE,
            "LASTCALL_PROVIDER": "runpod",
            "LASTCALL_MACHINE": self.name,
            "LASTCALL_JOB_FOLDER": f"{self.mount}/jobs/1",
            "LASTCALL_STORAGE_ROOT": str(self.mount),
            "LASTCALL_BUNDLE": f"{self.mount}/{self.bundle.prefix}",
            "LASTCALL_WRAPPER_SHA256": self.bundle.wrapper_sha256,
            "LASTCALL_RUNPOD_API_URL": f"{self.platform.url}/v2",
            "LASTCALL_RUNPOD_GRAPHQL_URL": f"{self.platform.url}/graphql",
            "LASTCALL_ATTEMPT": "1",
            "LASTCALL_SOFT_DEADLINE": str(now + soft_in_s),
            "LASTCALL_HARD_DEADLINE": str(now + hard_in_s),
            "LASTCALL_LOG_FLUSH_S": "0.1",
            "LASTCALL_NONCE_SETTLE_S": "0",
            "LASTCALL_FOLDER_WAIT_S": "10",
            "PIP_INDEX_URL": f"{self.index.url}/simple",
            "RUNPOD_POD_ID": "pod1",
            "RUNPOD_API_KEY": KEY,
            "PATH": f"{self.path}:/usr/bin:/bin",
            "HOME": str(self.home),
        }

    def start(self, soft_in_s: float = 120.0, hard_in_s: float = 300.0, without: str = "", **more: Any) -> None:
        """Start the container, for the first time or again: its own disk is empty."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        said = json.loads(start_args())
        environment = {**self.environment(soft_in_s, hard_in_s), **{name: str(value) for name, value in more.items()}}
        environment.pop(without, None)
        with (self.root / "console").open("ab") as console:
            self.process = subprocess.Popen(
                [*said["entrypoint"], *said["cmd"]], env=environment, cwd=self.root, stdin=subprocess.DEVNULL,
                stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip

    def wait(self, limit_s: float = PATIENCE_S) -> int:
        """Wait until the container is no more; nothing of it may be left."""
        assert self.process is not None
        status = self.process.wait(limit_s)
        self.platform.kill = lambda: None
        assert self.alive() == [], self.console
        self.platform.kill = self.kill
        return status

    def run(self, **more: Any) -> int:
        self.start(**more)
        return self.wait()

    def kill(self) -> None:
        """What the platform does at the end of a pod."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def alive(self) -> list[int]:
        return [pid for pid in processes.scan() if processes.carries_marker(pid, self.name) and not _dead(pid)]

    def close(self) -> None:
        if self.process is not None:
            self.kill()
            self.process.wait()

    @property
    def console(self) -> str:
        return (self.root / "console").read_text()

    def read(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / name).read_text())
        return document

    @property
    def marker(self) -> dict[str, Any]:
        return self.read("result.json")

    @property
    def log(self) -> list[str]:
        files = sorted((self.folder / "log").glob("*.ndjson")) if (self.folder / "log").exists() else []
        return [json.loads(line)["text"] for file in files for line in file.read_bytes().split(b"\n") if line]


def _dead(pid: int) -> bool:
    seen = processes.look(pid)
    return seen is None or seen.state in "ZX"
