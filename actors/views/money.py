"""One person's money: what was spent, what runs, what is held. Nobody sees another user's sums."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any, Literal, NamedTuple, cast

from actors.journal.interface import Journal
from actors.ledger.requests import CostReport
from actors.runtime.actor import Ref
from actors.runtime.world import Clock
from messages.documents import CostDocument
from messages.errors import Refusal
from messages.ids import UserId
from messages.money import ZERO, from_micro

ASK_S = 5.0
GROUPS = ("day", "user", "model", "provider", "job")


class Purse(NamedTuple):
    """The money on the screen of one user, in dollars."""

    spent_today_usd: Decimal
    """A job's cost counts on the day (UTC) it closes; what open jobs' ended attempts cost counts today."""
    spent_month_usd: Decimal
    reserved_usd: Decimal


class Billing(NamedTuple):
    """The machines that bill one user now, by our own books."""

    machines: int
    rate_usd_per_hour: Decimal


class MoneyViews:
    """The read side of money: the ledger's answers, and what the books of open jobs add."""

    def __init__(self, journal: Journal, clock: Clock, ledger: Ref[Any]) -> None:
        self._journal = journal
        self._clock = clock
        self._ledger = ledger

    async def costs(self, user: UserId, by: str) -> CostDocument:
        """Return the cost report. Raises ``Refusal`` E-BADREQUEST on an unknown grouping."""
        if by not in GROUPS:
            raise Refusal("E-BADREQUEST", f"Costs are grouped by one of {', '.join(GROUPS)}.")
        report = await self._report(user, cast(Literal["day", "user", "model", "provider", "job"], by))
        return report.model_copy(update={"running_usd": report.running_usd + await self._unsettled(user)})

    async def purse(self, user: UserId) -> Purse:
        """Return what ``user`` spent and has held."""
        report, unsettled = await self._report(user, "day"), await self._unsettled(user)
        today = self._clock.now().astimezone(UTC).date().isoformat()
        month = today[: len("2026-01")]
        return Purse(
            sum((row.cost_usd for row in report.rows if row.key == today), unsettled),
            sum((row.cost_usd for row in report.rows if row.key.startswith(month)), unsettled),
            report.reserved_usd,
        )

    async def billing(self, user: UserId) -> Billing:
        """Return how many machines of ``user`` are not proven gone, and what they cost per hour."""
        rows = await self._journal.query(
            "SELECT rate FROM jobs WHERE state != 'closed' AND user_id = ? AND machine_id IS NOT NULL"
            " AND gone_at IS NULL",
            (user,),
        )
        return Billing(len(rows), sum((Decimal(row[0]) for row in rows), ZERO))

    async def _report(self, user: UserId, by: Literal["day", "user", "model", "provider", "job"]) -> CostDocument:
        report: CostDocument = await self._ledger.ask(CostReport(user_id=user, by=by), ASK_S)
        return report

    async def _unsettled(self, user: UserId) -> Decimal:
        """Return what the ended attempts of open jobs cost: paid for, and settled only when the job closes."""
        sql = "SELECT coalesce(sum(cost_micro), 0) FROM jobs WHERE state != 'closed' AND user_id = ?"
        rows = await self._journal.query(sql, (user,))
        return from_micro(int(rows[0][0]))
