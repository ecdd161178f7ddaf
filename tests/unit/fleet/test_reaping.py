"""Ending an orphan goes on until it is proven gone, whatever the provider or the disk answer."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import apsw
import pytest

from actors.fleet.charges import late_cost
from actors.fleet.reaping import SETTLE_FIRST_S, SETTLE_MAX_S, reap, settle
from actors.journal.interface import ANY, JournalUnavailable
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.virtual import EPOCH, SeededEntropy, VirtualClock
from actors.supervisor.tools import BACKOFF_MAX_S
from messages import events as ev
from messages.events import Audited, OrphanGone, OrphanReaped
from messages.ids import JobId
from messages.machines import Gone, LaunchRequest, Machine, MachineName
from providers.fake.cloud import FakeCloud
from providers.fake.prediction import FakePrediction
from providers.fake.scripts import Script
from providers.fake.settings import FakeSettings
from providers.fake.storage import FakeStorage
from providers.fake.training import FakeTraining
from providers.interface import Provider, Refused, Unavailable
from tests.support.jobs import JOB, NAMING, START, gone, machine, offer, queued
from tests.support.virtual import virtual


class Yard:
    """A fake cloud with one orphan in it, and a journal."""

    def __init__(self, script: Script | None = None) -> None:
        self.clock = VirtualClock()
        self.cloud = FakeCloud(FakeSettings(), self.clock)
        self.provider = Provider(FakeTraining(self.cloud), FakeStorage(self.cloud), FakePrediction(self.cloud))
        self.disk = apsw.Connection(":memory:")
        self.journal = self.open()
        self.left: list[Any] = []
        self.orphan = self.cloud.plant("an-orphan", script)
        self.logged: list[str] = []

    def open(self) -> SqliteJournal:
        return SqliteJournal.memory(
            clock=self.clock, entropy=SeededEntropy(0).bytes, projections=standard(), connection=self.disk
        )

    async def queue(self) -> None:
        job = queued(job_id=JobId("job_zzzzzzzzzz"))
        await self.journal.append("job/job_zzzzzzzzzz", ANY, [job], actor="Dispatcher")

    async def reap(self, journal: Any = None) -> float:
        """Reap the orphan and return how many seconds that took; it must be gone then."""
        began = self.clock.monotonic()
        seen = await self.provider.training.describe(self.orphan)
        kept = journal or self.journal
        await reap(self.provider, kept, self.clock, seen, "its attempt is over", lambda e, **_: self.logged.append(e))
        assert self.cloud.billing() == ()
        self.left = [r.event for r in await self.journal.read("fleet")]
        await self.journal.close()
        return self.clock.monotonic() - began


class FullDisk:
    """A journal that takes nothing until ``heals_at`` (monotonic seconds)."""

    def __init__(self, yard: Yard, heals_at: float) -> None:
        self.yard = yard
        self.heals_at = heals_at
        self.billing: list[int] = []

    async def append(self, *words: Any, **named: Any) -> Any:
        self.billing.append(len(self.yard.cloud.billing()))
        if self.yard.clock.monotonic() < self.heals_at:
            raise JournalUnavailable("disk full")
        return await self.yard.journal.append(*words, **named)


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
    assert written == [("fleet", 1), ("audit", 1), ("fleet", 0)]
    reaped, gone, audited = seen
    assert isinstance(gone, OrphanGone)
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
    said = [word for word in yard.logged if word != "not_gone_yet"]
    assert said == ["orphan_found", *["terminate_failed"] * 3, "orphan_gone"]
    assert took_s < 60


@virtual
async def test_an_accepted_terminate_that_did_nothing_is_asked_again() -> None:
    yard = Yard(Script(terminates_ignored=2))
    await yard.reap()
    assert [word for word in yard.logged if word != "not_gone_yet"] == ["orphan_found", "orphan_gone"]


@virtual
async def test_an_orphan_is_booked_to_the_call_that_ended_it_and_not_to_its_proof() -> None:
    """The proof comes later by as long as there is no complete list."""
    yard = Yard()
    for _ in range(20):
        yard.cloud.fault_next_listing("incomplete")
    took_s = await yard.reap()
    over = yard.left[-1]
    assert isinstance(over, OrphanGone)
    assert over.accepted_at is not None
    assert took_s > 60
    assert over.cost_usd < Decimal("0.001") * 10


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
    over = yard.left[-1]
    assert isinstance(over, OrphanGone)
    assert over.cost_usd == pytest.approx(Decimal("0.001") * Decimal(took_s), abs=Decimal("0.01"))


@virtual
async def test_a_disk_that_takes_nothing_delays_no_end_and_loses_no_booking() -> None:
    """Fault 45."""
    yard = Yard()
    disk = FullDisk(yard, heals_at=600)
    took_s = await yard.reap(disk)
    assert yard.logged[:3] == ["orphan_found", "orphan_not_journaled", "orphan_gone"]
    assert set(yard.logged[3:]) == {"orphan_waits_for_disk"}
    assert disk.billing[0] == 1
    assert set(disk.billing[1:]) == {0}
    assert 600 <= took_s < 600 + 2 * BACKOFF_MAX_S
    [over] = yard.left
    assert isinstance(over, OrphanGone)
    assert over.accepted_at == EPOCH
    assert over.cost_usd == 0


# ---------------------------------------------------------------------------------------------- what it cost


LATE = machine("late", "m2", rate="0.36", seen=START)
HOUR = timedelta(hours=1)


def intent(**prices: str) -> ev.LaunchIntended:
    asked = offer(rate="0.72").model_copy(update={key: Decimal(value) for key, value in prices.items()})
    request = LaunchRequest(
        name="late",
        job_id=JOB,
        attempt=1,
        offer=asked,
        folder="f",
        soft_deadline=START,
        hard_deadline=START,
        max_runtime_s=60,
    )
    return ev.LaunchIntended(attempt=1, reservation="r", request=request, bound="runtime", run="run", at=START)


def cost(job: list[ev.Event], late: Machine, until: datetime) -> Decimal:
    return late_cost(job, late, START, until)


def test_a_machine_its_job_knows_nothing_of_costs_its_whole_life_and_its_disk() -> None:
    assert cost([], LATE, START + HOUR) == Decimal("0.36")
    assert cost([intent(disk_usd_per_hour="0.04")], LATE, START + HOUR) == Decimal("0.40")


def test_a_machine_that_is_seen_long_after_its_intent_is_booked_from_the_intent() -> None:
    """A provider whose answers say no age: it may have run since it was asked for."""
    seen = machine("late", "m2", rate="0.36", seen=START + HOUR)
    assert late_cost([intent()], seen, START + HOUR, START + 2 * HOUR) == Decimal("0.72")
    early = machine("late", "m2", rate="0.36", seen=START - HOUR)
    assert late_cost([intent()], early, START, START + HOUR) == Decimal("0.36")


def test_a_list_that_proved_nothing_of_the_name_to_be_there_bounds_when_it_can_have_begun() -> None:
    """The answer came after the quiet time, or a twin after the proof."""
    seen = machine("late", "m2", rate="0.36", seen=START + HOUR)
    never = ev.NeverSeen(attempt=1, listing_began=START + HOUR / 2)
    proved = ev.GoneProved(attempt=1, machine_id="m1", proof=gone(START + HOUR / 4))
    for job, usd in (([never], "0.54"), ([proved], "0.63"), ([proved, never], "0.54")):
        assert late_cost([intent(), *job], seen, START + HOUR, START + 2 * HOUR) == Decimal(usd)
    later = [e.model_copy(update={"attempt": 2}) for e in (never, proved)]
    assert late_cost([intent(), *later], seen, START + HOUR, START + 2 * HOUR) == Decimal("0.72")
    lists = ev.NeverSeen(attempt=1, listing_began=START + 2 * HOUR)
    assert late_cost([intent(), lists], seen, START + HOUR, START + 2 * HOUR) == Decimal("0.36")


@pytest.mark.parametrize("age", [{"uptime_s": 1800.0}, {"made_at": START + HOUR / 2}], ids=["uptime", "made"])
def test_a_machine_without_an_intent_is_booked_from_what_the_provider_says_of_its_age(age: dict[str, Any]) -> None:
    seen = machine("late", "m2", rate="0.36", seen=START + HOUR).model_copy(update=age)
    assert late_cost([], seen, START + HOUR, START + HOUR) == Decimal("0.18")


def test_a_machine_without_a_price_costs_what_was_offered_and_without_an_offer_nothing() -> None:
    for rate in (None, "0"):
        silent = machine("late", "m2", rate=rate)
        assert cost([intent()], silent, START + HOUR) == Decimal("0.72")
        assert cost([], silent, START + HOUR) == 0
    assert cost([intent()], machine("another", "m2", rate=None), START + HOUR) == 0


def test_what_the_job_pays_for_itself_is_not_counted_again() -> None:
    made = ev.MachineCreated(attempt=1, machine=LATE, at=START)
    twin = ev.SurplusFound(attempt=1, machine=LATE, at=START)
    for known in (made, twin):
        assert cost([known], LATE, START + HOUR) == 0
        assert cost([known], machine("late", "m3"), START + HOUR) > 0
    proved = ev.GoneProved(attempt=1, machine_id="m2", proof=gone(START + HOUR / 2))
    ended = ev.AttemptEnded(
        attempt=1,
        billed_from=START,
        billed_until=START + HOUR / 4,
        rate_usd_per_hour=Decimal(0),
        fixed_usd=Decimal(0),
        cost_usd=Decimal(0),
    )
    assert cost([made, proved], LATE, START + HOUR) == 0
    assert cost([made, proved, ended.model_copy(update={"attempt": 2})], LATE, START + HOUR) == 0
    assert cost([made, proved, ended], LATE, START + HOUR) == Decimal("0.27")
    assert cost([made, proved, ended], LATE, START) == 0
    over = ev.SurplusGone(attempt=1, machine_id="m2", proof=gone(START + HOUR / 2))
    assert cost([twin, over], LATE, START + HOUR) == Decimal("0.18")
    sooner = over.model_copy(update={"accepted_at": START + HOUR / 4})
    assert cost([twin, sooner], LATE, START + HOUR) == Decimal("0.27")
    assert cost([queued(), intent(), twin, over], LATE, START + HOUR) == Decimal("0.36")  # its timer ended it


# ---------------------------------------------------------------------------------------------- after a restart

HARD = EPOCH + timedelta(hours=2)
OURS = MachineName("instal", "gene", "zzzzzzzzzz", 1, HARD).text(NAMING.key)


async def settled(yard: Yard, within_s: float = 100_000) -> list[Any]:
    """Settle and return what the fleet's stream holds then."""
    task = asyncio.ensure_future(
        settle(yard.provider, yard.journal, yard.clock, NAMING, lambda e, **_: yard.logged.append(e))
    )
    await asyncio.wait([task], timeout=within_s)
    assert task.done()
    found = [r.event for r in await yard.journal.read("fleet")]
    await yard.journal.close()
    return found


