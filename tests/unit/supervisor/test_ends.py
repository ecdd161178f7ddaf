"""The one way a machine ends: asked once, asked again when it shows alive, and never again while nothing shows it.

And whoever has it ended is told when that takes long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from actors.journal.interface import ANY, JournalUnavailable
from actors.journal.sqlite import SqliteJournal
from actors.journal.tables import standard
from actors.runtime.virtual import EPOCH, SeededEntropy, VirtualClock
from actors.supervisor import ending
from actors.supervisor.ends import (
    ASK_AGAIN_S,
    PROVEN_WITHIN_S,
    UNPROVEN_S,
    Asked,
    Ended,
    NotProven,
    gone_within,
    until_gone,
)
from actors.supervisor.unproven import EndAlarm, Unproven
from messages.events import END_UNPROVEN, GoneProved
from messages.folder import Control
from messages.machines import Alive, Gone, Machine, MachineState, Proof, ProviderKind, Unknown
from providers.interface import CloudTrainingProvider, EndAnswer, LogChunk, Unavailable
from tests.support.jobs import TIMINGS, Story, gone, machine
from tests.support.virtual import virtual


class Cloud(CloudTrainingProvider):
    """Answers as laid out; the last answer stays."""

    kind: ClassVar[ProviderKind] = "fake"

    def __init__(self, clock: VirtualClock, proofs: list[str], terminates: list[Exception | EndAnswer]) -> None:
        self.clock = clock
        self.proofs = proofs
        self.terminates = terminates
        self.asked: list[float] = []
        self.look_s = 1.0
        self.timings = TIMINGS

    async def terminate(self, machine_id: str) -> EndAnswer:
        self.asked.append(self.clock.monotonic())
        answer = self.terminates.pop(0) if len(self.terminates) > 1 else self.terminates[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def prove_gone(self, machine: Machine) -> Proof:
        await self.clock.sleep(self.look_s)
        word = self.proofs.pop(0) if len(self.proofs) > 1 else self.proofs[0]
        if word == "gone":
            return gone(self.clock.now())
        return Alive(detail="listed") if word == "alive" else Unknown(detail="cut")

    async def fingerprint(self) -> str:
        raise NotImplementedError

    def select_compute_type(self, size_mb: float, model_type: str) -> str:
        raise NotImplementedError

    async def offers(self, need: Any) -> list[Any]:
        raise NotImplementedError

    async def launch(self, request: Any, *, leaves_within_s: float = 5.0) -> Machine:
        raise NotImplementedError

    async def list_machines(self) -> Any:
        raise NotImplementedError

    async def describe(self, machine_id: str) -> Machine:
        raise NotImplementedError

    def logs(self, machine_id: str, after: int = 0) -> AsyncIterator[LogChunk]:
        raise NotImplementedError

    async def billed(self, since: datetime, until: datetime) -> list[Any]:
        raise NotImplementedError


class Yard:
    """One machine to end."""

    def __init__(self, proofs: str, *terminates: Exception | EndAnswer) -> None:
        self.clock = VirtualClock()
        self.cloud = Cloud(self.clock, proofs.split(), list(terminates) or [EndAnswer.ACCEPTED])
        self.heard: list[datetime] = []
        self.told: list[tuple[float, Unproven]] = []
        self.age_s = 3600.0

    def tell(self, found: Unproven) -> None:
        self.told.append((self.clock.monotonic(), found))

    @property
    def seen(self) -> Machine:
        return Machine(
            id="m1",
            name="n",
            account="a",
            state=MachineState.RUNNING,
            rate_usd_per_hour=Decimal(1),
            first_seen=self.clock.now() - timedelta(seconds=self.age_s),
        )

    async def end(self, **more: Any) -> Ended:
        quiet: Any = lambda *_, **__: None  # noqa: E731
        return await until_gone(
            self.cloud, self.clock, self.seen, quiet, accepted=self.heard.append, unproven=self.tell, **more
        )

    async def end_within(self, *within_s: float, **more: Any) -> Ended | NotProven:
        return await gone_within(self.cloud, self.clock, self.seen, *within_s, unproven=self.tell, **more)


@virtual
async def test_what_was_accepted_is_not_asked_again_while_nothing_shows_the_machine() -> None:
    """Every call counts against the quota that proofs and listings need too."""
    yard = Yard("unknown unknown unknown unknown unknown gone")
    ended = await yard.end()
    assert len(yard.cloud.asked) == 1
    assert ended.accepted_at == yard.heard[0]


@virtual
async def test_a_machine_that_shows_alive_after_its_end_was_accepted_is_asked_again() -> None:
    """Fault 5: acknowledged and ignored."""
    yard = Yard("alive alive alive alive alive alive gone")
    ended = await yard.end()
    assert len(yard.cloud.asked) > 1
    assert yard.cloud.asked[1] - yard.cloud.asked[0] >= ASK_AGAIN_S
    assert ended.accepted_at == yard.heard[-1] != ended.first_accepted_at == yard.heard[0]


@virtual
async def test_a_call_that_fails_is_made_again_after_what_the_provider_asked_for() -> None:
    yard = Yard("unknown unknown gone", Unavailable("busy", 12.0), EndAnswer.ACCEPTED)
    await yard.end()
    assert yard.cloud.asked[1] - yard.cloud.asked[0] >= 12


@virtual
async def test_a_machine_that_ended_by_itself_is_proven_though_no_call_gets_through() -> None:
    yard = Yard("unknown gone", Unavailable("down"))
    ended = await yard.end()
    assert ended.accepted_at is None
    assert isinstance(ended.proof, Gone)


@virtual
async def test_not_found_answers_a_call_and_is_no_acceptance() -> None:
    """It was gone already, and nobody knows since when; every further call counts against the quota all the same."""
    yard = Yard("unknown unknown gone", EndAnswer.ABSENT)
    ended = await yard.end()
    assert (ended.accepted_at, ended.first_accepted_at, yard.heard) == (None, None, [])
    assert len(yard.cloud.asked) == 1


@virtual
async def test_a_machine_that_shows_alive_after_not_found_is_asked_again() -> None:
    """Fault 4: a "not found" of a young machine."""
    yard = Yard("alive alive alive alive gone", EndAnswer.ABSENT, EndAnswer.ACCEPTED)
    ended = await yard.end()
    assert len(yard.cloud.asked) == 2
    assert ended.accepted_at == ended.first_accepted_at == yard.heard[0]


@virtual
async def test_when_a_machine_showed_alive_last_is_told_with_its_end() -> None:
    yard = Yard("alive alive unknown unknown gone", Unavailable("down", 0.0))
    ended = await yard.end()
    assert ended.alive_at is not None
    assert 2 < (ended.alive_at - EPOCH).total_seconds() < 3
    assert (await Yard("unknown gone", EndAnswer.ABSENT).end()).alive_at is None


@virtual
async def test_an_acceptance_from_before_a_restart_counts() -> None:
    yard = Yard("unknown gone")
    before = yard.clock.now()
    assert (await yard.end(asked=Asked(before, accepted=True))).accepted_at == before
    assert yard.cloud.asked == []


@virtual
async def test_asking_and_proving_never_ends_before_the_proof() -> None:
    yard = Yard(" ".join(["alive"] * 200) + " gone")
    began = yard.clock.monotonic()
    await yard.end()
    assert yard.clock.monotonic() - began > 1000
    with pytest.raises(IndexError):
        yard.cloud.proofs[1]


# ------------------------------------------------------------------------------------------------ for a while


@virtual
async def test_a_program_that_does_not_stay_ends_a_machine_by_the_same_way() -> None:
    """An end that shows alive after it was answered is asked again; a proof is the only end."""
    yard = Yard("alive alive alive alive alive alive gone")
    ended = await yard.end_within()
    assert isinstance(ended, Ended)
    assert len(yard.cloud.asked) > 1
    before = Asked(yard.clock.now(), accepted=True)
    again = Yard("unknown gone")
    assert isinstance(await again.end_within(asked=before), Ended)
    assert again.cloud.asked == []


@virtual
async def test_it_says_how_it_stands_when_its_time_is_up_and_asks_no_more() -> None:
    yard = Yard("alive", Unavailable("503 from the edge", 0.0))
    found = await yard.end_within()
    assert yard.clock.monotonic() == PROVEN_WITHIN_S
    assert found == NotProven("listed", "503 from the edge")
    assert found.words == "not proven gone: listed; the last call failed: 503 from the edge"
    assert [at for at, _ in yard.told] == [UNPROVEN_S[0]]
    asked = len(yard.cloud.asked)
    await yard.clock.sleep(1000)
    assert len(yard.cloud.asked) == asked


@virtual
async def test_without_time_for_a_look_none_is_told() -> None:
    yard = Yard("gone")
    found = await yard.end_within(0.5)
    assert isinstance(found, NotProven)
    assert found.words == "not proven gone: the look is not done"


# ------------------------------------------------------------------------------------------------ told of


@virtual
async def test_an_end_that_is_ignored_is_told_of_after_two_and_after_ten_minutes() -> None:
    """Fault 5."""
    yard = Yard(" ".join(["alive"] * 60) + " gone")
    await yard.end()
    assert [at for at, _ in yard.told] == list(UNPROVEN_S) == [120.0, 600.0]
    assert {found.looked for _, found in yard.told} == {"listed"}
    assert [found.asked_s for _, found in yard.told] == [120.0, 600.0]
    assert not any(found.trouble for _, found in yard.told)


@virtual
async def test_an_end_whose_calls_fail_is_told_of_with_why() -> None:
    yard = Yard(" ".join(["unknown"] * 10) + " gone", Unavailable("503 from the edge", 0.0))
    await yard.end()
    assert [found.trouble for _, found in yard.told] == ["503 from the edge"]


@virtual
async def test_an_end_that_is_proven_in_time_is_told_of_to_nobody() -> None:
    yard = Yard("alive unknown gone")
    await yard.end()
    await yard.clock.sleep(1000)
    assert yard.told == []


@virtual
async def test_a_proof_that_does_not_come_back_keeps_nothing_from_being_told() -> None:
    yard = Yard("gone")
    yard.cloud.look_s = 700.0
    await yard.end()
    assert [(at, found.looked) for at, found in yard.told] == [(120.0, ""), (600.0, "")]


@virtual
async def test_a_machine_that_is_only_too_young_to_be_proven_gone_gets_that_time_more() -> None:
    """Its absence does not count before; an end that was answered is no alarm for that."""
    yard = Yard("gone")
    yard.age_s, yard.cloud.look_s = 20.0, 150.0
    await yard.end()
    assert yard.told == []
    slow = Yard("gone")
    slow.age_s, slow.cloud.look_s = 20.0, 300.0
    await slow.end()
    assert [found.asked_s for _, found in slow.told] == [220.0]


@virtual
async def test_a_young_machine_that_resists_its_end_is_told_of_after_two_minutes() -> None:
    yard = Yard(" ".join(["alive"] * 12) + " gone")
    yard.age_s = 0.0
    await yard.end()
    assert yard.told[0][0] == 120.0


# ------------------------------------------------------------------------------------------------ in words


def unproven(**changes: Any) -> Unproven:
    seen = machine("lc1-x", "m1", rate="0.27")
    return Unproven(seen, 600.0, "RunPod still knows it as RUNNING", "503")._replace(**changes)


def test_what_people_are_told_says_what_happened_what_it_costs_whether_it_runs_and_what_to_do() -> None:
    words = unproven().words
    for part in ("lc1-x (id m1)", "10 min ago", "still knows it as RUNNING", "the last call failed: 503"):
        assert part in words
    assert "counts as running and billing, at $0.270/h, $0.045 since then" in words
    assert "end it there" in words


def test_what_is_not_known_is_not_said() -> None:
    free = machine("lc1-x", "m1", rate=None)
    words = unproven(machine=free, looked="", trouble="").words
    assert "the look is not done" in words
    assert "at a price nobody told" in words
    assert "the last call" not in words


# ------------------------------------------------------------------------------------------------ the alarm


def journal(clock: VirtualClock) -> SqliteJournal:
    return SqliteJournal.memory(clock=clock, entropy=SeededEntropy(0).bytes, projections=standard())


class Full:
    """A journal that takes nothing at first."""

    def __init__(self, inner: SqliteJournal, times: int) -> None:
        self.inner, self.left = inner, times

    async def append(self, *words: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise JournalUnavailable("disk full")
        return await self.inner.append(*words, **named)


@virtual
async def test_the_alarm_stands_once_for_a_machine_as_it_was_last_told_of_until_its_proof() -> None:
    clock = VirtualClock()
    kept = journal(clock)
    logged: list[str] = []
    alarm = EndAlarm(kept, clock, lambda word, **_: logged.append(word), "EffectRunner")
    for asked_s in UNPROVEN_S:
        alarm(unproven(asked_s=asked_s))
    await alarm.written()
    assert logged == ["alarm", "alarm"]
    [(name, subject, code, detail)] = await kept.query("SELECT alarm, subject, code, detail FROM alarms")
    assert (name, subject, code) == (END_UNPROVEN, "m1", "E-UNPROVEN")
    assert "10 min ago" in detail
    proved = GoneProved(attempt=1, machine_id="m1", proof=gone(EPOCH))
    await kept.append("job/job_aaaaaaaaaa", ANY, [proved], actor="EffectRunner")
    assert await kept.query("SELECT * FROM alarms") == []
    await kept.close()


@virtual
async def test_an_alarm_waits_for_the_disk_and_is_given_up_with_the_process() -> None:
    clock = VirtualClock()
    kept = journal(clock)
    late: Any = Full(kept, 3)
    alarm = EndAlarm(late, clock, lambda *_, **__: None, "EffectRunner")
    alarm(unproven())
    await alarm.written()
    assert len(await kept.query("SELECT * FROM alarms")) == 1
    never: Any = Full(kept, 1_000_000)
    given_up = EndAlarm(never, clock, lambda *_, **__: None, "EffectRunner")
    given_up(unproven())
    await clock.sleep(100)
    given_up.close()
    with pytest.raises(asyncio.CancelledError):
        await given_up.written()
    await kept.close()


@pytest.mark.parametrize(
    ("told", "controls"),
    [
        (lambda story: story.stop(), 1),
        (lambda story: story.marked(), 0),
        (lambda story: story.marked().stop(), 0),
        (lambda story: story.stop().marked(), 0),
    ],
)
async def test_no_control_file_is_written_once_the_marker_was_seen(
    told: Callable[[Story], Story], controls: int
) -> None:
    """A restarted daemon takes an end up again: work that left its marker is not asked to stop any more."""
    job = told(Story().running()).job
    written: list[Control] = []

    class Told:
        async def write_control(self, control: Control) -> None:
            written.append(control)

    tools: Any = SimpleNamespace(folder_of=lambda *_: Told())
    await ending._tell_machine(tools, job, job.attempts[0])
    assert [one.stop_requested for one in written] == [True] * controls
