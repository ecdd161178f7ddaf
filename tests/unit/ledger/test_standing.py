"""What is kept in a store that charges for it: paid once a day, held until the month ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from actors.ledger.budgets import Budgets, refuse, windows
from actors.ledger.requests import BookStored, BudgetsLeft, CostReport, KeptByUser
from actors.ledger.standing import DAYS_MAX, held_usd, stored_entries
from actors.ledger.state import LedgerState
from messages.ids import UserId
from messages.money import usd
from tests.support.desk import Desk
from tests.support.jobs import START, USER
from tests.support.virtual import virtual

GIB = 1 << 30
PRICE = Decimal("0.03")  # in a month of 30 days a tenth of a cent a day and GiB
BEN = UserId("usr_bbbbbbbbbb")
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def measured(**sizes: int) -> BookStored:
    users = {"ana": USER, "ben": BEN}
    kept = tuple(KeptByUser(user_id=users[name], size_bytes=size) for name, size in sizes.items())
    return BookStored(provider="aws", usd_per_gb_month=PRICE, prices_as_of=date(2026, 11, 1), users=kept)


def book(state: LedgerState, asked: BookStored, at: datetime) -> list[Decimal]:
    booked = stored_entries(state, asked, at)
    for event in booked:
        state.apply(event)
    return [event.amount_usd for event in booked]  # type: ignore[union-attr]


def test_a_day_is_paid_for_once_however_often_it_is_measured() -> None:
    state = LedgerState(UTC)
    assert book(state, measured(ana=GIB, ben=3 * GIB), NOON) == [Decimal("0.003"), Decimal("0.001")]
    assert book(state, measured(ana=9 * GIB), NOON + timedelta(hours=11)) == []
    assert state.spent_between(date.min, date.max, USER) == Decimal("0.001")


def test_days_that_nobody_measured_cost_what_was_there_before_them() -> None:
    state = LedgerState(UTC)
    book(state, measured(ana=GIB), NOON)
    [late] = book(state, measured(ana=5 * GIB), NOON + timedelta(days=4))
    assert late == 3 * Decimal("0.001") + Decimal("0.005")


def test_no_more_than_a_month_is_paid_for_late() -> None:
    state = LedgerState(UTC)
    book(state, measured(ana=GIB), NOON)
    [late] = book(state, measured(ana=GIB), NOON + timedelta(days=400))
    assert usd(PRICE / 31 * DAYS_MAX) < late < usd(PRICE / 28 * (DAYS_MAX + 1))


def test_who_keeps_nothing_any_more_pays_to_the_end_and_is_then_forgotten() -> None:
    state = LedgerState(UTC)
    book(state, measured(ana=GIB), NOON)
    assert book(state, measured(), NOON + timedelta(days=2)) == [Decimal("0.001")]
    assert book(state, measured(), NOON + timedelta(days=3)) == []
    assert held_usd(state.stored, USER, date(2026, 11, 30)) == 0
    assert book(LedgerState(UTC), measured(), NOON) == []


def test_what_is_to_come_is_held_in_every_budget_that_it_falls_into() -> None:
    state = LedgerState(UTC)
    book(state, measured(ana=GIB, ben=GIB), NOON)
    names = ("per_day_usd", "per_month_usd", "total_usd", "per_user_per_month_usd")
    limits = Budgets.model_validate(dict.fromkeys(names, "1"))
    held = {w.name: w.reserved_usd for w in windows(state, limits, USER, NOON)}
    rest = 20 * Decimal("0.001")
    assert held == {"day": 0, "month": 2 * rest, "total": 2 * rest, "your month": rest}
    tomorrow = {w.name: w.reserved_usd for w in windows(state, limits, USER, NOON + timedelta(days=1))}
    assert tomorrow["day"] == Decimal("0.002")
    assert refuse(state, limits, USER, Decimal("0.97"), NOON) is not None


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 20)), max_size=12))
def test_whatever_is_measured_when_no_day_is_paid_twice_and_none_is_dearer_than_its_largest(
    looks: list[tuple[int, int]],
) -> None:
    state, at, largest = LedgerState(UTC), NOON, 0
    first = None
    for days, gib in looks:
        at += timedelta(days=days)
        largest = max(largest, gib)
        if book(state, measured(ana=gib * GIB), at) and first is None:
            first = at
    spent = state.spent_between(date.min, date.max)
    days = 0 if first is None else (at - first).days + 1
    assert 0 <= spent <= usd(PRICE / 28 * largest * days) + Decimal("0.0001")


@virtual
async def test_the_report_shows_what_is_kept_and_counts_it_as_no_job() -> None:
    desk = Desk()
    async with desk.open(Budgets(per_user_per_month_usd=Decimal(1))):
        assert await desk.ask(measured(ana=GIB)) == 1
        assert await desk.ask(measured(ana=GIB)) == 0
        assert await desk.kinds() == ["stored"]
        for by, key in (("provider", "aws"), ("model", "(none)"), ("job", "stored with aws")):
            report = await desk.ask(CostReport(user_id=USER, by=by))
            assert [(row.key, row.jobs, row.cost_usd) for row in report.rows] == [(key, 0, Decimal("0.001"))]
        [kept] = report.stored
        assert (kept.provider, kept.size_bytes, kept.usd_per_month) == ("aws", GIB, Decimal("0.03"))
        assert (await desk.ask(CostReport(user_id=BEN, by="day"))).stored == ()
    async with desk.open(Budgets(per_user_per_month_usd=Decimal(1))):
        assert await desk.ask(measured(ana=GIB)) == 0
        [budget] = await desk.ask(BudgetsLeft(user_id=USER))
        assert budget.spent_usd == Decimal("0.001")
        assert budget.reserved_usd == Decimal("0.001") * (30 - START.day)
