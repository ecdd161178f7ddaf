"""What a listing says to whom: news to supervisors, absence only from a listing that proves something."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.fleet.messages import Watched
from actors.fleet.sightings import Shown
from messages.ids import JobId
from messages.jobs import JobState
from messages.machines import Listing, Machine, MachineState
from tests.support.jobs import ACCOUNT, START, machine
from tests.support.watching import NAME, watched


def listing(*machines: Machine, complete: bool = True, account: str = ACCOUNT) -> Listing:
    return Listing(account=account, began=START, ended=START, complete=complete, machines=machines)


def told(shown: Listing, one: Watched) -> list[str]:
    """Return the ids the job's supervisor is told of."""
    return [m.id for _, machines in Shown(shown).findings([one]).sighted for m in machines]


def heard(shown: Listing, one: Watched) -> bool:
    return [w for w, _ in Shown(shown).findings([one]).sighted] == [one]


def missing(shown: Listing, one: Watched) -> bool:
    return Shown(shown).findings([one]).missing == [one]


# ---------------------------------------------------------------------------------------------- absence


@pytest.mark.parametrize("phase", JobState)
def test_only_a_machine_that_should_be_there_is_missing(phase: JobState) -> None:
    assert missing(listing(), watched(phase)) is (phase in (JobState.STARTING, JobState.RUNNING))


def test_a_machine_that_is_listed_is_not_missing_whatever_its_state_says() -> None:
    for state in MachineState:
        shown = listing(machine(NAME).model_copy(update={"state": state}))
        assert missing(shown, watched()) is (state is MachineState.GONE)


def test_an_incomplete_listing_proves_no_absence() -> None:
    """Fault 6."""
    assert not missing(listing(complete=False), watched())


def test_a_listing_of_another_account_proves_no_absence() -> None:
    """Fault 8."""
    assert not missing(listing(account="somebody-else"), watched())


def test_a_machine_nobody_knows_the_id_of_cannot_be_missing() -> None:
    assert not missing(listing(), watched(JobState.STARTING, machine_id=None, known_ids=()))


def test_a_twin_of_the_same_name_does_not_hide_that_ours_is_missing() -> None:
    shown = listing(machine(NAME, "m2"))
    assert missing(shown, watched())
    assert told(shown, watched()) == ["m2"]


# ---------------------------------------------------------------------------------------------- presence


def test_what_a_supervisor_has_journaled_is_told_no_more() -> None:
    """One listing a second must not wake ten thousand supervisors."""
    assert not heard(listing(machine(NAME, "m1")), watched())
    assert not heard(listing(), watched())


def test_a_machine_the_supervisor_has_not_journaled_is_told_at_every_listing_until_it_has() -> None:
    """Fault 17."""
    shown = listing(machine(NAME, "m1"), machine(NAME, "m2"))
    assert told(shown, watched()) == ["m1", "m2"]
    assert told(shown, watched()) == ["m1", "m2"]
    assert not heard(shown, watched(known_ids=("m1", "m2")))


def test_a_surplus_is_told_from_an_incomplete_listing_too() -> None:
    assert told(listing(machine(NAME, "m2"), complete=False), watched()) == ["m2"]


def test_an_ambiguous_create_hears_of_every_listing_because_absence_is_its_news() -> None:
    """Fault 1."""
    one = watched(JobState.LAUNCHING, machine_id=None, known_ids=(), ambiguous=True)
    for _ in range(3):
        assert heard(listing(), one)
        assert told(listing(), one) == []
        assert told(listing(machine(NAME, "m1")), one) == ["m1"]


def test_while_the_create_is_out_nothing_listed_means_anything() -> None:
    one = watched(JobState.LAUNCHING, machine_id=None, known_ids=(), unanswered=True)
    assert not heard(listing(machine(NAME)), one)


@pytest.mark.parametrize("phase", [JobState.STARTING, JobState.RUNNING, JobState.ENDING, JobState.CONFIRMING])
def test_another_price_is_news_while_the_machine_is_needed(phase: JobState) -> None:
    """What ends is paid for as it is billed; its price changes nothing any more."""
    one = watched(phase, rate_usd_per_hour=Decimal("0.27"))
    assert not heard(listing(machine(NAME, rate="0.27")), one)
    assert not heard(listing(machine(NAME, rate=None)), one)
    assert heard(listing(machine(NAME, rate="0.30")), one) is (phase in (JobState.STARTING, JobState.RUNNING))


def test_a_machine_that_is_gone_is_no_news() -> None:
    gone = machine(NAME, "m2").model_copy(update={"state": MachineState.GONE})
    assert not heard(listing(gone), watched(known_ids=()))


def test_each_job_hears_of_its_own_name_only() -> None:
    other = watched(job_id=JobId("job_bbbbbbbbbb"), name="another", machine_id="m9", known_ids=())
    found = Shown(listing(machine(NAME, "m1"), machine("another", "m9"))).findings([watched(known_ids=()), other])
    assert [(w.name, [m.id for m in seen]) for w, seen in found.sighted] == [(NAME, ["m1"]), ("another", ["m9"])]
    assert found.missing == []
