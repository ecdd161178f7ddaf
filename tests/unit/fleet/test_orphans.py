"""Whose is a listed machine: every verdict, and that nothing is ended without a positive reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from actors.fleet.orphans import Whose, claim
from actors.supervisor.rules import Naming
from messages.machines import Listing, MachineState
from tests.support.jobs import ACCOUNT, JOB, NAMING, START, Story, machine

HARD = START + timedelta(hours=1)
STRANGERS = Naming("instal", "gene", b"another key, another owner......")
NEIGHBOURS = Naming("otheri", "gene", NAMING.key)
EARLIER = Naming("instal", "olde", NAMING.key)


def listing(began: datetime) -> Listing:
    return Listing(account=ACCOUNT, began=began, ended=began, complete=True)


def judged(name: str, story: Story | None = None, now: datetime = START, began: datetime | None = None) -> Whose:
    job = story.job if story else None
    return claim(machine(name), listing(began or now), NAMING, job, now).whose


def named(naming: Naming = NAMING, attempt: int = 1) -> str:
    return naming.name(JOB, attempt, HARD)


# ---------------------------------------------------------------------------------------------- not ours


@pytest.mark.parametrize(
    "name",
    ["", "somebody-elses", named()[:-1], named() + "a", named().upper(), named(STRANGERS), named(NEIGHBOURS)],
    ids=["none", "no name of ours", "cut", "longer", "other letters", "another key", "another installation"],
)
@pytest.mark.parametrize("late", [False, True], ids=["before its deadline", "long after it"])
def test_a_machine_without_a_valid_name_of_this_installation_is_foreign_however_old(name: str, late: bool) -> None:
    """Fault 16."""
    assert judged(name, now=HARD + timedelta(days=30) if late else START) is Whose.FOREIGN


def test_a_name_changed_in_one_place_is_foreign() -> None:
    other = named().replace("-a001-", "-a002-")
    assert judged(other, now=HARD + timedelta(days=1)) is Whose.FOREIGN


# ---------------------------------------------------------------------------------------------- of an attempt


@pytest.mark.parametrize(
    "tell",
    [Story.reserved, Story.ambiguous, Story.created, Story.running, lambda s: s.running().marked()],
    ids=["intended", "ambiguous", "starting", "running", "ending"],
)
def test_a_machine_whose_attempt_is_open_is_ours_and_left_to_its_supervisor(tell: Callable[[Story], Story]) -> None:
    story = tell(Story())
    assert judged(story.name, story, story.now) is Whose.OURS


@pytest.mark.parametrize(
    "tell",
    [lambda s: s.refused(), lambda s: s.ambiguous().after(200).listed(), lambda s: s.running().marked().ended()],
    ids=["refused", "never seen", "proven gone"],
)
def test_a_machine_whose_attempt_is_over_is_an_orphan(tell: Callable[[Story], Story]) -> None:
    """Fault 2: a late placement."""
    story = Story().reserved()
    name = story.name
    tell(story)
    assert story.job.attempts[0].ended is not None
    later = story.now + timedelta(seconds=1)
    found = claim(machine(name), listing(later), NAMING, story.job, later)
    assert (found.whose, found.reason) == (Whose.ORPHAN, "its attempt is over")


@pytest.mark.parametrize(
    ("began_s", "whose"), [(-5, Whose.OURS), (0, Whose.OURS), (1, Whose.ORPHAN)], ids=["older", "as old", "newer"]
)
def test_a_listing_that_is_not_newer_than_the_proof_brings_no_machine_back(began_s: float, whose: Whose) -> None:
    story = Story().running().marked().ended()
    proof = story.job.attempts[0].gone
    assert proof is not None
    now = story.now + timedelta(seconds=60)
    assert judged(story.name, story, now, proof.at + timedelta(seconds=began_s)) is whose


def test_an_intent_counts_whatever_generation_it_was_made_under() -> None:
    story = Story().created()
    later = Naming(NAMING.install, "newe", NAMING.key)
    found = claim(machine(story.name), listing(story.now), later, story.job, story.now)
    assert found.whose is Whose.OURS


# ---------------------------------------------------------------------------------------------- past its deadline


@pytest.mark.parametrize("naming", [NAMING, EARLIER], ids=["our generation", "an earlier one"])
def test_without_any_intent_the_hard_deadline_ends_a_machine_and_not_a_second_earlier(naming: Naming) -> None:
    before = judged(named(naming), now=HARD - timedelta(seconds=1))
    assert before is (Whose.SECOND_WRITER if naming is NAMING else Whose.OTHER_GENERATION)
    found = claim(machine(named(naming)), listing(HARD), NAMING, None, HARD)
    assert found.whose is Whose.ORPHAN
    assert found.reason == f"its hard deadline was {HARD:%Y-%m-%d %H:%M:%S} UTC"


def test_past_its_hard_deadline_a_machine_of_an_open_job_is_an_orphan_too() -> None:
    story = Story().running()
    request = story.attempt.request
    assert request is not None
    assert judged(story.name, story, request.hard_deadline - timedelta(seconds=1)) is Whose.OURS
    assert judged(story.name, story, request.hard_deadline) is Whose.ORPHAN


# ---------------------------------------------------------------------------------------------- unknown to the journal


def test_a_name_of_our_generation_without_an_intent_proves_a_second_writer() -> None:
    """Fault 53: whether the job is unknown, or has no attempt of that name."""
    assert judged(named()) is Whose.SECOND_WRITER
    assert judged(named(), Story()) is Whose.SECOND_WRITER
    story = Story().created()
    assert judged(named(attempt=2), story) is Whose.SECOND_WRITER
    assert judged(named(), story) is Whose.SECOND_WRITER  # the same attempt, another deadline: not what was sent


def test_a_name_of_another_generation_is_left_until_its_deadline() -> None:
    assert judged(named(EARLIER)) is Whose.OTHER_GENERATION
    assert judged(named(EARLIER), Story().created()) is Whose.OTHER_GENERATION


def test_a_machine_listed_as_gone_is_never_ended_again() -> None:
    gone = machine(named()).model_copy(update={"state": MachineState.GONE})
    story = Story().running().marked().ended()
    for job in (None, story.job):
        for now in (START, HARD, HARD + timedelta(days=1)):
            assert claim(gone, listing(now), NAMING, job, now).whose is Whose.OURS


@pytest.mark.parametrize("state", [s for s in MachineState if s is not MachineState.GONE])
def test_every_other_state_counts_as_alive(state: MachineState) -> None:
    there = machine(named()).model_copy(update={"state": state})
    assert claim(there, listing(HARD), NAMING, None, HARD).whose is Whose.ORPHAN
