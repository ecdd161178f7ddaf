"""Ending an orphan goes on until it is proven gone, whatever the provider or the disk answer."""

from __future__ import annotations

from typing import Any

import apsw

from actors.fleet.reaping import reap
from actors.journal.interface import JournalUnavailable
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.virtual import SeededEntropy, VirtualClock
from actors.supervisor.tools import BACKOFF_MAX_S
from messages.events import Audited, OrphanReaped
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.scripts import Script
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.fake.training import FakeTraining
from providers.interface import Provider, Refused, Unavailable
from tests.support.virtual import virtual


class Yard:
    """A fake cloud with one orphan in it, and a journal."""

    def __init__(self, script: Script | None = None) -> None:
        self.clock = VirtualClock()
        self.cloud = FakeCloud(FakeSettings(), self.clock)
        self.provider = Provider(FakeTraining(self.cloud), FakeStorage(self.cloud), FakePrediction(self.cloud))
        self.journal = SqliteJournal.memory(
            clock=self.clock,
            entropy=SeededEntropy(0).bytes,
            projections=standard(),
            connection=apsw.Connection(":memory:"),
        )
        self.orphan = self.cloud.plant("an-orphan", script)
        self.logged: list[str] = []

    async def reap(self, journal: Any = None) -> float:
        """Reap the orphan and return how many seconds that took; it must be gone then."""
        began = self.clock.monotonic()
        seen = await self.provider.training.describe(self.orphan)
        kept = journal or self.journal
        await reap(self.provider, kept, self.clock, seen, "its attempt is over", lambda e, **_: self.logged.append(e))
        assert self.cloud.billing() == ()
        await self.journal.close()
        return self.clock.monotonic() - began


class FullDisk:
    """A journal that takes nothing."""

    async def append(self, *_: object, **__: object) -> None:
        raise JournalUnavailable("disk full")


@virtual
async def test_a_reap_is_journaled_with_its_reason_and_audited_before_the_machine_ends() -> None:
    yard = Yard()
    written: list[tuple[str, int]] = []

    class Watching:
        async def append(self, stream: str, *more: Any, **named: Any) -> Any:
            written.append((stream, len(yard.cloud.billing())))
            return await yard.journal.append(stream, *more, **named)

    seen: list[Any] = []
    sound = yard.journal.close

    async def read_then_close() -> None:
        seen.extend([r.event for name in ("fleet", "audit") for r in await yard.journal.read(name)])
        await sound()

    yard.journal.close = read_then_close  # type: ignore[method-assign]
    await yard.reap(Watching())
    assert written == [("fleet", 1), ("audit", 1)]
    reaped, audited = seen
    assert isinstance(reaped, OrphanReaped)
    assert isinstance(audited, Audited)
    assert (reaped.machine.id, reaped.reason) == (yard.orphan, "its attempt is over")
    assert (audited.who, audited.what, audited.resource, audited.success) == ("sys", "machine.reap", "an-orphan", True)


@virtual
async def test_a_terminate_that_fails_is_asked_again_until_the_orphan_is_gone() -> None:
    yard = Yard()
    for error in (Unavailable("502"), Refused("not now"), Unavailable("502")):
        yard.cloud.faults.fail_next("terminate", error=error)
    took_s = await yard.reap()
    assert yard.logged == ["orphan_found", *["terminate_failed"] * 3, "orphan_gone"]
    assert took_s < 60


@virtual
async def test_an_accepted_terminate_that_did_nothing_is_asked_again() -> None:
    yard = Yard(Script(terminates_ignored=4))
    await yard.reap()
    assert yard.logged == ["orphan_found", "orphan_gone"]


@virtual
async def test_a_proof_that_cannot_be_had_is_no_proof() -> None:
    yard = Yard()
    yard.cloud.fault_next_listing("empty", "incomplete", "foreign")
    yard.cloud.faults.fail_next("terminate", times=3)
    await yard.reap()
    assert yard.logged[-1] == "orphan_gone"


@virtual
async def test_an_hour_of_refusals_slows_the_asking_down_and_never_ends_it() -> None:
    yard = Yard()
    yard.cloud.faults.fail_next("terminate", times=130)
    took_s = await yard.reap()
    assert yard.logged.count("terminate_failed") == 130
    assert 3600 < took_s < 131 * (BACKOFF_MAX_S + 1)


@virtual
async def test_a_disk_that_takes_nothing_does_not_delay_the_end_of_an_orphan() -> None:
    """Fault 45."""
    yard = Yard()
    took_s = await yard.reap(FullDisk())
    assert yard.logged == ["orphan_found", "orphan_not_journaled", "orphan_gone"]
    assert took_s < 10
