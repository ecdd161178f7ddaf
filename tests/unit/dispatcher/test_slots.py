"""Machine slots: the oldest first, no user more than their share, and the reason why a job waits."""

from __future__ import annotations

from actors.dispatcher.slots import Slots
from messages.ids import JobId, UserId
from messages.machines import ProviderKind

ANA, BEN = UserId("usr_aaaaaaaaaa"), UserId("usr_bbbbbbbbbb")
ONE, TWO, THREE, FOUR, FIVE = (JobId.derived(name) for name in ("one", "two", "three", "four", "five"))


def queue(slots: Slots, *jobs: tuple[JobId, UserId]) -> Slots:
    for job_id, user in jobs:
        slots.wait(job_id, user, "fake")
    return slots


def test_the_oldest_waiting_jobs_get_the_free_slots() -> None:
    slots = queue(Slots(2, 2), (ONE, ANA), (TWO, ANA), (THREE, ANA))
    assert slots.grant() == [ONE, TWO]
    assert slots.waiting == (THREE,)
    assert [slots.granted(job_id) for job_id in (ONE, TWO, THREE)] == [True, True, False]


def test_no_more_jobs_than_slots_ever_hold_one() -> None:
    slots = queue(Slots(1, 5), (ONE, ANA), (TWO, BEN))
    assert slots.grant() == [ONE]
    assert slots.grant() == []
    slots.leave(ONE)
    assert slots.grant() == [TWO]


def test_a_user_at_their_own_bound_lets_the_next_user_pass() -> None:
    slots = queue(Slots(3, 1), (ONE, ANA), (TWO, ANA), (THREE, BEN))
    assert slots.grant() == [ONE, THREE]
    assert slots.waiting == (TWO,)
    slots.leave(ONE)
    assert slots.grant() == [TWO]


def test_a_job_that_has_a_machine_holds_its_slot_beyond_every_bound() -> None:
    """After a restart with smaller limits: nothing is ended for it, and nothing new begins."""
    slots = Slots(1, 1)
    for job_id in (ONE, TWO):
        slots.hold(job_id, ANA, "fake")
    queue(slots, (THREE, BEN))
    assert slots.granted(ONE)
    assert slots.granted(TWO)
    assert slots.grant() == []
    slots.leave(ONE)
    assert slots.grant() == []
    slots.leave(TWO)
    assert slots.grant() == [THREE]


def test_a_job_that_holds_a_slot_does_not_wait_for_another() -> None:
    slots = queue(Slots(5, 5), (ONE, ANA))
    slots.grant()
    slots.wait(ONE, ANA, "fake")
    assert slots.waiting == ()
    slots.wait(TWO, ANA, "fake")
    slots.hold(TWO, ANA, "fake")
    assert slots.waiting == ()


def test_queueing_again_keeps_the_place_in_the_queue() -> None:
    slots = queue(Slots(1, 1), (ONE, ANA), (TWO, BEN), (ONE, ANA))
    assert slots.waiting == (ONE, TWO)


def test_a_waiting_job_that_is_over_leaves_the_queue() -> None:
    slots = queue(Slots(1, 1), (ONE, ANA), (TWO, BEN))
    slots.leave(ONE)
    slots.leave(FIVE)
    assert slots.grant() == [TWO]


def test_why_says_how_many_slots_there_are_and_how_many_jobs_are_ahead() -> None:
    slots = queue(Slots(2, 2), (ONE, ANA), (TWO, BEN), (THREE, ANA), (FOUR, BEN))
    slots.grant()
    assert slots.why(THREE) == "all 2 machine slots are in use; 0 ahead of it"
    assert slots.why(FOUR) == "all 2 machine slots are in use; 1 ahead of it"


def test_why_says_that_it_is_the_users_own_bound() -> None:
    slots = queue(Slots(4, 1), (ONE, ANA), (TWO, ANA))
    slots.grant()
    assert slots.why(TWO) == "you have 1 machines already"


def test_a_job_that_does_not_wait_needs_no_reason() -> None:
    slots = queue(Slots(1, 1), (ONE, ANA))
    slots.grant()
    assert slots.why(ONE) == slots.why(FIVE) == ""


def test_nobody_gets_a_slot_while_the_provider_can_bear_no_further_machine() -> None:
    reason: str | None = "asked too rarely"
    slots = Slots(2, 2, lambda _provider, _machines: reason)
    slots.wait(ONE, ANA, "fake")
    assert slots.grant() == []
    assert slots.why(ONE) == "asked too rarely"
    reason = None
    assert slots.grant() == [ONE]


def test_a_provider_that_can_bear_no_further_machine_keeps_nobody_elsewhere_waiting() -> None:
    asked: list[tuple[str, int]] = []

    def held_back(provider: ProviderKind, machines: int) -> str | None:
        asked.append((provider, machines))
        return "asked too rarely" if provider == "runpod" else None

    slots = Slots(3, 3, held_back)
    slots.hold(FOUR, BEN, "runpod")
    slots.wait(ONE, ANA, "runpod")
    slots.wait(TWO, BEN, "local")
    assert slots.grant() == [TWO]
    assert asked == [("runpod", 1), ("local", 0)]
    assert slots.why(ONE) == "asked too rarely"
