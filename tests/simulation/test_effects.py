"""What the effect runner does when its calls, its storage, its disk or its own code fail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from actors.journal.interface import (
    NEW,
    JournalRefused,
    JournalUnavailable,
    Version,
    WrongVersion,
)
from actors.journal.sqlite import BEGINNING, SqliteJournal
from actors.ledger.actor import CostLedger
from actors.ledger.requests import ReserveMoney
from actors.runtime.errors import AskTimeout
from actors.supervisor import launching, reading
from actors.supervisor.driver import CONFLICTS_MAX, WOKE, Contended
from actors.supervisor.inputs import StopAsked
from actors.supervisor.pending import Launch
from actors.supervisor.work import Program, always
from messages import events as ev
from messages.errors import Refusal
from messages.ids import CommandId, PredictionId
from messages.jobs import JobState, Outcome
from messages.machines import LaunchRequest, Machine, ProviderKind
from providers.fake.scripts import Script, Write, result
from providers.fake.training import FakeTraining
from providers.interface import HeldBack, StorageFull, Unavailable
from providers.interface import Refused as ProviderRefused
from tests.support.journals import Append, Through
from tests.support.node import ANA, NodeKit, good, unhurried, virtually


def outcome_of(job: Any) -> tuple[Outcome, str | None]:
    return job.closed.outcome, job.closed.code


def test_storage_that_stays_silent_for_an_hour_after_the_marker_closes_the_job_as_lost() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        await house.clock.sleep(28)
        house.cloud.faults.fail_next("copy", error=Unavailable("down"), times=100_000)
        began = house.clock.now()
        job = await house.closed(job_id)
        assert outcome_of(job) == (Outcome.LOST, "E-LOST")
        assert job.attempts[0].gone is not None
        assert job.attempts[0].gone.at - began < timedelta(minutes=1)  # the end did not wait for storage
        assert house.clock.now() - began > timedelta(hours=1)

    virtually(story)


def test_storage_that_stays_silent_after_a_machine_vanished_closes_the_job_as_lost() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(Script(starts_after_s=1, writes=good().writes[:1]))
        await house.clock.sleep(10)
        house.cloud.faults.fail_next("get", error=Unavailable("down"), times=100_000)
        house.cloud.faults.fail_next("stat", error=Unavailable("down"), times=100_000)
        house.cloud.end("fake-1")
        assert outcome_of(await house.closed(job_id)) == (Outcome.LOST, "E-LOST")
        assert house.billing() == 0

    unhurried(story)


def test_a_result_that_names_no_file_is_no_result() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(
            Script(starts_after_s=1, ends_after_s=20, writes=(*good().writes[:1], Write(19, "result.json", result())))
        )
        assert outcome_of(await house.closed(await house.train())) == (Outcome.FAILED, "E-NORESULT")

    virtually(story)


def test_an_intent_that_grew_old_is_not_sent() -> None:
    """A process that was paused between commit and call must not launch yesterday's intent."""

    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        intent = job.attempts[0].intent
        assert intent is not None
        tools = house.node.runner._tools
        for changed in (
            {"at": house.clock.now() - timedelta(seconds=11)},
            {"at": house.clock.now() + timedelta(seconds=5)},
            {"run": "another", "at": house.clock.now()},
        ):
            seen = await launching.create(tools, job, intent.model_copy(update=changed))
            assert isinstance(seen, ev.LaunchRefused)
            assert seen.reason == "not_sent"
        assert house.cloud.launches == 1
        await house.closed(job_id)

    virtually(story)


def test_any_failure_of_a_create_that_is_no_clean_answer_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        async def broken(request: object, **_: object) -> None:
            raise KeyError("a fault of ours, after the bytes went out")

        monkeypatch.setattr(house.provider.training, "launch", broken)
        job_id = await house.train()
        await house.clock.sleep(2)
        assert "job.create_ambiguous" in await house.kinds(f"job/{job_id}")
        monkeypatch.undo()
        assert outcome_of(await house.closed(job_id))[0] is Outcome.SUCCEEDED

    virtually(story)


def test_a_create_waits_for_its_turn_no_longer_than_its_intent_is_young() -> None:
    """Ten seconds after the commit at the latest, however they were spent."""

    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        intent = job.attempts[0].intent
        assert intent is not None
        left: list[float] = []

        async def noting(request: object, *, leaves_within_s: float) -> None:
            left.append(leaves_within_s)
            raise HeldBack("enough was seen")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(house.provider.training, "launch", noting)
            old = intent.model_copy(update={"at": house.clock.now() - timedelta(seconds=7)})
            await launching.create(house.node.runner._tools, job, old)
        assert left == [pytest.approx(3.0)]
        await house.closed(job_id)

    virtually(story)


