"""A state machine: the journal against a dictionary of lists."""

from __future__ import annotations

import asyncio
import contextlib

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.journal.interface import ANY, NEW, Expected, Position, Version, WrongVersion
from actors.journal.sqlite import SqliteJournal
from messages.events import Event
from tests.support.journal_kit import HandClock, Starts, counting_entropy, note, started

STREAMS = st.sampled_from(["job/1", "job/2", "jobs", "ledger", "node"])
EXPECTED = st.one_of(st.just(NEW), st.just(ANY), st.integers(0, 6).map(Version))
EVENTS = st.lists(st.one_of(st.integers(0, 99).map(note), st.integers(0, 99).map(started)), min_size=1, max_size=3)


class JournalMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.disk = apsw.Connection(":memory:")
        self.entropy = counting_entropy()
        self.model: dict[str, list[Event]] = {}
        self.order: list[tuple[str, Event]] = []
        self.followed: list[tuple[str, Event]] = []

    @initialize()
    def open(self) -> None:
        self.loop.run_until_complete(self._open())

    async def _open(self) -> None:
        self.journal = SqliteJournal.memory(
            clock=HandClock(), entropy=self.entropy, projections=[Starts()], connection=self.disk
        )

    @rule(stream=STREAMS, expected=EXPECTED, events=EVENTS)
    def append(self, stream: str, expected: Version | Expected, events: list[Event]) -> None:
        found = len(self.model.get(stream, []))
        if not (expected is ANY or found == (0 if expected is NEW else expected)):
            with pytest.raises(WrongVersion) as refused:
                self.loop.run_until_complete(self.journal.append(stream, expected, events, actor="a"))
            assert refused.value.found == found
            return
        answer = self.loop.run_until_complete(self.journal.append(stream, expected, events, actor="a"))
        self.model.setdefault(stream, []).extend(events)
        self.order += [(stream, event) for event in events]
        assert answer == (found + len(events), len(self.order))

    @rule(stream=STREAMS, after=st.integers(0, 5))
    def read(self, stream: str, after: int) -> None:
        found = self.loop.run_until_complete(self.journal.read(stream, Version(after)))
        assert [r.event for r in found] == self.model.get(stream, [])[after:]
        assert [r.version for r in found] == list(range(after + 1, after + 1 + len(found)))

    @rule(prefix=st.sampled_from(["", "job", "job/", "x"]))
    def list(self, prefix: str) -> None:
        found = self.loop.run_until_complete(self.journal.streams(prefix))
        assert found == sorted(name for name in self.model if name.startswith(prefix))

    @rule(count=st.integers(1, 4))
    def follow(self, count: int) -> None:
        self.loop.run_until_complete(self._follow(count))

    async def _follow(self, count: int) -> None:
        follower = self.journal.follow(Position(len(self.followed)))
        async with contextlib.aclosing(follower):  # type: ignore[type-var]
            for _ in range(min(count, len(self.order) - len(self.followed))):
                recorded = await anext(follower)
                self.followed.append((recorded.stream, recorded.event))

    @rule()
    def crash(self) -> None:
        self.loop.run_until_complete(self._open())

    @rule()
    def close(self) -> None:
        self.loop.run_until_complete(self.journal.close())
        self.loop.run_until_complete(self._open())

    @invariant()
    def followers_see_the_order_and_read_models_every_event(self) -> None:
        assert self.followed == self.order[: len(self.followed)]
        starts = [event for _, event in self.order if event.kind == "node.started"]
        rows = self.disk.execute("SELECT run FROM starts").fetchall() if self.order else []
        assert [run for (run,) in rows] == [event.run for event in starts]  # type: ignore[attr-defined]

    def teardown(self) -> None:
        self.loop.run_until_complete(self.journal.close())
        self.loop.close()
        self.disk.close()


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
