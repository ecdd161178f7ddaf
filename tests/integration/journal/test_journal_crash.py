"""kill -9 in mid-batch: what was answered is there, whole and gapless. Faults 43, 59; rule 10."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.journal_kit import Starts

KILLS = 30
EVENTS_PER_APPEND = 3


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.support.journal_writer", str(tmp_path / "journal.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    yield program
    assert program.stdin is not None
    program.stdin.close()
    assert program.wait() == 0
    assert program.stdout is not None
    program.stdout.close()


def kill_after(writer: subprocess.Popen[str], answers: int) -> dict[str, int]:
    """Let it write until so many appends were answered, kill it, and return the last answered version by stream."""
    stdin, stdout = writer.stdin, writer.stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write("go\n")
    stdin.flush()
    acknowledged: dict[str, int] = {}
    seen = 0
    killed = False
    pid = None
    for stream, number in lines(stdout):
        if stream == "pid":
            pid = number
        else:
            acknowledged[stream] = max(number, acknowledged.get(stream, 0))
            seen += 1
        if pid is not None and seen >= answers and not killed:
            os.kill(pid, signal.SIGKILL)
            killed = True
    return acknowledged


def lines(stdout: IO[str]) -> Iterator[tuple[str, int]]:
    for line in stdout:
        if line == "dead\n":
            return
        stream, number = line.split()
        yield stream, int(number)


async def test_everything_answered_is_there_after_many_kills(
    opened: Any, tmp_path: Path, writer: subprocess.Popen[str]
) -> None:
    total = 0
    for kill in range(KILLS):
        acknowledged = kill_after(writer, answers=kill * 17 % 200)
        journal = await opened(projections=[Starts()])
        ((events, position),) = await journal.query("SELECT count(*), ifnull(max(position), 0) FROM events")
        assert events == position, "positions have a gap"
        rows = await journal.query(
            "SELECT name, count(*), max(version) FROM events JOIN streams ON id = stream GROUP BY name"
        )
        assert all(count == last for _, count, last in rows), "versions have a gap"
        versions = {name: last for name, _, last in rows}
        for stream, version in acknowledged.items():
            assert versions.get(stream, 0) >= version
        assert all(count % EVENTS_PER_APPEND == 0 for count in versions.values()), "an append stands half"
        assert await journal.query("SELECT count(*) FROM starts") == [(position // EVENTS_PER_APPEND,)]
        assert (await journal.identity()).lost == ""
        total += len(acknowledged)
        await journal.close()
    assert total > KILLS