def test_a_create_that_was_called_off_underneath_is_ambiguous() -> None:
    """Its connection was closed by somebody else: nobody asked this process to leave, and the bytes may be out."""

    async def story(house: NodeKit) -> None:
        async def called_off(request: object, **_: object) -> None:
            raise asyncio.CancelledError

        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        intent = job.attempts[0].intent
        assert intent is not None
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(house.provider.training, "launch", called_off)
            young = intent.model_copy(update={"at": house.clock.now()})
            seen = await launching.create(house.node.runner._tools, job, young)
        assert isinstance(seen, ev.CreateAmbiguous)
        await house.closed(job_id)

    virtually(story)


def test_creates_that_cannot_leave_this_computer_are_paced_and_the_job_goes_on_once_they_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five minutes without a connection: more tries than a lost answer would be given, none in a hurry."""

    async def story(house: NodeKit) -> None:
        async def unreachable(request: object, **_: object) -> None:
            raise HeldBack("no connection", 0.0)

        monkeypatch.setattr(house.provider.training, "launch", unreachable)
        job_id = await house.train()
        await house.clock.sleep(300)
        monkeypatch.undo()
        job = await house.closed(job_id)
        assert outcome_of(job)[0] is Outcome.SUCCEEDED
        refused = [a.refused.reason for a in job.attempts if a.refused]
        assert set(refused) == {"not_sent"}
        assert 4 <= len(refused) <= 300 / launching.HELD_BACK_MIN_S

    virtually(story)


def test_a_stop_ends_a_job_whose_create_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        async def unreachable(request: object, **_: object) -> None:
            raise HeldBack("no connection", 0.0)

        monkeypatch.setattr(house.provider.training, "launch", unreachable)
        job_id = await house.train()
        await house.clock.sleep(7)
        await house.halt(job_id)
        assert outcome_of(await house.closed(job_id))[0] is Outcome.CANCELLED

    virtually(story)


@pytest.mark.parametrize(
    ("error", "code"), [(StorageFull("507"), "E-STORAGEFULL"), (ProviderRefused("wrong key"), "E-STORAGE")]
)
def test_a_store_that_is_full_or_refuses_ends_the_job_before_any_machine_is_rented(
    error: ProviderRefused, code: str
) -> None:
    """Fault 38: no machine could leave its result there."""

    async def story(house: NodeKit) -> None:
        async def full(_: ProviderKind, __: str) -> Program:
            raise error

        house.program = full
        job = await house.closed(await house.train())
        assert outcome_of(job) == (Outcome.REFUSED, code)
        assert house.cloud.launches == 0
        assert await house.kinds("ledger") == ["ledger.reserved", "ledger.released", "ledger.settled"]

    virtually(story)


def test_a_bundle_that_cannot_be_had_any_more_sends_no_create_and_is_tried_again() -> None:
    async def story(house: NodeKit) -> None:
        sound, asked = house.program, 0

        async def program(kind: ProviderKind, model: str) -> Program:
            nonlocal asked
            asked += 1
            if asked == 2:  # between the money and the create
                raise Unavailable("the store went away")
            return await sound(kind, model)

        house.program = program
        job = await house.closed(await house.train())
        assert outcome_of(job)[0] is Outcome.SUCCEEDED
        assert [a.refused.reason for a in job.attempts if a.refused] == ["not_sent"]
        assert house.cloud.launches == 1

    virtually(story)


def test_what_the_program_needs_of_its_machine_goes_with_the_create(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        sent: list[LaunchRequest] = []
        launch = FakeTraining.launch

        async def noted(self: FakeTraining, request: LaunchRequest, **_: Any) -> Machine:
            sent.append(request)
            return await launch(self, request)

        monkeypatch.setattr(FakeTraining, "launch", noted)
        house.program = always(
            Program(argv=("./env/bin/python",), bundle="bundles/abc", machine={"LASTCALL_WRAPPER_SHA256": "0" * 64})
        )
        job = await house.closed(await house.train())
        assert sent[0].bundle == "bundles/abc"
        assert sent[0].environment["LASTCALL_WRAPPER_SHA256"] == "0" * 64
        intent = job.attempts[0].intent
        assert intent is not None
        assert intent.request.bundle == "bundles/abc"
        assert intent.request.environment == {}

    virtually(story)


def test_a_control_file_that_cannot_be_written_delays_no_end() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.running(good(1000))
        house.cloud.faults.fail_next("put", error=Unavailable("down"), times=3)
        await house.halt(job_id)
        await house.closed(job_id, within_s=30)
        assert any(event == "control_not_written" for event, _ in house.logged)

    virtually(story)


def test_a_stop_is_written_to_the_machine_as_well() -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(good(1000))
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        request = job.attempts[0].request
        assert request is not None
        await house.halt(job_id)
        await house.closed(job_id)
        assert b'"stop_requested":true' in house.cloud.objects[f"{request.folder}/control.json"].data

    virtually(story)


def test_an_effect_with_a_fault_of_ours_is_logged_and_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        sound, faults = reading.collect, [3]

        async def faulty(*arguments: Any) -> None:
            if faults[0]:
                faults[0] -= 1
                raise ZeroDivisionError
            await sound(*arguments)

        monkeypatch.setattr(reading, "collect", faulty)
        assert outcome_of(await house.closed(await house.train()))[0] is Outcome.SUCCEEDED
        assert [event for event, _ in house.logged].count("effect_failed") == 3

    virtually(story)


def test_an_orderly_stop_waits_for_creates_that_are_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 44."""

    async def story(house: NodeKit) -> None:
        sound = house.provider.training.launch

        async def slow(request: Any, **_: Any) -> Any:
            await house.clock.sleep(20)
            return await sound(request)

        monkeypatch.setattr(house.provider.training, "launch", slow)
        job_id = await house.train()
        await house.until(job_id, JobState.LAUNCHING)
        await house.node.drain()
        assert (await house.job(job_id)).phase is JobState.STARTING
        await house.restart()
        monkeypatch.undo()
        assert outcome_of(await house.closed(job_id))[0] is Outcome.SUCCEEDED
        assert house.cloud.launches == 1

    virtually(story)


