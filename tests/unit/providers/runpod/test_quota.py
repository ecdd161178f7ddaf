"""Who may call when the quota runs low. Fault 13."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from providers.gate import Priority
from providers.runpod.quota import PROBE_S, RETRY_AFTER_DEFAULT_S, Quota, retry_after_s

POLICY = '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400'


def told(left: int, resets: int = 30, policy: str = POLICY) -> dict[str, str]:
    return {"ratelimit": f'"minute";r={left};t={resets}, "hour";r=2800;t=1812', "ratelimit-policy": policy}


def learnt(left: int, resets: int = 30) -> Quota:
    quota = Quota()
    quota.sent(0.0)
    quota.answered(told(left, resets), 0.0)
    return quota


def may(quota: Quota, now: float) -> list[str]:
    return [p.name for p in Priority if quota.wait_s(p, now) == 0]


def test_an_unknown_quota_holds_nobody_back() -> None:
    assert may(Quota(), 0.0) == ["TERMINATE", "LIST", "PROOF", "REST"]


def test_the_less_is_left_the_more_important_a_call_must_be() -> None:
    assert may(learnt(13), 1.0) == ["TERMINATE", "LIST", "PROOF", "REST"]
    assert may(learnt(12), 1.0) == ["TERMINATE", "LIST", "PROOF"]
    assert may(learnt(6), 1.0) == ["TERMINATE", "LIST"]
    assert may(learnt(3), 1.0) == ["TERMINATE"]


def test_who_waits_may_go_when_the_window_begins_anew() -> None:
    quota = learnt(0)
    assert quota.wait_s(Priority.REST, 10.0) == 20.0
    assert may(quota, 30.0) == ["TERMINATE", "LIST", "PROOF", "REST"]


def test_calls_in_flight_count() -> None:
    quota = learnt(15)
    for _ in range(4):
        quota.sent(1.0)
    assert may(quota, 1.0) == ["TERMINATE", "LIST", "PROOF"]


def test_a_new_window_is_full_again_before_its_first_answer() -> None:
    quota = learnt(0)
    quota.sent(31.0)
    assert may(quota, 31.0) == ["TERMINATE", "LIST", "PROOF", "REST"]


def test_a_window_that_began_anew_is_used_up_by_calls_before_their_answers_come() -> None:
    quota = learnt(0, resets=30)
    for _ in range(60):
        quota.sent(31.0)
    assert may(quota, 32.0) == ["TERMINATE"]


def test_proofs_leave_the_lists_what_these_need_until_the_window_begins_anew() -> None:
    quota = learnt(15)
    quota.needs_for_lists(0.2)
    assert quota.wait_s(Priority.LIST, 0.0) == 0
    assert may(quota, 0.0) == ["TERMINATE", "LIST", "PROOF", "REST"]
    for _ in range(6):
        quota.sent(0.0)
    assert may(quota, 0.0) == ["TERMINATE", "LIST"]  # nine are left: three for terminates, six lists in 30 s
    assert may(quota, 20.0) == ["TERMINATE", "LIST", "PROOF"]


def test_lists_that_would_take_all_leave_proofs_half() -> None:
    quota = learnt(31)
    quota.needs_for_lists(100.0)
    assert quota.wait_s(Priority.PROOF, 0.0) == 0


def test_how_many_calls_are_left_is_how_many_may_go_one_after_the_other() -> None:
    for left in (60, 31, 13, 12, 0):
        quota, gone = learnt(left), 0
        quota.needs_for_lists(0.2)
        told_of = quota.left(Priority.REST, 1.0)
        while quota.wait_s(Priority.REST, 1.0) == 0:
            quota.sent(1.0)
            gone += 1
        assert gone == told_of


def test_nobody_knows_how_many_are_left_before_the_first_answer_and_none_is_after_a_429() -> None:
    quota = Quota()
    assert quota.left(Priority.REST, 0.0) is None
    quota.sent(0.0)
    quota.refused(Priority.REST, 12.0, 0.0)
    assert quota.left(Priority.REST, 1.0) == 0


def test_a_window_that_begins_anew_has_all_its_calls_but_those_kept() -> None:
    quota = learnt(0, resets=30)
    assert quota.left(Priority.REST, 29.0) == 0
    assert quota.left(Priority.REST, 30.0) == 48


def test_a_429_holds_its_own_priority_and_those_below() -> None:
    quota = Quota()
    quota.sent(0.0)
    quota.refused(Priority.PROOF, 12.0, 0.0)
    assert may(quota, 5.0) == ["TERMINATE", "LIST"]
    assert quota.wait_s(Priority.REST, 5.0) == 7.0
    assert may(quota, 12.0) == ["TERMINATE", "LIST", "PROOF", "REST"]


def test_a_429_to_a_terminate_never_holds_terminates() -> None:
    quota = Quota()
    quota.sent(0.0)
    quota.refused(Priority.TERMINATE, 12.0, 0.0)
    assert may(quota, 1.0) == ["TERMINATE"]


def test_one_call_a_minute_finds_out_whether_a_long_ban_is_over() -> None:
    quota = Quota()
    quota.sent(0.0)
    quota.refused(Priority.LIST, 80_000.0, 0.0)
    assert quota.wait_s(Priority.LIST, 10.0) == PROBE_S - 10.0
    assert quota.wait_s(Priority.LIST, PROBE_S) == 0
    quota.sent(PROBE_S)
    assert quota.wait_s(Priority.LIST, PROBE_S) == PROBE_S
    quota.answered(told(60), PROBE_S)
    assert may(quota, PROBE_S) == ["TERMINATE", "LIST", "PROOF", "REST"]


def test_the_tightest_window_sets_the_rate() -> None:
    assert Quota().lowest_rate() is None
    assert learnt(60).lowest_rate() == 50_000 / 86_400


def test_retry_after_is_seconds_and_bounded() -> None:
    assert retry_after_s({"retry-after": "17"}) == 17
    assert retry_after_s({"retry-after": "99999999999"}) == 86_400
    for text in ("", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "٣"):
        assert retry_after_s({"retry-after": text}) == RETRY_AFTER_DEFAULT_S


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_headers_that_make_no_sense_change_nothing(left: str, policy: str) -> None:
    quota = Quota()
    quota.answered({"ratelimit": left, "ratelimit-policy": policy}, 0.0)
    assert quota.wait_s(Priority.TERMINATE, 0.0) == 0


class QuotaMachine(RuleBasedStateMachine):
    """Whatever is told in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.quota = Quota()
        self.now = 0.0

    @rule(by=st.floats(0, 200))
    def wait(self, by: float) -> None:
        self.now += by

    @rule()
    def send(self) -> None:
        self.quota.sent(self.now)

    @rule(left=st.integers(0, 80), resets=st.integers(0, 4000))
    def answer(self, left: int, resets: int) -> None:
        self.quota.answered(told(left, resets), self.now)

    @rule(priority=st.sampled_from(Priority), after=st.floats(0, 1e6))
    def refuse(self, priority: Priority, after: float) -> None:
        self.quota.refused(priority, after, self.now)

    @invariant()
    def terminates_go_and_the_rest_waits_in_order(self) -> None:
        waits = [self.quota.wait_s(priority, self.now) for priority in Priority]
        assert waits[0] == 0
        assert waits == sorted(waits)
        assert max(waits) <= PROBE_S + 1e-6


TestQuotaMachine = QuotaMachine.TestCase
TestQuotaMachine.settings = settings(deadline=None, max_examples=50, stateful_step_count=20)
