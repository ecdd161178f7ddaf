"""Machine slots: the oldest first, no user more than their share, and the reason why a job waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.dispatcher.slots import ON_THEIR_WAY_S, Slots
from messages.ids import JobId, UserId
from messages.machines import ProviderKind

NOW = 1000.0
ANA, BEN = UserId("usr_aaaaaaaaaa"), UserId("usr_bbbbbbbbbb")
ONE, TWO, THREE, FOUR, FIVE = (JobId.derived(name) for name in ("one", "two", "three", "four", "five"))


def queue(slots: Slots, *jobs: tuple[JobId, UserId]) -> Slots:
    for job_id, user in jobs:
        slots.wait(job_id, user, "fake")
    return slots


def test_the_oldest_waiting_jobs_get_the_free_slots() -> None:
    slots = queue(Slots(2, 2), (ONE, ANA), (TWO, ANA), (THREE, ANA))
    assert slots.grant(NOW) == [ONE, TWO]
    assert slots.waiting == (THREE,)
    assert [slots.granted(job_id) for job_id in (ONE, TWO, THREE)] == [True, True, False]


def test_no_more_jobs_than_slots_ever_hold_one() -> None:
    slots = queue(Slots(1, 5), (ONE, ANA), (TWO, BEN))
    assert slots.grant(NOW) == [ONE]
    assert slots.grant(NOW) == []
    slots.leave(ONE)
    assert slots.grant(NOW) == [TWO]


def test_a_user_at_their_own_bound_lets_the_next_user_pass() -> None:
    slots = queue(Slots(3, 1), (ONE, ANA), (TWO, ANA), (THREE, BEN))
    assert slots.grant(NOW) == [ONE, THREE]
    assert slots.waiting == (TWO,)
    slots.leave(ONE)
    assert slots.grant(NOW) == [TWO]


def test_a_job_that_has_a_machine_holds_its_slot_beyond_every_bound() -> None:
    """After a restart with smaller limits: nothing is ended for it, and nothing new begins."""
    slots = Slots(1, 1)
    for job_id in (ONE, TWO):
        slots.hold(job_id, ANA, "fake")
    queue(slots, (THREE, BEN))
    assert slots.granted(ONE)
    assert slots.granted(TWO)
    assert slots.grant(NOW) == []
    slots.leave(ONE)
    assert slots.grant(NOW) == []
    slots.leave(TWO)
    assert slots.grant(NOW) == [THREE]


def test_a_job_that_holds_a_slot_does_not_wait_for_another() -> None:
    slots = queue(Slots(5, 5), (ONE, ANA))
    slots.grant(NOW)
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
    assert slots.grant(NOW) == [TWO]


def test_why_says_how_many_slots_there_are_and_how_many_jobs_are_ahead() -> None:
    slots = queue(Slots(2, 2), (ONE, ANA), (TWO, BEN), (THREE, ANA), (FOUR, BEN))
    slots.grant(NOW)
    assert slots.why(NOW)[THREE] == "all 2 machine slots are in use; 0 ahead of it"
    assert slots.why(NOW)[FOUR] == "all 2 machine slots are in use; 1 ahead of it"


def test_why_says_that_it_is_the_users_own_bound() -> None:
    slots = queue(Slots(4, 1), (ONE, ANA), (TWO, ANA))
    slots.grant(NOW)
    assert slots.why(NOW)[TWO] == "you have 1 machines already"


def test_a_job_that_does_not_wait_needs_no_reason() -> None:
    slots = queue(Slots(1, 1), (ONE, ANA))
    slots.grant(NOW)
    assert not {ONE, FIVE} & slots.why(NOW).keys()


def test_nobody_gets_a_slot_while_the_provider_can_bear_no_further_machine() -> None:
    reason: str | None = "asked too rarely"
    slots = Slots(2, 2, lambda _provider, _machines: reason)
    slots.wait(ONE, ANA, "fake")
    assert slots.grant(NOW) == []
    assert slots.why(NOW)[ONE] == "asked too rarely"
    reason = None
    assert slots.grant(NOW) == [ONE]


def test_a_provider_that_can_bear_no_further_machine_keeps_nobody_elsewhere_waiting() -> None:
    asked: list[tuple[str, int]] = []

    def held_back(provider: ProviderKind, machines: int) -> str | None:
        asked.append((provider, machines))
        return "asked too rarely" if provider == "runpod" else None

    slots = Slots(3, 3, held_back)
    slots.hold(FOUR, BEN, "runpod")
    slots.wait(ONE, ANA, "runpod")
    slots.wait(TWO, BEN, "local")
    assert slots.grant(NOW) == [TWO]
    assert asked == [("runpod", 1), ("local", 0)]
    assert slots.why(NOW)[ONE] == "asked too rarely"


# ---------------------------------------------------------------------------------------------- pace


def jobs(count: int, user: UserId = ANA, provider: ProviderKind = "runpod") -> list[tuple[JobId, UserId, ProviderKind]]:
    return [(JobId.derived(f"{user} {number}"), user, provider) for number in range(count)]


def paced(takes: int | None) -> Slots:
    slots = Slots(100, 100, creates_now=lambda provider: takes if provider == "runpod" else None)
    for job in jobs(10):
        slots.wait(*job)
    return slots


def test_no_more_jobs_begin_at_once_than_the_provider_takes_creates() -> None:
    slots = paced(3)
    assert slots.grant(NOW) == [job_id for job_id, *_ in jobs(3)]
    assert set(slots.why(NOW).values()) == {"runpod takes no further machine at this moment"}


def test_a_create_on_its_way_counts_until_the_provider_counts_it() -> None:
    slots = paced(3)
    assert len(slots.grant(NOW)) == 3
    assert slots.grant(NOW + ON_THEIR_WAY_S - 1) == []
    assert len(slots.grant(NOW + ON_THEIR_WAY_S)) == 3


def test_a_provider_that_takes_none_gets_none_and_one_without_a_bound_gets_all() -> None:
    assert paced(0).grant(NOW) == []
    assert len(paced(None).grant(NOW)) == 10


def test_a_provider_that_takes_few_keeps_nobody_elsewhere_waiting() -> None:
    slots = paced(1)
    slots.wait(ONE, BEN, "local")
    assert slots.grant(NOW) == [jobs(1)[0][0], ONE]


def test_the_oldest_goes_first_whoever_it_is_of() -> None:
    slots = queue(Slots(4, 2), (ONE, ANA), (TWO, BEN), (THREE, ANA), (FOUR, ANA), (FIVE, BEN))
    assert slots.grant(NOW) == [ONE, TWO, THREE, FIVE]
    assert slots.why(NOW) == {FOUR: "all 4 machine slots are in use; 0 ahead of it"}


@given(st.lists(st.tuples(st.sampled_from(["wait", "hold", "leave", "grant"]), st.integers(0, 5)), max_size=40))
def test_what_is_counted_is_what_is_held(steps: list[tuple[str, int]]) -> None:
    """Whatever happened before: a user's slots are as many as their jobs, so none is lost and none is doubled."""
    slots = Slots(6, 2)
    kinds: tuple[ProviderKind, ...] = ("fake", "local")
    everybody = [(JobId.derived(str(n)), (ANA, BEN)[n % 2], kinds[n % 3 == 0]) for n in range(6)]
    for step, number in steps:
        job_id, user, provider = everybody[number]
        match step:
            case "wait":
                slots.wait(job_id, user, provider)
            case "hold":
                slots.hold(job_id, user, provider)
            case "leave":
                slots.leave(job_id)
            case _:
                slots.grant(NOW)
    for user in (ANA, BEN):
        mine = [job_id for job_id, owner, _ in everybody if owner == user]
        for job_id, *_ in everybody:
            slots.leave(job_id)
        for job_id in mine:
            slots.wait(job_id, user, "fake")
        assert slots.grant(NOW) == mine[:2]
