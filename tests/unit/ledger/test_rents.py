"""A store that is rented at a size: booked as listed, then as billed, each hour once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from actors.ledger.billing import BILL_LAG_S, CHANGES_S, PARTIAL_AFTER_S
from actors.ledger.budgets import Budgets
from actors.ledger.rents import bill_from, rent_entries
from actors.ledger.requests import BookRentBill, BookStored, CostReport, KeptByUser, RentBillFrom, RentLine
from actors.ledger.standing import stored_entries
from actors.ledger.state import LedgerState, fold
from messages import events as ev
from messages.ids import UserId
from messages.money import usd
from tests.support.desk import Desk
from tests.support.jobs import START, USER
from tests.support.virtual import virtual

GIB = 1 << 30
BEN = UserId("usr_bbbbbbbbbb")
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATE = timedelta(seconds=BILL_LAG_S)
LISTED = usd(Decimal(3) / 30)
"""A day of a store of $3 a month, in November."""


def rented(owner: UserId = USER, size_gb: int = 100) -> BookStored:
    kept = (KeptByUser(user_id=owner, size_bytes=size_gb * GIB),)
    price = Decimal(3) / 100
    return BookStored(provider="runpod", usd_per_gb_month=price, prices_as_of=START.date(), users=kept, rented=True)


def midnight(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


def hours(began: datetime, ended: datetime, usd_each: str = "0.004") -> tuple[RentLine, ...]:
    count = int((ended - began) / HOUR)
    amount = Decimal(usd_each)
    return tuple(
        RentLine(began=began + HOUR * n, ended=began + HOUR * (n + 1), amount_usd=amount) for n in range(count)
    )


class Book:
    """A ledger's state, and all that was appended to get there."""

    def __init__(self, zone: object = UTC) -> None:
        self.state = LedgerState(zone)  # type: ignore[arg-type]
        self.events: list[ev.LedgerEvent] = []

    def rent(self, at: datetime, asked: BookStored | None = None) -> None:
        self._take(stored_entries(self.state, asked or rented(), at))

    def bill(self, at: datetime, lines: tuple[RentLine, ...]) -> list[Decimal]:
        """Book a reading; return what it changed."""
        found = rent_entries(self.state, BookRentBill(provider="runpod", lines=lines), at)
        self._take(found)
        return [event.difference_usd for event in found if isinstance(event, ev.StoredBilled)]

    def _take(self, events: list[ev.LedgerEvent]) -> None:
        for event in events:
            self.state.apply(event)
        self.events += events

    @property
    def spent(self) -> Decimal:
        return self.state.spent_between(date.min, date.max, USER)


def test_a_day_costs_its_list_price_until_the_bill_has_all_its_hours() -> None:
    book = Book()
    book.rent(NOON)
    assert book.spent == LISTED
    over = midnight(11)
    assert bill_from(book.state, "runpod", over + LATE - HOUR) is None
    assert bill_from(book.state, "runpod", over + LATE) == midnight(10)
    assert book.bill(over + LATE, hours(midnight(10), over - HOUR)) == []
    whole = hours(midnight(9), over + 2 * HOUR)
    assert book.bill(over + LATE, whole) == [Decimal("0.096") - LISTED]
    assert book.spent == Decimal("0.096")
    assert book.bill(over + LATE, whole) == []


def test_a_bill_may_change_for_some_days_and_is_final_then() -> None:
    book = Book()
    book.rent(NOON)
    over = midnight(11)
    book.bill(over + LATE, hours(midnight(10), over))
    last = over + timedelta(seconds=CHANGES_S)
    assert book.bill(last, hours(midnight(10), over, "0.005")) == [Decimal("0.024")]
    assert book.spent == Decimal("0.120")
    assert bill_from(book.state, "runpod", last + HOUR) is None
    assert book.bill(last + HOUR, hours(midnight(10), over, "0.009")) == []


def test_a_store_that_was_gone_before_the_day_ended_is_believed_a_day_later() -> None:
    book = Book()
    book.rent(NOON)
    lines, over = hours(midnight(10), midnight(11) - 4 * HOUR), midnight(11)
    assert book.bill(over + LATE, lines) == []
    assert book.bill(over + timedelta(seconds=PARTIAL_AFTER_S), lines) == [Decimal("0.080") - LISTED]