async def reaped(yard: Yard, name: str = OURS) -> ev.OrphanReaped:
    """Journal the reason to end a machine, as a process does that dies right after it."""
    machine_id = yard.cloud.plant(name)
    seen = await yard.provider.training.describe(machine_id)
    event = OrphanReaped(machine=seen, reason="its attempt is over", at=yard.clock.now())
    await yard.journal.append("fleet", ANY, [event], actor="FleetWatch")
    return event


@virtual
async def test_a_machine_found_gone_after_a_restart_is_booked_and_only_once() -> None:
    yard = Yard()
    await yard.queue()
    begun = await reaped(yard)
    yard.cloud.end(begun.machine.id)
    await yard.journal.append("fleet", ANY, [begun], actor="FleetWatch")
    await yard.clock.sleep(3600)
    kept = yard.journal
    *_, over = await settled(yard)
    assert isinstance(over, OrphanGone)
    assert (over.machine.id, over.job_id, over.accepted_at) == (begun.machine.id, "job_zzzzzzzzzz", None)
    assert over.cost_usd == pytest.approx(Decimal("3.60"), abs=Decimal("0.01"))
    yard.journal = yard.open()
    assert kept is not yard.journal
    assert [e.kind for e in await settled(yard)] == ["fleet.orphan_reaped"] * 2 + ["fleet.orphan_gone"]


