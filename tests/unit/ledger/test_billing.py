"""The bill against the books: what is complete, what differs, and the same totals in any order, after any restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.billing import (
    BILL_LAG_S,
    BUCKET_S,
    CHANGES_S,
    PARTIAL_AFTER_S,
    REASON,
    WINDOW_MAX_S,
    Rented,
    add_up,
    corrections,
    open_bills,
    window_start,
)
from actors.ledger.entries import JobFacts, entries, orphan_entry
from actors.ledger.requests import JobBill, OpenBill
from actors.ledger.state import ACCOUNTS_KEPT_S, LedgerState, fold
from messages import events as ev
from messages.base import seconds
from messages.ids import JobId, UserId
from messages.jobs import Outcome
from messages.money import ZERO
from providers.interface import BilledLine
from tests.support.jobs import JOB, START, USER, gone, machine

OTHER = JobId("job_bbbbbbbbbb")
BEN = UserId("usr_bbbbbbbbbb")
HOUR = timedelta(hours=1)
COST = Decimal("1.5")


def settled(job_id: JobId = JOB, cost: Decimal = COST, at: datetime = START, user: UserId = USER) -> ev.Settled:
    return ev.Settled(job_id=job_id, user_id=user, provider="fake", model_id=None, observed_usd=cost, at=at)


def orphan(machine_id: str = "late", cost: str = "0.25", job_id: JobId = JOB) -> ev.OrphanGone:
    return ev.OrphanGone(
        machine=machine("n", machine_id),
        job_id=job_id,
        reason="its attempt is over",
        proof=gone(START),
        cost_usd=Decimal(cost),
        at=START,
    )


def bill(amount: str, *machines: str, job_id: JobId = JOB) -> JobBill:
    return JobBill(job_id=job_id, billed_usd=Decimal(amount), machines=tuple(sorted(machines or ("m1",))))


def line(machine_id: str = "m1", began: datetime = START - HOUR, hours: float = 1, amount: str = "1") -> BilledLine:
    return BilledLine(machine_id, began, began + hours * HOUR, Decimal(amount))


def rented(*machines: str, job_id: JobId = JOB, began: datetime = START - HOUR, **more: object) -> Rented:
    open_bill = OpenBill.model_validate(
        {"job_id": job_id, "closed_at": START, "costs_usd": COST, "matched": False, **more}
    )
    return Rented(open_bill, began, machines or ("m1",), START)


def booked(state: LedgerState, *new: ev.LedgerEvent) -> list[str]:
    for event in new:
        state.apply(event)
    return [event.kind for event in new]


def take(state: LedgerState, the_bill: JobBill, now: datetime = START) -> list[str]:
    return booked(state, *corrections(state, the_bill, now))


LATE_ENOUGH = START + seconds(BILL_LAG_S)


# ---------------------------------------------------------------------------------------------- found late


def test_a_machine_found_late_is_booked_once_whether_its_job_is_settled_or_not() -> None:
    for before in ([settled()], []):
        state = fold(before, UTC)
        assert booked(state, *orphan_entry(state, orphan(), JOB, USER, START)) == ["ledger.corrected"]
        assert orphan_entry(state, orphan(cost="0.75"), JOB, USER, START) == []
        assert orphan_entry(state, orphan("free", "0"), JOB, USER, START) == []
        assert state.total_usd == Decimal("0.25")
        booked(state, settled())
        assert state.accounts[JOB].booked_usd == (COST if before else COST + Decimal("0.25"))


def test_a_machine_that_is_on_the_bill_already_costs_nothing_more_also_when_the_books_are_closed() -> None:
    state = fold([settled()], UTC)
    take(state, bill("1.75", "m1", "late"))
    [mark] = orphan_entry(state, orphan(), JOB, USER, START)
    assert isinstance(mark, ev.Corrected)
    assert mark.delta_usd == 0
    booked(state, mark, settled(OTHER, at=START + seconds(ACCOUNTS_KEPT_S + 1)))
    assert JOB not in state.accounts
    assert orphan_entry(state, orphan(), JOB, USER, START) == []
    assert booked(state, *orphan_entry(state, orphan("later"), JOB, USER, START)) == ["ledger.corrected"]
    assert state.early == {}


def test_what_of_a_job_is_booked_twice_without_a_source_counts_twice() -> None:
    """As older journals have it."""
    state = fold([settled()], UTC)
    by_hand = ev.Corrected(job_id=JOB, user_id=USER, delta_usd=Decimal("0.1"), reason="r", at=START)
    booked(state, by_hand, by_hand)
    assert state.accounts[JOB].booked_usd == COST + Decimal("0.2")
    assert state.sources == set()


# ---------------------------------------------------------------------------------------------- which bills


def test_a_job_is_open_from_two_hours_after_its_last_hour_until_its_bill_is_final() -> None:
    closed = START + timedelta(minutes=20)
    state = fold([settled(at=closed)], UTC)
    first = START + seconds(BUCKET_S + BILL_LAG_S)
    assert open_bills(state.accounts.items(), first - seconds(1)) == ()
    [one] = open_bills(state.accounts.items(), first)
    assert (one.job_id, one.closed_at, one.costs_usd, one.matched) == (JOB, closed, COST, False)
    assert len(open_bills(state.accounts.items(), closed + seconds(WINDOW_MAX_S))) == 1
    assert open_bills(state.accounts.items(), closed + seconds(WINDOW_MAX_S + 1)) == ()
    take(state, bill("1.5"))
    [again] = open_bills(state.accounts.items(), closed + seconds(CHANGES_S))
    assert again.matched
    assert open_bills(state.accounts.items(), closed + seconds(CHANGES_S + 1)) == ()


def test_books_are_kept_for_a_month_and_no_longer() -> None:
    """I14."""
    state = fold([settled(JobId(f"job_{c * 10}")) for c in "cde"], UTC)
    booked(state, settled(at=START + seconds(ACCOUNTS_KEPT_S)))
    assert len(state.accounts) == 4
    booked(state, settled(OTHER, at=START + seconds(ACCOUNTS_KEPT_S + 1)))
    assert list(state.accounts) == [JOB, OTHER]


def test_the_window_holds_every_job_whole_and_starts_on_the_hour() -> None:
    began = [START + timedelta(minutes=59), START + timedelta(hours=2)]
    assert window_start(began, START + timedelta(days=1)) == START
    assert window_start([*began, START - timedelta(days=40)], START + timedelta(days=1)) == START
    assert window_start([], START + timedelta(minutes=5)) == START


# ---------------------------------------------------------------------------------------------- adding up


def test_all_lines_of_all_machines_of_a_job_are_added_up_and_foreign_ones_are_not() -> None:
    jobs = [rented("m1", "m2"), rented("m3", job_id=OTHER)]
    lines = [line("m1"), line("m1", amount="0.1234564"), line("m2"), line("m3", amount="7"), line("foreign")]
    reading = add_up(jobs, lines, START - HOUR, LATE_ENOUGH)
    assert reading.bills == (bill("2.123456", "m1", "m2"), bill("7", "m3", job_id=OTHER))
    assert reading.missing == ()


@pytest.mark.parametrize("over", [timedelta(0), timedelta(seconds=1), timedelta(minutes=59)])
def test_a_bill_is_complete_two_hours_after_the_hour_in_which_the_last_machine_ended(over: timedelta) -> None:
    bucket = HOUR if over else timedelta(0)
    late_line = [line(began=START + over - HOUR)]
    for job, lines in (
        (rented()._replace(over_at=START + over), [line()]),
        (rented(), late_line),
    ):
        complete = LATE_ENOUGH + bucket
        assert add_up([job], lines, START - 2 * HOUR, complete - seconds(1)).bills == ()
        assert len(add_up([job], lines, START - 2 * HOUR, complete).bills) == 1


def test_a_machine_without_a_line_is_waited_for_a_day() -> None:
    job = rented("m1", "m2")
    whole = START + seconds(PARTIAL_AFTER_S)
    assert add_up([job], [line("m1")], START - HOUR, whole - seconds(1)) == ((), ())
    assert add_up([job], [line("m1")], START - HOUR, whole).bills == (bill("1"),)


def test_a_job_without_any_line_is_missing_and_never_billed_nothing() -> None:
    assert add_up([rented()], [line("foreign")], START - HOUR, LATE_ENOUGH) == ((), (JOB,))
    assert add_up([rented()], [], START - HOUR, LATE_ENOUGH + timedelta(days=30)) == ((), (JOB,))
    assert add_up([rented(matched=True)], [], START - HOUR, LATE_ENOUGH) == ((), ())
    assert add_up([rented(costs_usd=ZERO)], [], START - HOUR, LATE_ENOUGH) == ((), ())


def test_a_job_that_is_not_whole_within_the_window_is_left_alone() -> None:
    assert add_up([rented(began=START - 2 * HOUR)], [line()], START - HOUR, LATE_ENOUGH) == ((), ())
    assert add_up([rented(began=START - 2 * HOUR)], [], START - HOUR, LATE_ENOUGH) == ((), ())


# ---------------------------------------------------------------------------------------------- correcting


def test_a_bill_is_booked_once_and_a_difference_of_a_micro_dollar_counts() -> None:
    state = fold([settled()], UTC)
    assert take(state, bill("1.5")) == ["ledger.billed"]
    assert take(state, bill("1.5")) == []
    assert take(state, bill("1.500001")) == ["ledger.billed", "ledger.corrected"]
    assert take(state, bill("1.500001")) == []
    assert take(state, bill("1.4")) == ["ledger.billed", "ledger.corrected"]
    assert state.accounts[JOB].booked_usd == Decimal("1.4")
    assert state.total_usd == Decimal("-0.1")  # the observed part was spent when the hold was released
    assert state.sources == {f"bill:{JOB}:2", f"bill:{JOB}:3"}


def test_a_bill_says_what_it_was_about() -> None:
    state = fold([settled(user=BEN)], UTC)
    billed, corrected = corrections(state, bill("1.25", "m2", "m1"), START)
    assert isinstance(billed, ev.Billed)
    assert (billed.user_id, billed.billed_usd, billed.difference_usd) == (BEN, Decimal("1.25"), Decimal("-0.25"))
    assert billed.machines == ("m1", "m2")
    assert isinstance(corrected, ev.Corrected)
    assert (corrected.user_id, corrected.delta_usd, corrected.reason) == (BEN, Decimal("-0.25"), REASON)


def test_a_bill_of_a_job_that_is_not_settled_or_whose_books_are_closed_is_not_booked() -> None:
    state = fold([], UTC)
    assert take(state, bill("1")) == []
    stray = ev.Billed(job_id=JOB, user_id=USER, billed_usd=ZERO, difference_usd=ZERO, at=START)
    booked(state, stray)
    assert state == fold([], UTC)


Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from(["settle", "orphan", "bill", "restart"]), st.integers(0, 2)), max_size=25)


@given(STEPS)
def test_in_any_order_with_any_repetition_and_restarts_the_last_bill_is_what_is_booked(steps: list[Step]) -> None:
    """Rules 8 and 10; fault 79: no double count."""
    bills = [bill("1.2"), bill("1.9", "m1", "orphan-0"), bill("2.5", "m1", "orphan-0", "orphan-1", "orphan-2")]
    journal: list[ev.LedgerEvent] = []
    state = fold([], UTC)
    closed = ev.JobClosed(outcome=Outcome.SUCCEEDED, cost_usd=COST, at=START)

    def step(what: str, which: int) -> None:
        nonlocal state
        new: list[ev.LedgerEvent] = []
        if what == "settle":
            new = entries(state, JOB, JobFacts(USER, "fake", closed=True), closed, START)
        elif what == "orphan":
            new = orphan_entry(state, orphan(f"orphan-{which}"), JOB, USER, START)
        elif what == "bill":
            new = corrections(state, bills[which], START)
        else:
            state = fold(journal, UTC)
        booked(state, *new)
        journal.extend(new)

    for what, which in steps:
        step(what, which)
        assert state == fold(journal, UTC)
    for which in range(3):
        step("orphan", which)
    step("settle", 0)
    for _ in range(2):
        step("bill", 2)
        assert state.accounts[JOB].booked_usd == Decimal("2.5")
        assert state.total_usd == Decimal("2.5") - COST
    count = len(journal)
    for what in ("settle", "orphan", "restart", "bill"):
        step(what, 2)
    assert len(journal) == count


@given(st.permutations(range(3)), st.lists(st.integers(0, 2), max_size=6), st.booleans())
def test_late_machines_cost_the_same_in_any_order_and_any_repetition(
    order: list[int], again: list[int], settled_first: bool
) -> None:
    state = fold([settled()] if settled_first else [], UTC)
    for which in (*order, *again):
        booked(state, *orphan_entry(state, orphan(f"orphan-{which}", f"0.{which + 1}"), JOB, USER, START))
    if not settled_first:
        booked(state, settled())
    assert state.accounts[JOB].booked_usd == COST + Decimal("0.6")
    assert state.total_usd == Decimal("0.6")