def test_days_that_the_bill_does_not_have_keep_what_was_booked_and_are_asked_for_again() -> None:
    book = Book()
    book.rent(NOON)
    book.rent(NOON + DAY)
    late = midnight(15)
    assert book.bill(late, hours(midnight(11), midnight(12))) == [Decimal("0.096") - LISTED]
    assert book.spent == LISTED + Decimal("0.096")
    assert bill_from(book.state, "runpod", late) == midnight(10)


def test_days_that_nobody_looked_at_are_matched_together() -> None:
    book = Book()
    book.rent(NOON)
    book.rent(NOON + 4 * DAY)
    assert book.spent == 5 * LISTED
    changed = book.bill(midnight(15) + LATE, hours(midnight(10), midnight(15)))
    assert changed == [Decimal("0.096") - LISTED, 4 * (Decimal("0.096") - LISTED)]
    assert book.spent == 5 * Decimal("0.096")


def test_after_more_than_a_month_only_days_that_were_paid_for_are_matched() -> None:
    book = Book()
    book.rent(NOON)
    book.rent(NOON + 60 * DAY)
    [rent] = book.state.rents["runpod"]
    assert (rent.first, rent.last) == (NOON.date() + 29 * DAY, NOON.date() + 60 * DAY)


def test_a_new_owner_and_the_one_before_do_not_both_pay_the_bill() -> None:
    book = Book()
    book.rent(NOON)
    book.rent(NOON + DAY, rented(BEN))
    assert book.spent == LISTED
    book.bill(midnight(12) + LATE, hours(midnight(10), midnight(12)))
    assert (book.spent, book.state.total_usd) == (Decimal("0.096"), Decimal("0.192"))


def test_days_are_those_of_the_budgets_zone() -> None:
    book = Book(ZoneInfo("Europe/Berlin"))
    book.rent(NOON)
    began = midnight(10) - HOUR
    assert bill_from(book.state, "runpod", midnight(12)) == began
    assert book.bill(midnight(12), hours(began - 5 * HOUR, began + 30 * HOUR)) == [Decimal("0.096") - LISTED]


def test_the_state_is_the_fold_of_its_events() -> None:
    book = Book()
    for day in range(40):
        book.rent(NOON + day * DAY)
        book.bill(NOON + day * DAY, hours(midnight(10), NOON + day * DAY))
    assert fold(book.events, UTC) == book.state
    assert len(book.state.rents["runpod"]) == 32


@virtual
async def test_the_report_has_the_rent_as_billed_and_counts_it_as_no_job() -> None:
    desk = Desk()
    asked = RentBillFrom(provider="runpod")
    async with desk.open(Budgets(per_user_per_month_usd=Decimal(10))):
        assert await desk.ask(asked) is None
        assert await desk.ask(rented()) == 1
        await desk.clock.sleep(86_400)
        since = await desk.ask(asked)
        lines = hours(since, since + DAY)
        assert await desk.ask(BookRentBill(provider="runpod", lines=lines)) == 1
    async with desk.open(Budgets(per_user_per_month_usd=Decimal(10))):
        assert await desk.ask(BookRentBill(provider="runpod", lines=lines)) == 0
        assert await desk.kinds() == ["stored", "stored_billed"]
        for by, key in (("provider", "runpod"), ("model", "(none)"), ("job", "stored with runpod")):
            report = await desk.ask(CostReport(user_id=USER, by=by))
            assert [(row.key, row.jobs, row.cost_usd) for row in report.rows] == [(key, 0, Decimal("0.096"))]
            assert report.difference_usd == Decimal("0.096") - LISTED
        [row] = report.stored
        assert (row.rented, row.size_bytes, row.usd_per_month) == (True, 100 * GIB, Decimal(3))
        [budget] = report.budgets
        assert (budget.spent_usd, budget.reserved_usd) == (Decimal("0.096"), LISTED * (30 - START.day))
        assert (await desk.ask(CostReport(user_id=BEN, by="day"))).stored == ()
