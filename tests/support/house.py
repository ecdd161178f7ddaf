"""A real daemon in a process, a state directory, and a client: what end-to-end tests live in."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lastcall.cli.client import UnixConnection
from lastcall.cli.failures import NoDaemon
from tests.support.forked import Forked
from tests.support.patience import PATIENCE_S, wait_until

CHECKOUT = Path(__file__).parents[2]
CSV = b"a,b,churn\n" + b"".join(b"%d,%d,%s\n" % (i, i * 7 % 5, b"yes" if i % 2 else b"no") for i in range(40))
STEP_S = 0.02
CLOSED_STEP_S = 0.1
"""Between two looks at a job that takes seconds: every look is work for the daemon too."""


class Refused(Exception):
    """The daemon answered with a problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        self.problem = problem
        super().__init__(f"{problem['code']}: {problem['detail']}")


class House:
    """One state directory; ``start`` and ``kill`` as often as a test needs."""

    entry = "tests.support.daemon_entry"
    """The module that runs as the daemon."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "s"
        self.socket = self.state / "run" / "admin.sock"
        self.process: Forked | None = None
        self.log = root / "daemon.log"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LASTCALL_", "CRASH_", "COUNT_"))}
        return kept | {
            "LASTCALL_STATE_DIR": str(self.state),
            "XDG_CONFIG_HOME": str(self.root / "none"),
            "PYTHONPATH": str(CHECKOUT),
        }

    def start(self, more: Mapping[str, str] | None = None, *, wait_ready: bool = True, **environment: str) -> House:
        told = self.environment | dict(more or {}) | environment
        self.process = Forked(self.entry, self.root, told, self.log)
        if wait_ready:
            self.until(self.answers, "the daemon to answer")
        return self

    def answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.log.read_text()[-800:]}")
        try:
            return self.get("/v1/version") is not None
        except (NoDaemon, OSError, EOFError, Refused):
            return False

    def poll(self) -> int | None:
        """Return the daemon's exit status, or the signal's number below zero; ``None`` while it lives."""
        if self.process is None:
            raise LookupError("never started")
        return self.process.poll()

    def died(self, within_s: float = PATIENCE_S) -> int:
        if self.process is None:
            raise LookupError("never started")
        return self.process.wait(within_s)

    def kill(self) -> None:
        """SIGKILL the daemon; machines live on."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self.died()

    def stop(self) -> int:
        """End the daemon in order and return its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.died()

    # --- asking

    def ask(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None, timeout_s: float = 60.0
    ) -> tuple[int, bytes]:
        connection = UnixConnection(self.socket, timeout_s)
        try:
            headers = {"Connection": "close"} | ({"Idempotency-Key": key} if key else {})
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        return self._document(*self.ask("GET", path))

    def post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return self._document(*self.ask("POST", path, data, key))

    @staticmethod
    def _document(status: int, raw: bytes) -> Any:
        document = json.loads(raw)
        if status >= 400:
            raise Refused(document)
        return document

    def lines(self, path: str) -> list[dict[str, Any]]:
        status, raw = self.ask("GET", path)
        if status != 200:
            raise Refused(json.loads(raw))
        return [json.loads(line) for line in raw.splitlines()]

    def upload(self, data: bytes = CSV, name: str = "churn.csv", key: str | None = None) -> str:
        return str(self.post(f"/v1/datasets?name={name}", data, key)["dataset"]["id"])

    def train(self, how: str = "good", key: str | None = None, dataset: str | None = None, **order: Any) -> str:
        body = {"dataset": dataset or self.upload(), "target": "churn", "name": how, "model": "logistic", **order}
        return str(self.post("/v1/jobs", body, key)["job_id"])

    def stop_job(self, job_id: str) -> None:
        self.post(f"/v1/jobs/{job_id}/stop")

    # --- looking

    def job(self, job_id: str) -> dict[str, Any]:
        document: dict[str, Any] = self.get(f"/v1/jobs/{job_id}")
        return document

    def state_of(self, job_id: str) -> str:
        return str(self.job(job_id)["job"]["state"])

    def until(self, true: Callable[[], Any], what: str, within_s: float = PATIENCE_S, step_s: float = STEP_S) -> Any:
        def told() -> str:
            return f"{what}; log: {self.log.read_text()[-1500:]}"

        return wait_until(true, told, step_s=step_s, patience_s=within_s)

    def closed(self, job_id: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        def over() -> dict[str, Any] | None:
            document = self.job(job_id)
            return document if document["job"]["state"] == "closed" else None

        found: dict[str, Any] = self.until(over, f"{job_id} to close", within_s, CLOSED_STEP_S)
        return found

    def running(self, job_id: str) -> None:
        self.until(lambda: self.state_of(job_id) == "running", f"{job_id} to run")

    def events(self, stream: str) -> list[dict[str, Any]]:
        return [line for line in self.lines("/v1/events") if line["stream"] == stream]

    def kinds(self, stream: str) -> list[str]:
        return [line["kind"] for line in self.events(stream)]

    def processes(self) -> list[int]:
        """Return every process that carries a machine name of this installation, wherever it is."""
        path = self.state / "install.json"
        if not path.exists():
            return []
        install = json.loads(path.read_text())["installation"]
        return carrying(f"LASTCALL_MACHINE=lc1-{install}".encode())


def carrying(mark: bytes) -> list[int]:
    """Return the processes whose environment contains ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark in environment:
                found.append(int(entry.name))
    return found


def commanded(word: bytes) -> list[int]:
    """Return the processes with ``word`` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word in command:
                found.append(int(entry.name))
    return found


@contextmanager
def a_house(root: Path, **environment: str) -> Iterator[House]:
    """A daemon that is ended afterwards, with every machine of it."""
    house = House(root)
    try:
        house.start(environment)
        yield house
    finally:
        if house.process is not None and house.process.poll() is None:
            house.kill()
        for pid in house.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def environment_of(pid: int) -> Mapping[bytes, bytes]:
    """Return a process's environment."""
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