@virtual
async def test_a_daemon_that_was_away_for_days_books_no_longer_than_the_machine_may_have_lived() -> None:
    yard = Yard()
    begun = await reaped(yard)
    yard.cloud.end(begun.machine.id)
    await yard.clock.sleep(5 * 86_400)
    *_, over = await settled(yard)
    assert over.cost_usd == Decimal("7.20")
    assert over.job_id is None  # this journal has no such job


@virtual
async def test_a_name_that_cannot_be_read_is_booked_to_nobody() -> None:
    yard = Yard()
    begun = await reaped(yard, "cut")
    yard.cloud.end(begun.machine.id)
    await yard.clock.sleep(5 * 3600)
    *_, over = await settled(yard)
    assert over.job_id is None
    assert over.cost_usd == Decimal("18.00")


@virtual
async def test_a_machine_that_is_still_there_is_left_to_the_next_listing() -> None:
    yard = Yard()
    begun = await reaped(yard)
    assert [e.kind for e in await settled(yard)] == ["fleet.orphan_reaped"]
    assert begun.machine.id in {line.machine_id for line in yard.cloud.billing()}


@virtual
async def test_what_cannot_be_proven_is_asked_again_until_it_can() -> None:
    yard = Yard()
    begun = await reaped(yard)
    yard.cloud.end(begun.machine.id)
    yard.cloud.faults.fail_next("fingerprint", times=8)
    began = yard.clock.monotonic()
    assert (await settled(yard))[-1].kind == "fleet.orphan_gone"
    assert 8 * SETTLE_FIRST_S < yard.clock.monotonic() - began < 8 * SETTLE_MAX_S


