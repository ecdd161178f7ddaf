"""A listing of thousands of machines is judged a few at a time, and nothing in it is passed over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from actors.fleet.actor import SLICE_JOBS, FleetWatch, Kept
from actors.fleet.messages import Listed, Watched
from actors.journal.interface import Journal
from actors.runtime.clock import SystemClock
from actors.runtime.system import ActorSystem
from actors.runtime.virtual import SeededEntropy
from actors.supervisor.inputs import Input, Sighted
from actors.supervisor.rules import Naming
from messages.ids import JobId
from messages.jobs import JobState
from messages.machines import Listing, Machine, MachineName
from providers.fake.provider import build_fake
from providers.fake.settings import FakeSettings
from tests.support.jobs import ACCOUNT, USER, machine
from tests.support.node import CannedSpawner

JOBS = SLICE_JOBS * 3
NAMING = Naming("instal", "gene", b"k" * 32)
HARD = datetime(2099, 1, 1, tzinfo=UTC)


def job_of(number: int) -> JobId:
    return JobId.derived("slices", str(number))


def name_of(number: int) -> str:
    return MachineName(NAMING.install, NAMING.generation, job_of(number).tail, 1, HARD).text(NAMING.key)


def watched(number: int) -> Watched:
    return Watched(
        job_id=job_of(number),
        user_id=USER,
        attempt=1,
        name=name_of(number),
        folder="jobs/user/job/1",
        account=ACCOUNT,
        phase=JobState.RUNNING,
        machine_id=f"m{number}",
        known_ids=(f"m{number}",),
        soft_deadline=HARD - timedelta(minutes=5),
    )


class Empty:
    """A journal without anything in it."""

    async def query(self, *_: object) -> list[Any]:
        return []


class Desk:
    """A FleetWatch with thousands of jobs, which is only told."""

    def __init__(self) -> None:
        self.heard: list[tuple[JobId, Input]] = []
        self.judged = asyncio.Event()
        self.system = ActorSystem(SystemClock(), SeededEntropy(1))
        self.kept = Kept(watched={job_of(n): watched(n) for n in range(JOBS)})
        self.ref = self.system.spawn(self._make, "fleet")

    def _make(self) -> FleetWatch:
        desk = self

        class Told(FleetWatch):
            async def on_start(self) -> None:
                """It neither lists nor looks by itself."""

            async def _listed(self, listing: Listing) -> None:
                await super()._listed(listing)
                desk.judged.set()

        provider = build_fake(FakeSettings(), SystemClock(), SeededEntropy(1), CannedSpawner())

        def hear(job_id: JobId, heard: Input) -> None:
            self.heard.append((job_id, heard))

        def never(*_: object) -> Any:
            raise RuntimeError("nothing of this happens here")

        return Told(
            provider, ACCOUNT, cast(Journal, Empty()), NAMING, self.kept, hear, never, never, never, lambda *_, **__: 0
        )

    async def tell(self, machines: list[Machine]) -> int:
        """Return how often others had a turn while a listing was judged."""
        turns, now = 0, datetime.now(UTC)
        self.judged.clear()
        listing = Listing(account=ACCOUNT, began=now, ended=now, complete=True, machines=tuple(machines))
        self.ref.tell(Listed(listing=listing))
        while not self.judged.is_set():
            turns += 1
            await asyncio.sleep(0)
        return turns


async def test_others_have_their_turn_while_thousands_of_machines_are_judged() -> None:
    desk = Desk()
    machines = [machine(name_of(n), f"m{n}") for n in range(JOBS)]
    assert await desk.tell(machines) >= 2 * (JOBS // SLICE_JOBS - 1)
    assert desk.heard == []
    await desk.system.shutdown(1.0)


async def test_the_last_of_thousands_is_judged_like_the_first() -> None:
    desk = Desk()
    twins = [machine(name_of(n), f"twin{n}") for n in (0, SLICE_JOBS, JOBS - 1)]
    await desk.tell([machine(name_of(n), f"m{n}") for n in range(JOBS)] + twins)
    assert [job_id for job_id, _ in desk.heard] == [job_of(n) for n in (0, SLICE_JOBS, JOBS - 1)]
    assert all(isinstance(heard, Sighted) and len(heard.machines) == 2 for _, heard in desk.heard)
    await desk.system.shutdown(1.0)


async def test_a_name_is_checked_once_as_long_as_it_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    parse = MachineName.parse

    def counted(name: str, key: bytes) -> MachineName | None:
        checked.append(name)
        return parse(name, key)

    monkeypatch.setattr(MachineName, "parse", counted)
    desk = Desk()
    machines = [machine(name_of(n), f"m{n}") for n in range(JOBS)]
    for shown in (machines, machines, machines[1:], machines):
        await desk.tell(shown)
    assert len(checked) == JOBS + 1
    await desk.system.shutdown(1.0)
