"""What the journal's tests share: a clock moved by hand, counted randomness, small events."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import apsw

from actors.journal.interface import Recorded
from messages.events import CommandAccepted, DaemonStarted, Event, JobClosed, JobParked
from messages.ids import CommandId
from messages.jobs import Outcome

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the journal never sleeps")

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def counting_entropy() -> Callable[[int], bytes]:
    """Different bytes at every call, the same in every run."""
    numbers = itertools.count(1)
    return lambda count: hashlib.shake_256(str(next(numbers)).encode()).digest(count)


def note(number: int = 0) -> Event:
    """A small event that no read model looks at and that ends something."""
    return JobParked(detail=f"note {number}", at=START)


def started(number: int = 0) -> Event:
    return DaemonStarted(run=f"r{number}", version="1", pid=number, at=START)


def command(number: int) -> CommandAccepted:
    return CommandAccepted(
        command_id=CommandId(f"sys:{number}"), name="stop", digest="d", answer={"job": str(number)}, body={}
    )


def closed() -> Event:
    return JobClosed(outcome=Outcome.SUCCEEDED, cost_usd="0.1", at=START)


class Starts:
    """Counts the starts of the daemon; fails, on order, like a faulty or an unlucky read model."""

    name = "starts"
    kinds = frozenset({"node.started"})

    def __init__(self, version: int = 1, table: str = "starts", error: Exception | None = None) -> None:
        self.version = version
        self.tables = (table,)
        self.ddl = f"CREATE TABLE {table} (run TEXT NOT NULL) STRICT"
        self.error = error
        self.applied = 0

    def apply(self, connection: apsw.Connection, recorded: Recorded) -> None:
        self.applied += 1
        connection.execute(f"INSERT INTO {self.tables[0]} VALUES (?)", (recorded.event.run,))  # type: ignore[attr-defined]
        if self.error is not None:
            raise self.error
