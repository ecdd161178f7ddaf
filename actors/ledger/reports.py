"""What the books say to who reads them: costs by group, budgets, sums for one screen. Nothing here changes them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from actors.journal.interface import Journal
from actors.ledger import budgets as rules
from actors.ledger.billing import REASON
from actors.ledger.requests import Totals
from actors.ledger.standing import Space
from actors.ledger.state import LedgerState
from actors.runtime.world import Clock
from messages.documents import BudgetRow, CostDocument, CostRow, StoredRow
from messages.ids import JobId, UserId
from messages.money import ZERO, from_micro, usd

_KEYS = {
    "day": "day",
    "user": "user_id",
    "model": "coalesce(model_id, (SELECT model_id FROM jobs WHERE jobs.job_id = costs.job_id), '(none)')",
    "provider": "coalesce(nullif(provider, ''), (SELECT provider FROM jobs WHERE jobs.job_id = costs.job_id), '')",
    "job": "job_id",
}
"""What rows are grouped by; a correction belongs where its job does."""
_OF_JOBS = "WHERE reason NOT IN ('stored', 'stored, as billed', 'charged')"
_OF_BILLS = "WHERE reason IN (?, 'stored, as billed')"


class Reports:
    """The read side of the ledger: its state as it is now, and the read model of what was spent."""

    def __init__(self, journal: Journal, clock: Clock, budgets: rules.Budgets) -> None:
        self._journal = journal
        self._clock = clock
        self._budgets = budgets

    def totals(self, state: LedgerState) -> Totals:
        """Return the sums for ``status``, over all users."""
        today = state.day(self._clock.now())
        return Totals(
            spent_today_usd=state.spent_between(today, today),
            spent_month_usd=state.spent_between(today.replace(day=1), today),
            reserved_usd=state.reserved_usd,
            running_usd=self._running(state, None),
        )

    def budgets(self, state: LedgerState, user: UserId) -> tuple[BudgetRow, ...]:
        """Return the budgets that apply to ``user``."""
        found = rules.windows(state, self._budgets, user, self._clock.now())
        return tuple(
            BudgetRow(
                name=w.name,
                limit_usd=w.limit_usd,
                spent_usd=w.spent_usd,
                reserved_usd=w.reserved_usd,
                left_usd=w.left_usd,
                warning=w.warning,
            )
            for w in found
        )

    async def costs(
        self,
        state: LedgerState,
        user: UserId,
        by: Literal["day", "user", "model", "provider", "job"],
        missing: Mapping[str, frozenset[JobId]],
    ) -> CostDocument:
        """Return what ``user`` spent, is running and has held; ``missing`` are the jobs that bills should have had."""
        sql = (
            f"SELECT {_KEYS[by]} AS key, count(DISTINCT job_id) FILTER ({_OF_JOBS}), sum(usd_micro),"  # noqa: S608 (own names)
            f" sum(usd_micro) FILTER ({_OF_BILLS}) FROM costs WHERE user_id = ? GROUP BY key ORDER BY key"
        )
        found = await self._journal.query(sql, (REASON, user))
        rows = tuple(
            CostRow(
                key=str(key),
                jobs=jobs,
                cost_usd=from_micro(micro),
                difference_usd=None if difference is None else from_micro(difference),
            )
            for key, jobs, micro, difference in found
        )
        differences = [row.difference_usd for row in rows if row.difference_usd is not None]
        return CostDocument(
            by=by,
            rows=rows,
            total_usd=sum((row.cost_usd for row in rows), ZERO),
            difference_usd=sum(differences, ZERO) if differences else None,
            unbilled_jobs=sum(1 for jobs in missing.values() for job_id in jobs if _is_of(state, job_id, user)),
            running_usd=self._running(state, user),
            reserved_usd=state.reserved_for(user),
            budgets=self.budgets(state, user),
            stored=_stored_rows(state, user),
        )

    def _running(self, state: LedgerState, user: UserId | None) -> Decimal:
        now = self._clock.now()
        held = (h for h in state.open.values() if user in (None, h.user_id))
        return sum((h.accrued_usd(now) for h in held), ZERO)


def _stored_rows(state: LedgerState, user: UserId) -> tuple[StoredRow, ...]:
    """Return what the user keeps where space costs money, provider by provider."""
    mine = (event for (who, _), event in sorted(state.stored.items()) if who == user and event.size_bytes)
    return tuple(
        StoredRow(
            provider=event.provider,
            size_bytes=event.size_bytes,
            usd_per_month=usd(Space(event.size_bytes, event.usd_per_gb_month).usd_per_month),
            prices_as_of=event.prices_as_of,
            rented=event.rented,
        )
        for event in mine
    )


def _is_of(state: LedgerState, job_id: JobId, user: UserId) -> bool:
    account = state.accounts.get(job_id)
    return account is not None and account.user_id == user
