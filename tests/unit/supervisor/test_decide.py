"""What follows from what: every phase, every reason to end, every way a create can go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.supervisor import decide as module
from actors.supervisor.decide import Undecided, decide, next_wake
from actors.supervisor.inputs import Ailing, FolderSeen, Granted, Sighted, StopAsked, Vanished, Woke
from actors.supervisor.rules import DEADLINE_GRACE_S, Rules
from actors.supervisor.state import UnknownJob, evolve, fold
from messages import events as ev
from messages.folder import Started
from messages.ids import CommandId
from messages.jobs import JobState, Outcome, StopReason
from messages.machines import MachineName
from tests.support.jobs import ACCOUNT, JOB, NAMING, RULES, START, TIMINGS, Story, gone, machine, offer, plan, queued


def test_the_main_road_passes_every_phase_and_closes_with_proof() -> None:
    story = Story()
    phases = [story.phase]
    for step in (story.reserved, story.created, story.started, story.marked, story.accepted, story.proved):
        step()
        story.after(1)
        phases.append(story.phase)
    story.collected()
    phases.append(story.phase)
    assert phases == [
        JobState.QUEUED,
        JobState.LAUNCHING,
        JobState.STARTING,
        JobState.RUNNING,
        JobState.ENDING,
        JobState.CONFIRMING,
        JobState.CONFIRMING,
        JobState.CLOSED,
    ]
    assert story.closed.outcome is Outcome.SUCCEEDED
    assert story.closed.model_id is not None
    assert story.kinds()[-2:] == ["job.attempt_ended", "job.closed"]


def test_a_closed_job_hears_nothing_any_more() -> None:
    story = Story().running().marked().ended()
    stopped = StopAsked(by="x", command_id=CommandId("sys:x"))
    assert decide(story.job, stopped, story.now, RULES) == []


def test_the_intent_holds_the_whole_request_and_a_name_that_a_reaper_can_read() -> None:
    story = Story().reserved()
    intent = story.attempt.intent
    assert intent is not None
    name = MachineName.parse(intent.request.name, NAMING.key)
    assert name is not None
    assert name.job_id == JOB
    assert name.attempt == 1
    assert name.hard_deadline == intent.request.hard_deadline
    assert intent.request.soft_deadline <= intent.request.hard_deadline - timedelta(seconds=300)
    assert intent.request.folder == f"jobs/user_{story.job.user_id}/{JOB}/1"
    assert intent.run == RULES.run


def test_a_small_hold_brings_the_soft_deadline_forward_and_says_so() -> None:
    story = Story(plan(cap="0.1")).reserved(hold="0.1")
    intent = story.attempt.intent
    assert intent is not None
    assert intent.bound == "money"
    # 0.1 = r (S + 300) + r (180 + 90) at r = 0.27/3600 per second
    assert (intent.request.soft_deadline - START).total_seconds() == pytest.approx(0.1 / 0.27 * 3600 - 270 - 300)


def test_a_large_hold_leaves_the_runtime_to_decide() -> None:
    story = Story().reserved(hold="10")
    intent = story.attempt.intent
    assert intent is not None
    assert intent.bound == "runtime"
    assert (intent.request.soft_deadline - START).total_seconds() == pytest.approx(1200 + 7200, abs=1)


# ---------------------------------------------------------------------------------------------- stop

CHAPTERS: dict[str, Callable[[Story], object]] = {
    "queued": lambda s: s,
    "launching": lambda s: s.reserved(),
    "starting": lambda s: s.created(),
    "running": lambda s: s.running(),
    "confirming": lambda s: s.running().marked().accepted(),
}


def test_stop_while_queued_closes_at_once_and_nothing_was_rented() -> None:
    story = Story().stop()
    assert story.closed.outcome is Outcome.CANCELLED
    assert story.closed.cost_usd == 0
    assert story.effects() == []


def test_stop_while_the_create_is_out_ends_the_machine_the_moment_it_is_known() -> None:
    """Fault 20."""
    story = Story().reserved().stop()
    assert story.is_in(JobState.LAUNCHING)
    story.created()
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.STOP
    assert story.effects() == ["end/1/m1"]
    assert story.ended().closed.outcome is Outcome.CANCELLED


def test_stop_while_the_create_is_ambiguous_waits_for_the_machine_or_its_absence() -> None:
    found = Story().reserved().ambiguous().stop().listed(machine("x"))
    assert found.is_in(JobState.LAUNCHING)  # another name
    found.listed(machine(found.name))
    assert found.is_in(JobState.ENDING)
    absent = Story().reserved().ambiguous().stop()
    absent.after(TIMINGS.quiet_s).listed()
    assert absent.closed.outcome is Outcome.CANCELLED


@pytest.mark.parametrize("chapter", ["starting", "running"])
def test_stop_ends_a_machine_at_once(chapter: str) -> None:
    story = Story()
    CHAPTERS[chapter](story)
    story.stop()
    assert story.is_in(JobState.ENDING)
    assert story.ended().closed.outcome is Outcome.CANCELLED
    assert story.closed.code == "E-CANCELLED"


def test_stop_after_the_marker_changes_nothing_of_the_outcome() -> None:
    story = Story().running().marked().stop().ended()
    assert story.closed.outcome is Outcome.SUCCEEDED


def test_a_marker_after_the_stop_leaves_it_cancelled_and_keeps_the_model() -> None:
    story = Story().running().stop().marked().accepted().proved()
    assert story.effects() == ["collect/1"]
    story.collected()
    assert story.closed.outcome is Outcome.CANCELLED
    assert story.closed.model_id is not None


def test_a_marker_and_a_stop_before_the_machine_is_known_go_by_journal_order() -> None:
    story = Story().reserved().ambiguous().stop().marked()
    story.listed(machine(story.name))
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.STOP


def test_a_second_stop_is_not_journaled_again() -> None:
    story = Story().running().stop()
    assert story.hear(StopAsked(by="x", command_id=CommandId("sys:y"))) == []


def test_stop_between_reservation_and_intent_gives_the_money_back() -> None:
    job = evolve(Story().job, ev.StopAccepted(by="x", command_id=CommandId("sys:x"), at=START))
    job = evolve(job, ev.MoneyReserved(attempt=1, reservation="r", hold_usd=Decimal(1), at=START))
    kinds = [event.kind for event in decide(job, Woke(), START, RULES)]
    assert kinds == ["job.attempt_ended", "job.closed"]


# ---------------------------------------------------------------------------------------------- reasons to end


def test_no_start_within_the_allowance_ends_the_machine_and_tries_the_next_offer() -> None:
    story = Story().created().after(TIMINGS.start_allowance_s).unstarted()
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.NO_START
    story.ended()
    assert story.effects() == ["reserve/2"]


def test_time_alone_is_no_evidence_that_the_work_did_not_start() -> None:
    """Rule 4: storage that cannot be read hides a start as well as a result."""
    story = Story().created().after(TIMINGS.start_allowance_s + 1)
    story.hear()
    assert story.is_in(JobState.STARTING)


def test_an_empty_folder_says_nothing_of_work_that_started_or_of_a_machine_that_ends() -> None:
    running = Story().running().unstarted()
    assert running.attempt.end is None
    stopped = Story().created().stop().unstarted()
    assert stopped.attempt.end is not None
    assert stopped.attempt.end.reason is StopReason.STOP


def test_a_deadline_that_passed_is_enforced_after_the_wrapper_had_its_chance() -> None:
    story = Story().running()
    request = story.attempt.request
    assert request is not None
    wake = next_wake(story.job, RULES)
    assert wake == request.soft_deadline + timedelta(seconds=DEADLINE_GRACE_S)
    story.now = wake - timedelta(seconds=1)
    assert story.hear() == []
    story.after(1).hear()
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.DEADLINE
    assert story.ended().closed.outcome is Outcome.TIMED_OUT


def test_a_machine_that_costs_more_than_agreed_is_ended_before_it_works() -> None:
    """Faults 27 and 77."""
    story = Story().created(rate="0.5")
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.CHECK_FAILED
    assert story.ended().effects() == ["reserve/2"]


def test_a_machine_without_a_price_is_billed_at_the_offers() -> None:
    story = Story().created(rate=None).started().after(3600).marked().ended()
    assert story.closed.cost_usd == Decimal("0.27")


def test_a_vanished_machine_without_a_marker_is_interrupted_and_tried_elsewhere() -> None:
    story = Story().running().after(TIMINGS.min_age_s).vanished().proved().unmarked()
    assert story.effects() == ["reserve/2"]
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.VANISHED


def test_a_marker_found_after_the_machine_vanished_says_how_it_ended() -> None:
    story = Story().running().after(TIMINGS.min_age_s).vanished().proved()
    assert story.effects() == ["seek/1"]
    story.observe(ev.MarkerSeen(attempt=1, marker=story.marker()))
    assert story.effects() == ["collect/1"]
    assert story.collected().closed.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("machine_id", ["m1", "other"])
def test_absence_counts_only_past_the_minimum_age_and_for_the_same_machine(machine_id: str) -> None:
    """Faults 3 and 4."""
    story = Story().running()
    story.after(TIMINGS.min_age_s - 1 if machine_id == "m1" else 999).vanished(machine_id)
    assert story.is_in(JobState.RUNNING)


def test_absence_of_a_machine_that_is_not_there_means_nothing() -> None:
    assert Story().reserved().vanished().phase is JobState.LAUNCHING
    assert decide(Story().job, Vanished(attempt=1, machine_id="m", detail=""), START, RULES) == []
    assert Story().running().stop().after(999).vanished().attempt.end.reason is StopReason.STOP  # type: ignore[union-attr]


def test_a_parked_job_is_ended_proven_and_closed_as_interrupted() -> None:
    """Fault 56."""
    story = Story().running()
    story.observe(ev.JobParked(detail="ValueError", at=story.now))
    assert story.effects() == ["end/1/m1"]
    story.ended()
    assert story.closed.outcome is Outcome.INTERRUPTED
    assert story.closed.code == "E-PARKED"
    assert "ValueError" in story.closed.detail


def test_a_job_parked_while_queued_closes_without_a_machine() -> None:
    story = Story()
    story.observe(ev.JobParked(detail="x", at=START))
    assert story.closed.code == "E-PARKED"


# ---------------------------------------------------------------------------------------------- creates


def test_an_intent_of_another_run_is_ambiguous_and_never_sent() -> None:
    """Fault 43: after a restart an intent without an observation may have become a machine."""
    story = Story().reserved()
    assert story.effects() == ["launch/1"]
    story.rules = replace_run("run-2")
    assert story.due() == ()
    kinds = [event.kind for event in story.hear()]
    assert kinds == ["job.create_ambiguous"]
    assert story.due() == ()


def replace_run(run: str) -> Rules:
    return RULES._replace(run=run)


def test_an_ambiguous_create_is_adopted_by_name_and_every_other_one_is_surplus() -> None:
    """Faults 1, 2 and 17."""
    story = Story().ambiguous()
    late, early = machine(story.name, "m9", seen=START + timedelta(seconds=9)), machine(story.name, "m1")
    story.listed(late, early)
    assert story.attempt.machine is not None
    assert story.attempt.machine.id == "m1"
    assert [m.id for m in story.attempt.surplus] == ["m9"]
    assert "end/1/m9" in story.effects()
    story.listed(late, early)
    assert len(story.attempt.surplus) == 1
    story.observe(ev.SurplusGone(attempt=1, machine_id="m9", proof=gone(story.now)))
    story.listed(late, early)
    assert not story.attempt.surplus


def test_an_attempt_is_not_over_while_a_surplus_machine_lives() -> None:
    story = Story().running().listed(machine(Story().reserved().name, "m1"), machine(Story().reserved().name, "m2"))
    story.marked().accepted().proved().collected()
    assert story.is_in(JobState.CONFIRMING)
    story.observe(ev.SurplusGone(attempt=1, machine_id="m2", proof=gone(story.now)))
    assert story.is_in(JobState.CLOSED)


def test_never_seen_needs_the_quiet_time_a_complete_listing_and_an_empty_folder() -> None:
    story = Story().ambiguous()
    story.after(TIMINGS.quiet_s - 1).listed()
    assert story.is_in(JobState.LAUNCHING)
    story.after(1).listed(complete=False)
    story.listed(empty=False)
    story.listed(account="somebody else")
    assert story.is_in(JobState.LAUNCHING)
    story.listed()
    assert story.attempt.never_seen
    assert story.effects() == ["reserve/2"]


def test_a_listing_while_the_create_is_out_says_nothing() -> None:
    story = Story().reserved()
    story.listed(machine(story.name))
    assert story.attempt.machine is None


def test_a_listing_of_a_job_without_an_intent_says_nothing() -> None:
    seen = Sighted(name="n", account=ACCOUNT, absent_since=START, machines=(), folder_empty=True)
    assert decide(Story().job, seen, START, RULES) == []
    refused = Story().refused()
    assert decide(refused.job, seen, START, RULES) == []


def test_a_machine_listed_after_a_refusal_is_left_to_the_orphan_rule() -> None:
    story = Story(plan((offer("a"),))).reserved()
    name = story.name
    job = evolve(story.job, ev.LaunchRefused(attempt=1, reason="refused", detail="", at=START))
    seen = Sighted(name=name, account=ACCOUNT, absent_since=None, machines=(machine(name),))
    assert [e.kind for e in decide(job, seen, START, RULES)] == ["job.attempt_ended", "job.closed"]


def test_a_machine_that_started_and_ended_while_nobody_looked_is_known_from_its_folder() -> None:
    """A create whose answer was lost with the daemon: its work must not be done again."""
    story = Story().ambiguous()
    begun = Started(attempt=1, nonce="n1", started_at=START, machine=story.name)
    story.hear(FolderSeen(attempt=1, started=begun, marker=story.marker()))
    assert story.is_in(JobState.LAUNCHING)  # it may still be listed under an id we do not know
    story.after(TIMINGS.quiet_s).listed(empty=False)
    assert story.attempt.machine is not None
    assert story.attempt.machine.id == story.name
    assert story.is_in(JobState.ENDING)
    assert story.ended().closed.outcome is Outcome.SUCCEEDED


def test_a_started_file_outweighs_an_empty_listing() -> None:
    story = Story().reserved()
    begun = Started(attempt=1, nonce="n1", started_at=START, machine=story.name)
    story.hear(FolderSeen(attempt=1, started=begun))
    story.ambiguous().after(999).listed()
    assert not story.attempt.never_seen
    assert story.is_in(JobState.RUNNING)


def test_a_machine_that_started_before_it_was_listed_is_adopted_under_its_real_id() -> None:
    story = Story().ambiguous()
    begun = Started(attempt=1, nonce="n1", started_at=START, machine=story.name)
    story.hear(FolderSeen(attempt=1, started=begun))
    story.listed(machine(story.name, "real"))
    assert story.attempt.machine is not None
    assert story.attempt.machine.id == "real"
    assert not story.attempt.surplus


@pytest.mark.parametrize("number", [0, 2])
def test_files_of_another_attempt_are_not_taken(number: int) -> None:
    story = Story().created()
    begun = Started(attempt=number, nonce="n", started_at=START, machine="x")
    seen = FolderSeen(attempt=number, started=begun)
    assert decide(story.job, seen, START, RULES) == []
    assert decide(story.job, FolderSeen(attempt=1, started=begun), START, RULES) == []
    wrong = story.marker().model_copy(update={"attempt": number})
    assert decide(story.job, FolderSeen(attempt=1, marker=wrong), START, RULES) == []


def test_what_is_known_is_not_journaled_twice() -> None:
    story = Story().running().marked()
    begun = Started(attempt=1, nonce="n1", started_at=START, machine="x")
    assert story.hear(FolderSeen(attempt=1, started=begun, marker=story.marker())) == []
    assert story.hear(Granted()) == []


def test_a_reservation_that_grew_old_is_given_back_and_made_anew() -> None:
    job = evolve(Story().job, ev.MoneyReserved(attempt=1, reservation="r", hold_usd=Decimal(1), at=START))
    events = decide(job, Woke(), START + timedelta(seconds=61), RULES)
    assert [event.kind for event in events] == ["job.attempt_ended"]
    story = Story()
    story.job = fold(events, job) or job
    assert story.effects() == ["reserve/2"]


# ---------------------------------------------------------------------------------------------- money


def test_the_books_of_an_attempt_run_from_the_create_to_the_accepted_delete() -> None:
    story = Story().running().after(3600).marked().accepted().after(60).proved().collected()
    assert story.closed.cost_usd == Decimal("0.27")


def test_an_ambiguous_create_is_billed_from_its_intent() -> None:
    story = Story().ambiguous().after(600)
    story.listed(machine(story.name, seen=story.now)).started().after(3000).marked()
    story.proved().collected()
    assert story.closed.cost_usd == Decimal("0.27")


def test_a_job_over_several_attempts_costs_their_sum() -> None:
    second = Story().created().after(1200).unstarted()
    second.ended()
    second.reserved().created("m2").started().after(3600).marked().accepted()
    second.proved("m2").collected()
    costs = [a.ended.cost_usd for a in second.job.attempts if a.ended]
    assert second.closed.cost_usd == sum(costs)
    assert len(costs) == 2


def test_two_rules_that_answer_each_other_are_a_fault_and_not_an_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def restless(*_: object) -> ev.Event:
        return ev.SurplusGone(attempt=1, machine_id="m", proof=gone(START))

    monkeypatch.setattr(module, "_next", restless)
    with pytest.raises(Undecided):
        decide(Story().job, Woke(), START, RULES)


def test_a_stream_that_does_not_begin_with_a_queued_job_is_refused() -> None:
    with pytest.raises(UnknownJob):
        fold([ev.MarkerAbsent(attempt=1, at=START)])
    assert fold([]) is None
    assert fold([queued()]) is not None


def reserved_elsewhere() -> ev.Reserved:
    """An event with an attempt that belongs into another stream."""
    return ev.Reserved(
        reservation="r", job_id=JOB, user_id=Story().job.user_id, attempt=1, hold_usd=Decimal(1), at=START
    )


def test_facts_that_fit_no_attempt_change_nothing() -> None:
    job = Story().job
    assert evolve(job, ev.MarkerAbsent(attempt=7, at=START)) == job
    story = Story().running()
    assert evolve(story.job, reserved_elsewhere()) == story.job
    assert evolve(story.job, ev.ReservationRefused(attempt=1, code="E-BUDGET", detail="")).reservation_refused
    assert evolve(story.job, ev.DatasetRemoved(dataset_id=story.job.plan.spec.dataset_id, by=story.job.user_id))


def test_the_first_of_each_fact_counts() -> None:
    story = Story().running().stop().accepted()
    first = story.attempt
    later = story.now + timedelta(hours=1)
    for event in (
        ev.MachineCreated(attempt=1, machine=machine("z", "m7"), at=later),
        ev.CreateAmbiguous(attempt=1, detail="x", call_ended=later),
        ev.TerminateAccepted(attempt=1, machine_id="m1", at=later),
        ev.EndDecided(attempt=1, reason=StopReason.DEADLINE, at=later),
    ):
        story.job = evolve(story.job, event)
    assert replace(story.attempt, ambiguous=None) == first


# ---------------------------------------------------------------------------------------------- ailments and prices


def ailing(reason: StopReason, attempt: int = 1, machine_id: str = "m1") -> Ailing:
    return Ailing(attempt=attempt, machine_id=machine_id, reason=reason, detail="why, and what next")


@pytest.mark.parametrize("reason", [StopReason.CRASH_LOOP, StopReason.BAD_HOST, StopReason.STOPPED])
def test_a_machine_that_never_gets_to_work_is_ended_and_the_next_offer_tried(reason: StopReason) -> None:
    """Faults 25 and 26."""
    story = Story(plan((offer("a"), offer("b")))).created()
    story.hear(ailing(reason))
    assert story.attempt.end is not None
    assert (story.attempt.end.reason, story.attempt.end.detail) == (reason, "why, and what next")
    story.accepted().proved().unmarked()
    assert "reserve/2" in story.effects()


@pytest.mark.parametrize(
    ("reason", "outcome", "code"),
    [
        (StopReason.RESTARTED, Outcome.INTERRUPTED, "E-RESTARTED"),
        (StopReason.STOPPED, Outcome.INTERRUPTED, "E-INTERRUPTED"),
    ],
)
def test_work_cut_off_by_the_platform_is_never_completed(reason: StopReason, outcome: Outcome, code: str) -> None:
    """Faults 12, 21."""
    story = Story(plan((offer("a"),))).running()
    story.hear(ailing(reason))
    story.accepted().proved().unmarked()
    assert (story.closed.outcome, story.closed.code) == (outcome, code)
    assert story.closed.detail == "why, and what next"


def test_a_start_in_the_folder_disproves_what_listings_said_of_the_start() -> None:
    story = Story().running()
    story.hear(ailing(StopReason.CRASH_LOOP))
    story.hear(ailing(StopReason.BAD_HOST))
    assert story.attempt.end is None


@pytest.mark.parametrize("heard", [{"attempt": 2}, {"machine_id": "m2"}])
def test_an_ailment_of_another_machine_ends_nothing(heard: dict[str, object]) -> None:
    story = Story().running()
    story.hear(ailing(StopReason.RESTARTED, **heard))  # type: ignore[arg-type]
    assert story.attempt.end is None


def test_the_first_reason_to_end_stays() -> None:
    story = Story().running().stop()
    story.hear(ailing(StopReason.STOPPED))
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.STOP


def test_a_machine_that_is_not_the_one_asked_for_is_ended_before_it_works() -> None:
    """Fault 27."""
    story = Story().reserved()
    wrong = machine(story.name).model_copy(update={"machine_type": "something smaller"})
    story.observe(ev.MachineCreated(attempt=1, machine=wrong, at=story.now))
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.CHECK_FAILED
    assert "something smaller" in story.attempt.end.detail


def test_a_price_that_rises_in_mid_run_is_journaled_once_and_the_work_goes_on() -> None:
    """Fault 77."""
    story = Story().running()
    story.after(600).listed(machine(story.name, rate="0.40"))
    story.listed(machine(story.name, rate="0.40"))
    assert story.kinds().count("job.rate_changed") == 1
    assert story.attempt.end is None
    assert story.attempt.rate_usd_per_hour == Decimal("0.40")


def test_the_cost_follows_every_change_of_the_price() -> None:
    story = Story().running()
    began = story.attempt.intent.at if story.attempt.intent else START
    story.after(3600 - (story.now - began).total_seconds()).listed(machine(story.name, rate="0.54"))
    story.after(1800).marked().accepted().proved().collected()
    # 1 h at 0.27, half an hour at 0.54
    assert story.closed.cost_usd == pytest.approx(Decimal("0.54"), abs=Decimal("0.0001"))


def test_a_price_that_rises_ends_the_work_when_the_held_money_is_used_up_and_not_before() -> None:
    """Rule 6: the hold was made for 0.27 an hour; at 2.70 it lasts a tenth."""
    story = Story(plan(max_runtime_s=7200)).reserved(hold="1").created().started()
    story.after(60).listed(machine(story.name, rate="2.70"))
    last = next_wake(story.job, RULES)
    assert last is not None
    # what was held, less 60 s and a possible surplus of 270 s and the last 300 s at the new price
    assert 600 < (last - story.now).total_seconds() < 1 / 2.7 * 3600
    story.after((last - story.now).total_seconds() - 1).hear()
    assert "job.end_decided" not in story.kinds()
    story.after(2).hear()
    assert story.attempt.end is not None
    assert story.attempt.end.reason is StopReason.BUDGET
    assert "$2.70/h" in story.attempt.end.detail


def test_a_price_that_falls_brings_no_deadline_forward() -> None:
    story = Story().running()
    before = next_wake(story.job, RULES)
    story.after(60).listed(machine(story.name, rate="0.10"))
    assert next_wake(story.job, RULES) == before


def test_a_listing_that_tells_no_price_changes_none() -> None:
    story = Story().running()
    story.after(60).listed(machine(story.name, rate=None))
    assert "job.rate_changed" not in story.kinds()


def test_a_price_that_is_listed_once_the_end_was_decided_changes_nothing() -> None:
    """A pod on its way out is listed at nothing, whatever it still bills (fact sheet 1.1)."""
    story = Story().running()
    story.after(60).marked()
    assert story.attempt.end is not None
    story.after(5).listed(machine(story.name, rate="0"))
    assert "job.rate_changed" not in story.kinds()


def test_a_machine_a_little_dearer_than_agreed_works_as_long_as_the_hold_lasts() -> None:
    """Rule 6: its price is bounded by what is held, not by what was listed."""
    story = Story(plan(max_runtime_s=7200)).reserved(hold="0.5").created(rate="0.29").started()
    assert story.attempt.end is None
    agreed = Story(plan(max_runtime_s=7200)).reserved(hold="0.5").created(rate="0.27").started()
    dear, listed = next_wake(story.job, RULES), next_wake(agreed.job, RULES)
    assert dear is not None
    assert listed is not None
    assert dear < listed


def test_an_end_that_was_acknowledged_and_ignored_is_billed_until_the_one_that_held() -> None:
    story = Story().running().after(3600).marked().accepted()
    story.after(3600).observe(ev.GoneProved(attempt=1, machine_id="m1", accepted_at=story.now, proof=gone(story.now)))
    story.collected()
    assert story.closed.cost_usd == Decimal("0.54")


DAYS_S = 3 * 86_400.0


def away(self_termination: str = "proven", **seen: float) -> Story:
    """A job whose daemon was away for days after the start; ``seen``: that many seconds ago, when it was back."""
    the_plan = plan(max_runtime_s=3600).model_copy(update={"self_termination": self_termination})
    story = Story(the_plan).reserved(hold="0.6").created().started().after(DAYS_S)
    story.hear()
    known = {name: story.now - timedelta(seconds=ago) for name, ago in seen.items()}
    story.observe(ev.GoneProved(attempt=1, machine_id="m1", proof=gone(story.now), **known))
    return story.unmarked()


def billed_s(story: Story) -> float:
    ended = story.attempt.ended
    if ended is None or ended.billed_from is None or ended.billed_until is None:
        raise LookupError("no machine was billed")
    return (ended.billed_until - ended.billed_from).total_seconds()


def test_a_machine_that_ended_itself_while_nobody_looked_is_booked_no_longer_than_its_timer_let_it() -> None:
    """Fault 32; rule 6: what was held for the attempt is what it may cost."""
    story = away()
    request = story.attempt.request
    assert request is not None
    assert billed_s(story) == (request.soft_deadline - START).total_seconds() + 300
    assert billed_s(story) <= (request.hard_deadline - START).total_seconds()
    assert story.closed.cost_usd <= Decimal("0.6")


def test_where_machines_are_not_proven_to_end_themselves_one_is_booked_to_its_first_absence() -> None:
    """It may have billed so long: what the budget is overrun by may really be owed."""
    assert billed_s(away("unproven")) == DAYS_S


def test_a_machine_that_showed_alive_past_its_own_end_is_booked_as_long_as_it_showed() -> None:
    assert billed_s(away(alive_at=60)) == DAYS_S - 60


def test_a_machine_that_a_call_of_ours_ended_is_booked_to_that_call() -> None:
    assert billed_s(away(accepted_at=20, alive_at=60)) == DAYS_S - 20
    assert billed_s(away("unproven", accepted_at=20)) == DAYS_S - 20


def test_a_surplus_machine_that_ended_itself_while_nobody_looked_is_booked_like_any_other() -> None:
    story = Story(plan(max_runtime_s=3600)).reserved(hold="0.6").created().started()
    story.listed(machine(story.name, "m1"), machine(story.name, "twin", "0.27"))
    story.after(DAYS_S).observe(ev.SurplusGone(attempt=1, machine_id="twin", proof=gone(story.now)))
    assert story.attempt.surplus_usd <= Decimal("0.6")


@pytest.mark.parametrize(("run", "sure", "ends"), [("run-1", False, 1), ("run-2", False, 0), ("run-2", True, 1)])
def test_a_deadline_that_an_earlier_run_set_waits_until_the_clock_is_certain(run: str, sure: bool, ends: int) -> None:
    story = Story().running()
    wake = next_wake(story.job, RULES)
    assert wake is not None
    day_ahead = wake + timedelta(days=1)
    assert len(decide(story.job, Woke(), day_ahead, RULES._replace(run=run, clock_sure=sure))) == ends


@pytest.mark.parametrize(("hold", "reason"), [("0.1", StopReason.BUDGET), ("0.40275", StopReason.DEADLINE)])
@pytest.mark.parametrize(("quiet_s", "start_allowance_s"), [(0, 60), (900, 1200)])
def test_when_work_must_stop_and_why_is_read_from_its_intent_not_from_the_timings_of_a_later_run(
    hold: str, reason: StopReason, quiet_s: int, start_allowance_s: int
) -> None:
    """Rule 10: a new version may know a provider by other times."""
    story = Story(plan(max_runtime_s=3600)).reserved(hold=hold).created().started()
    before = next_wake(story.job, RULES)
    assert before is not None
    timings = TIMINGS.model_copy(update={"quiet_s": quiet_s, "start_allowance_s": start_allowance_s})
    restarted = RULES._replace(run="run-2", timings=timings)
    assert next_wake(story.job, restarted) == before
    assert decide(story.job, Woke(), before - timedelta(seconds=1), restarted) == []
    (ended,) = decide(story.job, Woke(), before, restarted)
    assert isinstance(ended, ev.EndDecided)
    assert ended.reason is reason


def test_a_quiet_time_that_an_earlier_run_began_is_not_over_by_a_clock_that_may_be_wrong() -> None:
    story = Story().reserved().ambiguous()
    later = story.now + timedelta(days=1)
    seen = Sighted(name=story.name, account=ACCOUNT, absent_since=later, machines=(), folder_empty=True)
    restarted = RULES._replace(run="run-2")
    assert decide(story.job, seen, later, restarted._replace(clock_sure=False)) == []
    assert "job.never_seen" in [e.kind for e in decide(story.job, seen, later, restarted)]