def test_what_runs_is_known_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        house.cloud.script_next(Script(starts_after_s=1, writes=good().writes, terminates_ignored=2))

        async def faulty(*_: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(reading, "collect", faulty)
        job_id = await house.train()
        await house.until(job_id, JobState.CONFIRMING)
        assert house.node.runner.ends_in_flight() == {"fake-1"}
        await house.clock.sleep(30)
        assert house.node.runner._failures
        house.node.runner.forget(job_id)
        assert not house.node.runner._failures
        assert not house.node.runner._sent
        monkeypatch.undo()
        assert outcome_of(await house.closed(job_id))[0] is Outcome.SUCCEEDED

    virtually(story)


def test_a_create_that_is_out_when_the_process_leaves_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        sound = house.provider.training.launch

        async def slow(request: Any, **_: Any) -> Any:
            made = await sound(request)
            await house.clock.sleep(30)
            return made

        monkeypatch.setattr(house.provider.training, "launch", slow)
        job_id = await house.train()
        await house.until(job_id, JobState.LAUNCHING)
        await house.clock.sleep(2)
        await house.restart()
        monkeypatch.undo()
        job = await house.closed(job_id)
        assert outcome_of(job)[0] is Outcome.SUCCEEDED
        assert house.cloud.launches == 1
        assert job.attempts[0].ambiguous is not None

    virtually(story)


def test_a_stop_reaches_a_job_that_was_accepted_and_not_yet_queued() -> None:
    async def story(house: NodeKit) -> None:
        disk = await refusing(house)
        disk.refuse_kinds = {"job.queued"}
        job_id = await house.train()
        assert (await house.halt(job_id)).stopped == (job_id,)
        disk.refuse_kinds = set()
        await house.clock.sleep(6)
        assert outcome_of(await house.closed(job_id))[0] is Outcome.CANCELLED
        assert house.billing() == 0

    virtually(story)


class Contending(Through):
    """A journal in which somebody else's observation always comes first."""

    def __init__(self, inner: SqliteJournal, times: int) -> None:
        super().__init__(inner)
        self.times = times

    async def before(self, asked: Append) -> None:
        if asked.actor == "PodSupervisor" and self.times:
            self.times -= 1
            raise WrongVersion(asked.stream, asked.expected, 99)


def test_a_decision_that_came_too_late_is_made_again() -> None:
    async def story(house: NodeKit) -> None:
        await house.restart(wrap=lambda inner: Contending(inner, 3))
        assert outcome_of(await house.closed(await house.train()))[0] is Outcome.SUCCEEDED

    virtually(story)


def test_a_stream_that_never_rests_is_a_fault_and_not_an_endless_loop() -> None:
    async def story(house: NodeKit) -> None:
        await house.restart(wrap=lambda inner: Contending(inner, CONFLICTS_MAX + 1))
        job_id = await house.train()
        await house.clock.sleep(1)
        driver = house.node._drive(job_id, house.node.fleets.rules(job_id))
        with pytest.raises(LookupError):
            _ = driver.job
        house.node.parts.journal.times = 10_000  # type: ignore[attr-defined]
        await house.halt(job_id)
        with pytest.raises(Contended):
            await driver.hear(_stop())
        house.node.parts.journal.times = 0  # type: ignore[attr-defined]
        await driver.hear(WOKE)
        await house.closed(job_id)

    virtually(story)


def _stop() -> Any:
    return StopAsked(by="test", command_id=CommandId("sys:test"))


def test_the_runner_starts_nothing_while_it_closes() -> None:
    async def story(house: NodeKit) -> None:
        job_id = await house.train()
        job = await house.until(job_id, JobState.RUNNING)
        intent = job.attempts[0].intent
        assert intent is not None
        await house.node.runner.close()
        house.node.runner.ensure(job, [Launch(1, intent)])
        assert house.node.runner.creates_in_flight() == []
        await house.restart()
        await house.closed(job_id)

    virtually(story)


def test_predictions_are_booked_once_also_when_the_ledger_was_not_there() -> None:
    async def story(house: NodeKit) -> None:
        job = await house.closed(await house.train())
        assert job.closed is not None
        made = ev.PredictionMade(
            prediction_id=_prediction("prd_aaaaaaaaaa"),
            user_id=ANA.user_id,
            model_id=job.closed.model_id,
            key="k",
            rows=2,
            cost_usd=job.closed.cost_usd,
        )
        await house.node.system.find("ledger").stop()  # type: ignore[union-attr]
        await house.journal.append("prediction/prd_aaaaaaaaaa", NEW, [made], actor="test")
        await house.restart()
        await house.clock.sleep(1)
        again = made.model_copy(update={"prediction_id": _prediction("prd_bbbbbbbbbb")})
        await house.journal.append("prediction/prd_bbbbbbbbbb", NEW, [again], actor="test")
        await house.clock.sleep(1)
        await house.restart()
        await house.clock.sleep(1)
        assert (await house.kinds("ledger")).count("ledger.spent") == 2
        report = await house.node.services.views.costs(ANA, "day")
        assert report.total_usd == 3 * job.closed.cost_usd

    virtually(story)


def _prediction(text: str) -> Any:
    return PredictionId(text)


def test_a_settlement_that_a_crash_left_out_is_made_at_the_next_start() -> None:
    async def story(house: NodeKit) -> None:
        await house.node.system.find("ledger").stop()  # type: ignore[union-attr]
        job_id = await house.train()
        await house.clock.sleep(2)
        await house.restart()
        job = await house.closed(job_id)
        await house.clock.sleep(1)
        ledger = await house.kinds("ledger")
        assert ledger.count("ledger.settled") == 1
        assert job.closed is not None

    virtually(story)


class Refusing(Through):
    """A journal that fails as ordered: appends of some actors, or all reads of some streams."""

    def __init__(self, inner: SqliteJournal) -> None:
        super().__init__(inner)
        self.appends_by: set[str] = set()
        self.reads_of = ""
        self.refuse_once = ""
        self.refuse_kinds: set[str] = set()

    async def before(self, asked: Append) -> None:
        kind = asked.events[0].kind
        if asked.actor in self.appends_by or kind in self.refuse_kinds:
            raise JournalUnavailable("the disk takes nothing")
        if self.refuse_once and kind == self.refuse_once:
            self.refuse_once = ""
            raise JournalRefused("not to be written")

    async def read(self, stream: str, after: Version = BEGINNING) -> list[Any]:
        if self.reads_of and stream.startswith(self.reads_of):
            raise JournalUnavailable("the disk cannot be read")
        return await self.inner.read(stream, after)


async def refusing(house: NodeKit) -> Refusing:
    return await house.restart_behind(Refusing)


def test_what_the_disk_does_not_take_is_booked_when_it_does() -> None:
    async def story(house: NodeKit) -> None:
        disk = await refusing(house)
        job_id = await house.train()
        await house.until(job_id, JobState.RUNNING)
        disk.appends_by = {"CostLedger"}
        await house.closed(job_id)
        await house.clock.sleep(300)
        assert "ledger.settled" not in await house.kinds("ledger")
        disk.appends_by = set()
        await house.clock.sleep(5)
        assert (await house.kinds("ledger")).count("ledger.settled") == 1
        assert not [a for a in house.node.system.inspect() if a.parked or a.restarts]

    virtually(story)


def test_a_journal_that_cannot_be_read_for_a_while_ends_no_healthy_job() -> None:
    async def story(house: NodeKit) -> None:
        disk = await refusing(house)
        job_id = await house.running(good(200))
        disk.reads_of = "job/"
        house.node._deliver(job_id, WOKE)
        await house.clock.sleep(60)
        assert not [a for a in house.node.system.inspect() if a.parked]
        disk.reads_of = ""
        job = await house.closed(job_id)
        assert outcome_of(job)[0] is Outcome.SUCCEEDED
        assert house.cloud.launches == 1

    virtually(story)


def test_a_supervisor_that_cannot_read_its_job_at_first_tries_again() -> None:
    async def story(house: NodeKit) -> None:
        disk = await refusing(house)
        disk.reads_of = "job/"
        job_id = await house.train()
        await house.clock.sleep(30)
        disk.reads_of = ""
        assert outcome_of(await house.closed(job_id))[0] is Outcome.SUCCEEDED

    virtually(story)


def test_a_stop_that_can_neither_be_read_nor_written_still_ends_the_machine() -> None:
    async def story(house: NodeKit) -> None:
        disk = await refusing(house)
        job_id = await house.running(good(10_000))
        disk.reads_of = "job/"
        await house.halt(job_id)
        await house.clock.sleep(30)
        assert house.billing() == 0
        disk.reads_of = ""
        assert outcome_of(await house.closed(job_id))[0] is Outcome.CANCELLED

    virtually(story)


def test_an_answer_that_cannot_be_written_leaves_the_create_ambiguous() -> None:
    async def story(house: NodeKit) -> None:
        disk = await refusing(house)
        disk.refuse_once = "job.machine_created"
        job = await house.closed(await house.train())
        assert outcome_of(job)[0] is Outcome.SUCCEEDED
        assert job.attempts[0].ambiguous is not None
        assert house.cloud.launches == 1

    virtually(story)


def test_a_busy_ledger_is_asked_again_and_never_taken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        sound, busy = house.node.reserve, [2]

        async def reserve(asked: Any) -> Any:
            if busy[0]:
                busy[0] -= 1
                raise AskTimeout("ledger", "no answer")
            return await sound(asked)

        monkeypatch.setattr(house.node, "reserve", reserve)
        assert outcome_of(await house.closed(await house.train()))[0] is Outcome.SUCCEEDED

    virtually(story)


@pytest.mark.parametrize(("no", "code"), [(Refusal("E-INTERNAL", "odd"), "E-ARTIFACT"), (Refusal("E-JOURNAL"), None)])
def test_a_result_that_cannot_be_kept_fails_the_job_unless_asking_again_can_help(
    monkeypatch: pytest.MonkeyPatch, no: Refusal, code: str | None
) -> None:
    async def story(house: NodeKit) -> None:
        sound, refusals = house.node.collect, [1 if code is None else 99]

        async def collect(asked: Any) -> Any:
            if refusals[0]:
                refusals[0] -= 1
                raise no
            return await sound(asked)

        monkeypatch.setattr(house.node, "collect", collect)
        job = await house.closed(await house.train())
        assert job.closed is not None
        assert job.closed.code == code

    virtually(story)


def test_money_is_not_held_for_a_job_that_is_over() -> None:
    async def story(house: NodeKit) -> None:
        job = await house.closed(await house.train())
        request = job.attempts[0].request
        assert request is not None
        asked = ReserveMoney(
            job_id=job.id,
            user_id=job.user_id,
            attempt=2,
            offer=request.offer,
            cap_left_usd=job.plan.limits.max_cost_usd,
            max_runtime_s=60,
        )
        with pytest.raises(Refusal, match="is over"):
            await house.node.reserve(asked)

    virtually(story)


def test_a_node_says_when_an_actor_that_every_job_needs_is_past_its_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: NodeKit) -> None:
        async def poison(*_: object) -> None:
            raise ValueError("for ever")

        monkeypatch.setattr(CostLedger, "receive", poison)
        for _ in range(25):
            house.node.ledger.tell(WOKE)
            await house.clock.sleep(21)
        assert "ledger" in await house.node.until_broken()
        alarms = [r.event for r in await house.journal.read("node") if isinstance(r.event, ev.AlarmRaised)]
        assert [alarm.alarm for alarm in alarms] == ["actor_parked"]

    virtually(story)
