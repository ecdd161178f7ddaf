"""A job's document says what was tried before its last machine."""

from __future__ import annotations

from actors.fleet.messages import Live
from actors.views.building import train_document
from messages import events as ev
from messages.documents import AttemptPart
from messages.jobs import Outcome
from tests.support.jobs import TIMINGS, Story, offer, plan


def told(story: Story) -> list[AttemptPart]:
    return list(train_document(story.job, Live(), story.now).earlier)


def test_refused_unanswered_and_interrupted_attempts_are_told_in_order_and_the_last_one_is_not() -> None:
    spot = offer("a").model_copy(update={"spot": True, "place": "zone"})
    story = Story(plan((spot, *(offer(name) for name in "bcde"))))
    story.hear()
    assert told(story) == []
    story.refused("no_capacity").refused("denied").ambiguous()
    story.observe(ev.NeverSeen(attempt=story.number, listing_began=story.now))
    story.running().marked("interrupted", "E-INTERRUPTED").after(60).ended()
    story.created("m2").started()
    assert [(one.attempt, one.machine_type, one.outcome) for one in told(story)] == [
        (1, "a", "no_capacity"),
        (2, "b", "refused"),
        (3, "c", "not_made"),
        (4, "c", Outcome.INTERRUPTED),
    ]
    first, _, third, fourth = told(story)
    assert (first.spot, first.place, first.detail) == (True, "zone", "none free")
    assert not first.cost_usd
    assert third.detail == "timeout"
    assert fourth.cost_usd > 0


def test_an_attempt_without_a_result_says_why_its_machine_was_ended() -> None:
    story = Story()
    story.hear()
    story.created().after(TIMINGS.start_allowance_s + 1).unstarted().ended()
    story.created("m2")
    (one,) = told(story)
    assert (one.outcome, one.detail) == (Outcome.INTERRUPTED, "no start")
