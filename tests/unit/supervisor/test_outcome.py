"""How an attempt ended, for every way it can end, and whether another offer follows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.supervisor import outcome as module
from actors.supervisor.outcome import next_offer, try_again, verdict
from actors.supervisor.rules import NOT_MADE_MAX, NOT_SENT_MAX, leads
from messages import events as ev
from messages.errors import ERRORS
from messages.jobs import Outcome, StopReason
from tests.support.jobs import START, TIMINGS, Story, offer, plan

ONE = (offer("a"),)


@pytest.mark.parametrize(
    ("marker", "code", "outcome"),
    [
        ("succeeded", None, Outcome.SUCCEEDED),
        ("failed", "E-WORK", Outcome.FAILED),
        ("failed", "E-OOM", Outcome.FAILED),
        ("cancelled", "E-CANCELLED", Outcome.CANCELLED),
        ("timed_out", "E-TIMEOUT", Outcome.TIMED_OUT),
        ("interrupted", "E-RESTARTED", Outcome.INTERRUPTED),
        ("interrupted", "E-OOM", Outcome.INTERRUPTED),
    ],
)
def test_the_marker_says_how_the_work_ended(marker: str, code: str | None, outcome: Outcome) -> None:
    story = Story(plan(ONE)).running().marked(marker, code).ended()
    assert story.closed.outcome is outcome
    assert story.closed.code == code


@pytest.mark.parametrize("code", ["E-ARTIFACT", "E-METRICS", "E-NORESULT"])
def test_artifacts_that_do_not_bear_the_claim_out_make_it_failed(code: str) -> None:
    """Faults 29 and 30."""
    story = Story(plan(ONE)).running().marked().accepted().proved().collected(code)
    assert (story.closed.outcome, story.closed.code) == (Outcome.FAILED, code)
    assert story.closed.model_id is None


def test_gone_without_a_marker_is_interrupted_and_unreadable_storage_is_lost() -> None:
    interrupted = Story(plan(ONE)).running().after(999).vanished().proved().unmarked()
    assert interrupted.closed.outcome is Outcome.INTERRUPTED
    lost = Story().running().after(999).vanished().proved()
    lost.observe(ev.StorageUnreadable(attempt=1, at=START))
    assert lost.closed.outcome is Outcome.LOST
    assert lost.closed.code == "E-LOST"


@pytest.mark.parametrize(("reason", "expected"), [("no_capacity", Outcome.NO_CAPACITY), ("denied", Outcome.REFUSED)])
def test_the_same_refusal_of_all_offers_ends_the_walk(reason: str, expected: Outcome) -> None:
    """Fault 11."""
    story = Story(plan((offer("a"), offer("b"))))
    story.refused(reason)
    assert story.effects() == ["reserve/2"]
    story.refused(reason)
    assert story.closed.outcome is expected
    assert story.closed.cost_usd == 0


def test_a_refusal_of_money_rights_or_request_ends_the_walk_at_once() -> None:
    story = Story(plan((offer("a"), offer("b"), offer("c")))).refused("no_capacity")
    story.refused("refused")
    assert (story.closed.outcome, story.closed.code) == (Outcome.REFUSED, "E-REFUSED")
    assert len(story.job.attempts) == 2


def test_mixed_refusals_count_as_no_capacity() -> None:
    story = Story(plan((offer("a"), offer("b"))))
    story.refused("denied")
    story.refused("no_capacity")
    assert story.closed.outcome is Outcome.NO_CAPACITY


def test_a_create_never_seen_may_be_tried_again_on_the_same_offer_a_bounded_number_of_times() -> None:
    story = Story(plan(ONE))
    for tried in range(NOT_MADE_MAX):
        assert story.effects() == [f"reserve/{tried + 1}"]
        story.ambiguous().after(TIMINGS.quiet_s).listed()
    assert story.closed.outcome is Outcome.NO_CAPACITY


def test_a_create_that_was_not_sent_leaves_its_offer_untried() -> None:
    story = Story(plan(ONE)).refused("not_sent")
    assert next_offer(story.job) == ONE[0]
    assert story.effects() == ["reserve/2"]


def test_creates_that_never_left_use_up_no_tries_until_there_are_absurdly_many() -> None:
    story = Story(plan(ONE))
    for _ in range(NOT_SENT_MAX - 1):
        story.refused("not_sent")
    assert story.effects() == [f"reserve/{NOT_SENT_MAX}"]
    story.refused("not_sent")
    assert story.closed.outcome is Outcome.NO_CAPACITY


def test_each_answered_offer_is_tried_once() -> None:
    story = Story(plan((offer("a"), offer("b")))).refused()
    following = next_offer(story.job)
    assert following is not None
    assert following.id == "b"
    story.running().marked("interrupted", "E-INTERRUPTED").ended()
    assert next_offer(story.job) is None
    assert story.closed.outcome is Outcome.INTERRUPTED


def test_only_so_many_attempts_may_bill() -> None:
    story = Story(plan(max_billed_attempts=2))
    story.running().marked("interrupted", "E-INTERRUPTED").ended()
    story.created("m2").started().marked("interrupted", "E-INTERRUPTED").accepted()
    story.proved("m2").collected()
    assert story.closed.outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize(
    ("marker", "code"), [("failed", "E-WORK"), ("timed_out", "E-TIMEOUT"), ("interrupted", "E-OOM")]
)
def test_what_would_fail_again_is_not_repeated(marker: str, code: str) -> None:
    story = Story().running().marked(marker, code).ended()
    assert story.job.closed is not None


def test_a_stopped_parked_or_unpayable_job_is_not_repeated() -> None:
    assert not try_again(Story().job)
    story = Story().running().marked("interrupted", "E-INTERRUPTED").ended()
    assert try_again(story.job)
    story.observe(ev.ReservationRefused(attempt=2, code="E-CAPTOOSMALL", detail="too little left"))
    assert story.closed.outcome is Outcome.INTERRUPTED


def test_a_first_reservation_that_is_refused_closes_the_job_over_budget() -> None:
    story = Story()
    story.observe(ev.ReservationRefused(attempt=1, code="E-BUDGET", detail="no money"))
    assert (story.closed.outcome, story.closed.code) == (Outcome.OVER_BUDGET, "E-BUDGET")
    assert story.closed.detail == "no money"


def test_a_stop_between_two_attempts_cancels() -> None:
    story = Story().refused()
    assert story.job.current is None
    story.stop()
    assert story.closed.outcome is Outcome.CANCELLED


def test_a_deadline_set_by_money_is_over_budget_when_it_ended_the_work() -> None:
    story = Story(plan(cap="0.2"))
    story.reserved(hold="0.2").created().started().after(1000).marked("timed_out", "E-TIMEOUT").ended()
    assert story.closed.outcome is Outcome.OVER_BUDGET
    assert story.closed.code == "E-OVERBUDGET"


def test_a_deadline_set_by_money_does_not_hide_a_runtime_that_was_used_up() -> None:
    story = Story(plan(max_runtime_s=240, cap="0.12"))
    story.reserved(hold="0.12")
    assert story.attempt.intent is not None
    assert story.attempt.intent.bound == "money"
    story.created().started().after(200).marked("timed_out", "E-TIMEOUT").ended()
    assert story.closed.outcome is Outcome.TIMED_OUT


def test_a_deadline_without_a_start_is_not_called_over_budget() -> None:
    story = Story(plan(cap="0.2")).reserved(hold="0.2").created().marked("timed_out", "E-TIMEOUT").ended()
    assert story.closed.outcome is Outcome.TIMED_OUT


def test_every_code_a_job_can_end_with_is_registered_with_its_outcome() -> None:
    for found in module._BY_REASON.values():
        assert found.code in ERRORS
    for code in ("E-NOCAP", "E-REFUSED", "E-OVERBUDGET"):
        assert ERRORS[code].outcome


def test_a_verdict_needs_a_marker_or_a_reason() -> None:
    story = Story().running()
    assert verdict(story.job).outcome is Outcome.INTERRUPTED
    with pytest.raises(ValueError, match="no marker"):
        module._from_marker(story.attempt)
    assert set(module._BY_REASON) == set(StopReason)


def test_short_runtimes_get_short_leads() -> None:
    assert leads(7200) == (60.0, 15.0)
    assert leads(4) == (1.0, 0.25)
    assert Decimal(str(leads(240).term_s)) == 60
