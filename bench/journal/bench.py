"""Durable events: the journal against one commit per event, in the same run, on the same disk.

    .venv/bin/python -m bench.journal.bench [--rounds 5] [--seconds 1.0] [--dir DIR] [--json FILE]

Every arm appends the same events of the catalogue (a JSON body of about 300 bytes), checks the stream's version, and
answers only after a sync (``synchronous=FULL``). Each cell has a fresh file. Arms alternate inside a round; a ratio
is taken inside its round, the report has the median and the range. Arms:

``one``     one writer thread, one transaction per event, the same tables and the same JSON: what group commit is
            measured against (256 writers; also 1 writer for the bare latency).
``ours``    ``SqliteJournal`` as the daemon opens it, with its standard read models.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import platform
import queue
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from actors.journal import schema
from actors.journal.codec import encode
from actors.journal.interface import Version
from actors.journal.rows import to_micros
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from messages.events import Event, OrphanReaped
from messages.machines import Machine, MachineState

WRITERS = 256
EVENTS_PER_JOB = 16
BAR = 20.0

Append = Callable[[str, int, Event], Awaitable[object]]
Arm = Callable[[Path, int, float], Coroutine[Any, Any, dict[str, float]]]


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def sample() -> Event:
    """An event of 300 bytes as JSON."""
    at = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    machine = Machine(
        id="local-4f2a9c1e7b",
        name="lc1-abcdefghij-klmnopqrst-a001-x1767268800-uvwx",
        account="local:6d1f0a3c",
        state=MachineState.RUNNING,
        first_seen=at,
        raw_status="running",
    )
    return OrphanReaped(machine=machine, reason="its attempt ended and its deadline has passed", at=at)


class OneCommitPerEvent:
    """The plain way: a thread that takes one event, commits it, answers."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._path = str(path)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def append(self, stream: str, version: int, event: Event) -> object:
        future = self._loop.create_future()
        self._queue.put((stream, version, encode(event), to_micros(datetime.now(UTC)), future))
        return await future

    def _run(self) -> None:
        connection = schema.connect(self._path)
        connection.wal_autocheckpoint(1_000)
        schema.prepare(connection, self._path, backup=lambda _: None)
        while (item := self._queue.get()) is not None:
            stream, version, (kind, shape, body), at, future = item
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(
                "SELECT id, (SELECT max(version) FROM events WHERE stream = id) FROM streams WHERE name = ?", (stream,)
            ).fetchone()
            if row is None:
                connection.execute("INSERT INTO streams (name) VALUES (?)", (stream,))
                row = (connection.last_insert_rowid(), 0)
            if row[1] != version:
                raise RuntimeError("wrong version")
            connection.execute(
                "INSERT INTO events (event_id, stream, version, kind, schema, at, actor, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (os.urandom(8).hex(), row[0], version + 1, kind, shape, at, "bench", body),
            )
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(future.set_result, version + 1)
        connection.close()

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()


async def writers(append: Append, count: int, seconds: float) -> dict[str, float]:
    """Run ``count`` writers, one append in flight each; after as many events as a job has, each begins a new stream."""
    event, times = sample(), []
    await append("warm", 0, event)
    begin = time.perf_counter()
    stop = begin + seconds

    async def writer(number: int) -> None:
        jobs, version = 0, 0
        stream = f"job/{number:04d}{jobs:06d}"
        now = time.perf_counter()
        while now < stop:
            before = now
            await append(stream, version, event)
            version += 1
            if version == EVENTS_PER_JOB:
                jobs, version = jobs + 1, 0
                stream = f"job/{number:04d}{jobs:06d}"
            now = time.perf_counter()
            times.append(now - before)

    await asyncio.gather(*(writer(number) for number in range(count)))
    took = time.perf_counter() - begin
    times.sort()
    return {
        "events_per_s": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[min(len(times) - 1, int(len(times) * 0.99))] * 1e3,
        "cpu_us_per_event": 0.0,
    }


async def one(path: Path, count: int, seconds: float) -> dict[str, float]:
    journal = OneCommitPerEvent(path)
    try:
        return await writers(journal.append, count, seconds)
    finally:
        journal.close()


async def ours(path: Path, count: int, seconds: float) -> dict[str, float]:
    journal = await SqliteJournal.open(path, clock=WallClock(), entropy=os.urandom, projections=standard())

    def append(stream: str, version: int, event: Event) -> Awaitable[object]:
        return journal.append(stream, Version(version), (event,), actor="bench")

    try:
        return await writers(append, count, seconds)
    finally:
        await journal.close()


CELLS: dict[str, tuple[Arm, int]] = {
    "one, 256 writers": (one, WRITERS),
    "ours, 256 writers": (ours, WRITERS),
    "one, 1 writer": (one, 1),
    "ours, 1 writer": (ours, 1),
}


def cell(name: str, directory: Path, seconds: float) -> dict[str, float]:
    run, count = CELLS[name]
    place = Path(tempfile.mkdtemp(prefix="journal-bench-", dir=directory))
    gc.collect()
    try:
        cpu = time.process_time()
        found = asyncio.run(run(place / "journal.db", count, seconds))
        found["cpu_us_per_event"] = (time.process_time() - cpu) / (found["events_per_s"] * seconds) * 1e6
        return found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def report(rounds: list[dict[str, dict[str, float]]]) -> str:
    lines = ["| arm | events/s | p50 ms | p99 ms | CPU µs per event |", "|---|---|---|---|---|"]
    for name in CELLS:
        values = [f"{statistics.median(r[name][key] for r in rounds):.{digits}f}" for key, digits in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    found = ratios(rounds)
    lines.append(
        f"\nRatio at {WRITERS} writers: median {statistics.median(found):.1f}, "
        f"range {min(found):.1f}-{max(found):.1f}, bar {BAR:.0f}, n = {len(found)}."
    )
    return "\n".join(lines)


COLUMNS = (("events_per_s", 0), ("p50_ms", 2), ("p99_ms", 2), ("cpu_us_per_event", 1))


def ratios(rounds: list[dict[str, dict[str, float]]]) -> list[float]:
    return [r["ours, 256 writers"]["events_per_s"] / r["one, 256 writers"]["events_per_s"] for r in rounds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--dir", type=Path, default=Path(__file__).parent, help="a directory on the disk to measure")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        # The order turns round with every round, so that no arm always runs first.
        names = list(CELLS) if number % 2 == 0 else list(reversed(CELLS))
        rounds.append({name: cell(name, options.dir, options.seconds) for name in names})
    print(report(rounds))
    if options.json is not None:
        found = ratios(rounds)
        document = {
            "sqlite": apsw.sqlite_lib_version(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "event_bytes": len(encode(sample())[2]),
            "seconds": options.seconds,
            "ratio_median": statistics.median(found),
            "ratio_min": min(found),
            "ratio_max": max(found),
            "bar": BAR,
            "rounds": rounds,
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
