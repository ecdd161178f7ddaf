"""The provider's bill beside the books: paid for before it is asked, once, and nobody sees another's jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from actors.ledger.budgets import Budgets
from actors.ledger.requests import CostReport
from actors.views.billed import DAYS_MAX, BillViews
from messages import events as ev
from messages.documents import BilledDocument
from messages.errors import Refusal
from messages.ids import CommandId, JobId, UserId
from messages.jobs import Outcome, Requester
from messages.machines import MachineName
from providers.interface import BillLine, Unavailable
from tests.support.desk import Desk
from tests.support.jobs import JOB, NAMING, START, USER, queued
from tests.support.virtual import virtual

MINE, THEIRS = JOB, JobId("job_bbbbbbbbbb")
BEN = UserId("usr_bbbbbbbbbb")
DAY = START.date()
ANA = Requester(user_id=USER, via="uid:1")


class Seller:
    """A provider that sells its bill in pages."""

    question_usd: ClassVar[Decimal] = Decimal("0.01")
    questions_max: ClassVar[int] = 10

    def __init__(self, *pages: list[BillLine]) -> None:
        self.pages = pages
        self.asked: list[tuple[date, date]] = []
        self.breaks = False

    async def bill(self, since: date, until: date, pay: Callable[[int], Awaitable[None]]) -> list[BillLine]:
        lines = []
        for number, page in enumerate(self.pages, 1):
            await pay(number)
            self.asked.append((since, until))
            if self.breaks:
                raise Unavailable("503")
            lines += page
        return lines


class Provider:
    def __init__(self, training: Any) -> None:
        self.training = training


def line(job: JobId | None, amount: str, day: date = DAY, service: str = "EC2", estimated: bool = False) -> BillLine:
    name = "" if job is None else MachineName("abcdef", "ghij", job.tail, 1, START).text(NAMING.key)
    return BillLine(day, name, service, Decimal(amount), estimated)


def views(desk: Desk, seller: Any) -> BillViews:
    providers: Any = {"local": Provider(object()), "fake": Provider(seller)}
    return BillViews(desk.journal, desk.clock, desk.ledger, providers, NAMING.key)


async def ask(desk: Desk, seller: Any, key: str = "k", **days: Any) -> BilledDocument:
    period = {"since": DAY - timedelta(days=1), "until": DAY + timedelta(days=1), **days}
    return await views(desk, seller).ask(ANA, CommandId(f"api:0:{key}"), period["since"], period["until"])


async def closed(desk: Desk, job_id: JobId, user: UserId, cost: str) -> None:
    started = queued(job_id=job_id).model_copy(update={"user_id": user})
    over = ev.JobClosed(outcome=Outcome.SUCCEEDED, cost_usd=Decimal(cost), at=desk.clock.now())
    await desk.tell(f"job/{job_id}", started, over)


@virtual
async def test_each_job_and_day_stands_beside_its_bill_and_the_rest_of_the_account_by_service() -> None:
    desk = Desk()
    async with desk.open():
        await closed(desk, MINE, USER, "1")
        early = DAY - timedelta(days=1)
        seller = Seller(
            [line(MINE, "0.4", early), line(MINE, "0.7"), line(MINE, "0.05", service="EC2 - Other")],
            [line(None, "0.12", service="S3"), line(None, "0.01", service="S3"), line(None, "0", service="Tax")],
        )
        found = await ask(desk, seller)
        assert [(r.key, r.booked_usd, r.billed_usd, r.difference_usd) for r in found.jobs] == [
            (str(MINE), Decimal(1), Decimal("1.15"), Decimal("0.15"))
        ]
        assert [(r.key, r.booked_usd, r.billed_usd) for r in found.days] == [
            (early.isoformat(), Decimal(0), Decimal("0.4")),
            (DAY.isoformat(), Decimal(1), Decimal("0.75")),
        ]
        assert [(one.service, one.billed_usd) for one in found.nameless] == [("S3", Decimal("0.13"))]
        assert (found.questions, found.cost_usd, found.estimated) == (2, Decimal("0.02"), False)


@virtual
async def test_the_jobs_of_others_are_in_no_row_and_no_sum() -> None:
    desk = Desk()
    async with desk.open():
        await closed(desk, MINE, USER, "1")
        await closed(desk, THEIRS, BEN, "5")
        foreign = BillLine(DAY, "lc1-somebody-elses", "EC2", Decimal(9), True)
        found = await ask(desk, Seller([line(MINE, "1"), line(THEIRS, "5"), foreign]))
        assert [row.key for row in found.jobs] == [MINE]
        assert [row.billed_usd for row in found.days] == [1]
        assert found.nameless == ()
        assert found.estimated


@virtual
async def test_a_job_that_is_not_on_the_bill_and_one_that_was_not_settled_are_shown_with_nothing_beside() -> None:
    desk = Desk()
    async with desk.open():
        await closed(desk, MINE, USER, "1")
        await desk.tell(f"job/{THEIRS}", queued(job_id=THEIRS))
        found = await ask(desk, Seller([line(THEIRS, "0.2")]))
        assert [(r.key, r.booked_usd, r.billed_usd) for r in found.jobs] == [
            (str(MINE), Decimal(1), Decimal(0)),
            (str(THEIRS), Decimal(0), Decimal("0.2")),
        ]


@virtual
async def test_every_question_is_booked_before_it_is_asked_also_when_its_answer_never_comes() -> None:
    desk = Desk()
    async with desk.open():
        seller = Seller([line(MINE, "1")])
        seller.breaks = True
        with pytest.raises(Unavailable):
            await ask(desk, seller)
        [charged] = [r.event for r in await desk.journal.read("ledger")]
        assert isinstance(charged, ev.Charged)
        assert (charged.user_id, charged.provider, charged.amount_usd) == (USER, "fake", Decimal("0.01"))
        report = await desk.ask(CostReport(user_id=USER, by="job"))
        assert [(row.key, row.jobs, row.cost_usd) for row in report.rows] == [
            ("asking fake for its bill", 0, Decimal("0.01"))
        ]


@virtual
async def test_the_same_command_again_asks_nothing_and_pays_nothing_also_after_a_restart() -> None:
    desk = Desk()
    async with desk.open():
        await ask(desk, Seller([line(MINE, "1")]))
    async with desk.open():
        seller = Seller([line(MINE, "1")])
        with pytest.raises(Refusal, match=r"E-BUSY.*costs again"):
            await ask(desk, seller)
        assert seller.asked == []
        await ask(desk, seller, "another")
        assert await desk.kinds() == ["charged", "charged"]


@virtual
async def test_a_question_that_no_budget_has_money_for_is_not_asked() -> None:
    desk = Desk()
    async with desk.open(Budgets(total_usd=Decimal("0.015"))):
        seller = Seller([line(MINE, "1")], [line(MINE, "1")])
        with pytest.raises(Refusal, match=r"E-BUDGET.*This costs \$0\.010, and the budget of \$0\.015 \(total\)"):
            await ask(desk, seller)
        assert len(seller.asked) == 1


@virtual
async def test_its_price_is_told_without_asking_and_the_days_are_those_that_are_over() -> None:
    desk = Desk()
    async with desk.open():
        seller = Seller([])
        price = await views(desk, seller).price(None, None)
        assert (price.provider, price.since, price.until) == ("fake", DAY.replace(day=1), DAY)
        assert (price.question_usd, price.most_usd) == (Decimal("0.01"), Decimal("0.1"))
        assert seller.asked == []
        first = DAY.replace(day=1)
        before = await views(desk, seller).price(None, first)
        assert (before.since, before.until) == (date(2026, 10, 1), first)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (DAY, DAY),
        (DAY, DAY - timedelta(days=1)),
        (DAY, DAY + timedelta(days=2)),
        (DAY - timedelta(days=DAYS_MAX + 1), DAY),
    ],
)
def test_days_that_make_no_period_are_refused_before_anything_is_asked(since: date, until: date) -> None:
    @virtual
    async def story() -> None:
        desk = Desk()
        async with desk.open():
            seller = Seller([])
            with pytest.raises(Refusal, match="E-BADREQUEST"):
                await ask(desk, seller, since=since, until=until)
            assert seller.asked == []

    story()


@virtual
async def test_where_nobody_sells_a_bill_there_is_nothing_to_ask() -> None:
    desk = Desk()
    async with desk.open():
        with pytest.raises(Refusal, match=r"E-BADREQUEST.*lastcall cost has it already"):
            await ask(desk, object())
