"""What ``./dev live`` does through the daemon: one training to its model, one that is stopped, and what they cost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from lastcall import paths
from lastcall.cli.client import Client
from lastcall.cli.failures import NoDaemon

DAEMON: Final = (sys.executable, "-m", "lastcall", "daemon")
READY_S: Final = 120.0
JOB_S: Final = 1500.0
"""From order to proof; a pod may take 20 minutes to start (design.md 6)."""
END_S: Final = 90.0
LOOK_S: Final = 0.5
ROWS: Final = 2_000
LONG_ROWS: Final = 100_000
"""Enough for a training that is still at it when it is stopped."""


class Wrong(Exception):
    """A job did not end as it had to."""


class Jobs:
    """A daemon of its own, and the jobs it is given."""

    def __init__(self, folder: Path, environ: Mapping[str, str], daemon: Sequence[str] = DAEMON) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._daemon = tuple(daemon)
        self._client = Client(paths.find(environ, folder))
        self._process: subprocess.Popen[bytes] | None = None
        self.machines: list[str] = []
        """Ids of the machines that jobs had."""

    def start(self) -> str:
        """Start the daemon and wait until it answers."""
        with (self._folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._daemon,
                cwd=self._folder,
                env=self._environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + READY_S
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                return f"answers, version {self._client.get('/v1/version').document['version']}"
            except NoDaemon:
                time.sleep(LOOK_S)
        raise Wrong(f"it did not come up: {(self._folder / 'daemon.log').read_text()[-500:]}")

    def train(self, cap: Decimal) -> str:
        """Train to a model, and see the machine proven gone."""
        job = self._order("short.csv", ROWS, cap, model="logistic")
        closed = self._closed(job, cap)
        if closed["job"]["outcome"] != "succeeded":
            raise Wrong(f"it {closed['job']['outcome']}: {closed['job']['text']}")
        return f"model {closed['model']['id']}, ${closed['job']['cost_usd']}, {_proof(closed)}"

    def stop_one(self, cap: Decimal) -> str:
        """Stop a training while it runs, and see the machine proven gone."""
        job = self._order("long.csv", LONG_ROWS, cap, model="random_forest", parameters={"n_estimators": 5000})
        self._until(job, ("running", "ending", "confirming", "closed"))
        asked = time.monotonic()
        self._client.post(f"/v1/jobs/{job}/stop")
        closed = self._closed(job, cap)
        if closed["job"]["outcome"] != "cancelled":
            raise Wrong(f"it {closed['job']['outcome']} before it could be stopped")
        took = time.monotonic() - asked
        return f"closed {took:.0f} s after the stop, ${closed['job']['cost_usd']}, {_proof(closed)}"

    def ledger(self) -> str:
        """Say what the daemon counted."""
        document = self._client.get("/v1/costs").document
        return f"${document['total_usd']} settled, ${document['reserved_usd']} still held"

    def end(self) -> str:
        """End the daemon in order."""
        if self._process is None:
            return "was not up"
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(END_S)
        if code:
            raise Wrong(f"exit status {code}")
        return "in order"

    def kill(self) -> None:
        """End the daemon whatever it does; machines are looked for afterwards."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _order(self, name: str, rows: int, cap: Decimal, **order: Any) -> str:
        file = self._folder / name
        write_csv(file, rows)
        dataset = self._client.upload("/v1/datasets", file, lambda _: None, name=name).document["dataset"]["id"]
        body = {"dataset": dataset, "target": "churn", "name": name, "max_cost_usd": str(cap), **order}
        return str(self._client.post("/v1/jobs", body).document["job_id"])

    def _closed(self, job: str, cap: Decimal) -> dict[str, Any]:
        document = self._until(job, ("closed",))
        if Decimal(document["job"]["cost_usd"]) > cap:
            raise Wrong(f"it cost ${document['job']['cost_usd']}, and the limit was ${cap}")
        return document

    def _until(self, job: str, states: tuple[str, ...]) -> dict[str, Any]:
        """Wait for a state. Raises Wrong, the job stopped, when it takes too long."""
        give_up = time.monotonic() + JOB_S
        while True:
            document = self._client.get(f"/v1/jobs/{job}").document
            machine = document["machine"]
            if machine and machine["id"] and machine["id"] not in self.machines:
                self.machines.append(machine["id"])
            if document["job"]["state"] in states:
                return document
            if time.monotonic() > give_up:
                self._client.post(f"/v1/jobs/{job}/stop")
                raise Wrong(f"still {document['job']['state']} after {JOB_S:.0f} s; it was told to stop")
            time.sleep(LOOK_S)


def _proof(document: Mapping[str, Any]) -> str:
    machine = document["machine"]
    if not machine["terminated_confirmed_at"] or not machine["proof"]:
        raise Wrong("the job closed without a proof")
    return f"{machine['machine_type']} proven gone"


def write_csv(file: Path, rows: int) -> None:
    """Write a table in which ``churn`` follows from the other columns, but for some noise."""
    source = random.Random(7)  # noqa: S311  (a table to learn from)
    with file.open("w") as out:
        out.write("age,visits,spend,plan,churn\n")
        for _ in range(rows):
            age, visits, spend = source.randint(18, 90), source.randint(0, 40), source.random() * 100
            leaves = visits < 10 if source.random() > 0.1 else visits >= 10
            plan = source.choice(("basic", "plus"))
            out.write(f"{age},{visits},{spend:.2f},{plan},{'yes' if leaves else 'no'}\n")