@virtual
async def test_an_end_that_was_written_down_meanwhile_is_not_written_again() -> None:
    yard = Yard()
    begun = await reaped(yard)
    yard.cloud.end(begun.machine.id)
    sound = yard.provider.training.prove_gone

    async def slow(machine: Any) -> Any:
        proof = await sound(machine)
        assert isinstance(proof, Gone)
        over = OrphanGone(machine=machine, reason="r", proof=proof, cost_usd=Decimal(0), at=yard.clock.now())
        await yard.journal.append("fleet", ANY, [over], actor="FleetWatch")
        return proof

    yard.provider.training.prove_gone = slow  # type: ignore[method-assign]
    assert [e.kind for e in await settled(yard)] == ["fleet.orphan_reaped", "fleet.orphan_gone"]


@virtual
async def test_what_was_reaped_in_another_account_waits_for_its_own_provider() -> None:
    """Of several providers in one node each proves its own machines only."""
    yard = Yard()
    await yard.queue()
    begun = await reaped(yard)
    yard.cloud.end(begun.machine.id)
    await yard.clock.sleep(60)
    asked = (yard.provider, yard.journal, yard.clock, NAMING, lambda e, **_: yard.logged.append(e))
    await settle(*asked, "another:account")
    assert [r.event.kind for r in await yard.journal.read("fleet")] == ["fleet.orphan_reaped"]
    await settle(*asked, begun.machine.account)
    assert [r.event.kind for r in await yard.journal.read("fleet")] == ["fleet.orphan_reaped", "fleet.orphan_gone"]
    await yard.journal.close()
