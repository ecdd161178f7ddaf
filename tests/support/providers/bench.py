"""A local provider over a written process table."""

from __future__ import annotations

import fcntl
import os
from decimal import Decimal
from pathlib import Path

from messages.machines import Machine, MachineState
from providers.local.exits import ExitWatch
from providers.local.identity import Identity
from providers.local.machines import Machines
from providers.local.processes import Scan
from providers.local.registry import MachineRecord, Registry
from providers.local.settings import LocalSettings
from providers.local.storage import LocalStorage
from providers.local.training import LocalTraining
from providers.worker import Worker
from tests.support.providers.clocks import ManualClock
from tests.support.providers.tables import ScriptedTable, process

HERE = Identity("boot-1", "pid:[1]", 1000, "computer")
NAME = "lc1-test"
WRAPPER = process(10, marker=NAME)
EMPTY = Scan({}, complete=True)


class Bench:
    """A local provider over a written process table."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock()
        self.table = ScriptedTable(EMPTY)
        self.identity = HERE
        self.lock: int | None = None
        self.open()

    def open(self) -> None:
        settings = LocalSettings(root=self.root, wrapper=self.root / "none", price_usd_per_second=Decimal("0.001"))
        self.registry = Registry(self.root)
        self.machines = Machines(settings, self.registry, self.table, self.identity, self.clock, lambda s: None)
        self.worker, self.files = Worker("test"), Worker("test")
        storage = LocalStorage(self.root / "storage", lambda: "name", self.files)
        self.training = LocalTraining(
            settings, self.machines, ExitWatch(self.table), self.identity, storage, self.clock, self.worker
        )
        self.storage = storage

    def made(self, *, identity: Identity = HERE, reaped: bool = False, locked: bool = False) -> Machine:
        """Leave a machine in the registry as a launch would, its wrapper being pid 10."""
        record = MachineRecord(
            name=NAME,
            digest="d",
            account=HERE.fingerprint,
            boot_id=identity.boot_id,
            pid_namespace=identity.pid_namespace,
            uid=identity.uid,
            began=self.clock.now(),
            rate_usd_per_hour=Decimal("3.6"),
            wrapper_pid=WRAPPER.pid,
            wrapper_start=WRAPPER.start,
        )
        entry, lock = self.registry.create(record)
        entry.members = {WRAPPER.key}
        if reaped:
            (entry.path / "reaped").touch()
        if locked:
            self.lock = lock
        else:
            os.close(lock)
        return Machine(
            id=NAME, name=NAME, account=HERE.fingerprint, state=MachineState.RUNNING, first_seen=record.began
        )

    def shows(self, *scans: Scan) -> None:
        self.table.scans = list(scans)

    async def restart(self) -> None:
        """Let the daemon go and come again."""
        await self.close()
        self.open()

    async def close(self) -> None:
        self.unlock()
        await self.training.close()
        await self.storage.close()

    async def prove(self, machine: Machine) -> object:
        return await self.clock.drive(self.training.prove_gone(machine))

    def unlock(self) -> None:
        if self.lock is not None:
            fcntl.flock(self.lock, fcntl.LOCK_UN)
            os.close(self.lock)
            self.lock = None
