"""A process table that shows what a test wrote down."""

from __future__ import annotations

from collections.abc import Iterator

from providers.local.processes import Process, ProcessKey, Scan


def process(pid: int, parent: int = 1, *, start: int = 100, marker: str | None = None, state: str = "S") -> Process:
    return Process(pid=pid, start=start, parent=parent, state=state, threads=1, marker=marker)


def table_of(*processes: Process) -> dict[int, Process]:
    return {p.pid: p for p in processes}


class ScriptedTable:
    """Shows the scans in order, the last one for ever; signals take effect in all of them."""

    def __init__(self, *scans: Scan) -> None:
        self.scans = list(scans)
        self.signals: list[tuple[ProcessKey, int]] = []
        self.deaf: set[ProcessKey] = set()
        self.killed: set[ProcessKey] = set()

    def scan(self) -> Scan:
        shown = self.scans.pop(0) if len(self.scans) > 1 else self.scans[0]
        self.current = Scan({p.pid: p for p in shown.processes.values() if p.key not in self.killed}, shown.complete)
        return self.current

    def newcomers(self, seen: set[int]) -> Iterator[Process]:
        for found in self.scan().processes.values():
            if found.pid not in seen:
                seen.add(found.pid)
                yield found

    def alive(self, key: ProcessKey) -> bool:
        found = self.current.processes.get(key.pid) if hasattr(self, "current") else None
        return found is not None and found.key == key and found.living and key not in self.killed

    def signal(self, key: ProcessKey, number: int) -> bool:
        self.signals.append((key, number))
        if key in self.deaf or key in self.killed:
            return False
        if number == 9:
            self.killed.add(key)
        return True
