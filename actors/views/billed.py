"""A provider's bill beside the books, for providers that charge for showing it: asked only when somebody asks.

Each question is booked before it goes out, and a command asks once: repeated, it is refused rather than paid for again.
The books stay as they are; what differs is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from actors.journal.interface import Journal
from actors.ledger.requests import Charge
from actors.runtime.actor import Ref
from actors.runtime.world import Clock
from messages.documents import BilledDocument, BilledRow, BillPriceDocument, ServiceCost
from messages.errors import Refusal
from messages.ids import CommandId, JobId, UserId
from messages.jobs import Requester
from messages.machines import MachineName, ProviderKind
from messages.money import ZERO, from_micro, usd
from providers.interface import BillLine, Provider, SellsBill

ASK_S: Final = 10.0
DAYS_MAX: Final = 92
"""Of one look."""
ROWS_MAX: Final = 2_000
"""Jobs shown, those with the largest differences first."""
SERVICES_MAX: Final = 20


class BillViews:
    """Asks a provider for its bill and compares."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        ledger: Ref[Any],
        providers: Mapping[ProviderKind, Provider],
        name_key: bytes,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._ledger = ledger
        self._sellers = {
            kind: provider.training for kind, provider in providers.items() if isinstance(provider.training, SellsBill)
        }
        self._name_key = name_key

    async def price(self, since: date | None, until: date | None) -> BillPriceDocument:
        """Return what the question would cost. Raises ``Refusal`` E-BADREQUEST where there is nobody to ask."""
        kind, seller = self._seller()
        first, end = self._days(since, until)
        return BillPriceDocument(
            provider=kind,
            since=first,
            until=end,
            question_usd=seller.question_usd,
            most_usd=seller.question_usd * seller.questions_max,
        )

    async def ask(
        self, requester: Requester, command: CommandId, since: date | None, until: date | None
    ) -> BilledDocument:
        """Ask, book what asking costs, and compare.

        Raises ``Refusal`` E-BADREQUEST, E-BUDGET, E-BUSY for a command that asked before, and what the provider raises.
        """
        kind, seller = self._seller()
        first, end = self._days(since, until)
        user, questions = requester.user_id, 0

        async def pay(number: int) -> None:
            nonlocal questions
            await self._pay(user, kind, seller.question_usd, f"bill:{command}:{number}")
            questions += 1

        lines = await seller.bill(first, end, pay)
        billed = await self._mine(user, lines)
        booked = await self._booked(user, kind, first, end)
        jobs = _compared(booked.jobs, _sums((str(job), line) for job, line in billed))
        return BilledDocument(
            provider=kind,
            since=first,
            until=end,
            asked_at=self._clock.now(),
            questions=questions,
            cost_usd=seller.question_usd * questions,
            estimated=any(line.estimated for line in lines),
            jobs=tuple(sorted(jobs, key=lambda row: (-abs(row.difference_usd), row.key))[:ROWS_MAX]),
            days=tuple(_compared(booked.days, _sums((line.day.isoformat(), line) for _, line in billed))),
            nameless=_nameless(lines),
        )

    def _seller(self) -> tuple[ProviderKind, SellsBill]:
        for kind, seller in self._sellers.items():
            return kind, seller
        raise Refusal("E-BADREQUEST", "No provider in use charges for showing its bill; lastcall cost has it already.")

    def _days(self, since: date | None, until: date | None) -> tuple[date, date]:
        """Return the days meant, the last one excluded.

        By themselves those of this month that are over, on its first day the month before.
        """
        today = self._clock.now().astimezone(UTC).date()
        end = until or today
        first = since or (end - timedelta(days=1)).replace(day=1)
        if not first < end <= today + timedelta(days=1):
            raise Refusal("E-BADREQUEST", "since must be a day before until, and until not after tomorrow.")
        if (end - first).days > DAYS_MAX:
            raise Refusal("E-BADREQUEST", f"A bill is looked at for at most {DAYS_MAX} days.")
        return first, end

    async def _pay(self, user: UserId, kind: ProviderKind, amount_usd: Decimal, source: str) -> None:
        charge = Charge(
            user_id=user,
            provider=kind,
            what=f"asking {kind} for its bill",
            amount_usd=amount_usd,
            source=source,
        )
        if not await self._ledger.ask(charge, ASK_S):
            raise Refusal("E-BUSY", "This was asked before, and its answer is lost. Ask anew: it costs again.")

    # ------------------------------------------------------------------------------------------- comparing

    async def _mine(self, user: UserId, lines: Iterable[BillLine]) -> list[tuple[JobId, BillLine]]:
        """Return the lines that name a machine of one of the user's jobs."""
        named = [(name.job_id, line) for line in lines if (name := MachineName.parse(line.machine, self._name_key))]
        owned: dict[JobId, bool] = {}
        for job_id, _ in named:
            if job_id not in owned:
                sql = "SELECT 1 FROM jobs WHERE job_id = ? AND user_id = ?"
                owned[job_id] = bool(await self._journal.query(sql, (job_id, user)))
        return [(job_id, line) for job_id, line in named if owned[job_id]]

    async def _booked(self, user: UserId, kind: ProviderKind, since: date, until: date) -> _Booked:
        """Return what the books have for jobs in these days."""
        sql = (
            "SELECT costs.job_id, costs.day, sum(costs.usd_micro) FROM costs JOIN jobs ON jobs.job_id = costs.job_id"
            " WHERE costs.user_id = ? AND jobs.provider = ? AND costs.day >= ? AND costs.day < ?"
            " GROUP BY costs.job_id, costs.day"
        )
        rows = await self._journal.query(sql, (user, kind, since.isoformat(), until.isoformat()))
        jobs: dict[str, Decimal] = {}
        days: dict[str, Decimal] = {}
        for job_id, day, micro in rows:
            jobs[job_id] = jobs.get(job_id, ZERO) + from_micro(micro)
            days[day] = days.get(day, ZERO) + from_micro(micro)
        return _Booked(jobs, days)


class _Booked(NamedTuple):
    jobs: Mapping[str, Decimal]
    days: Mapping[str, Decimal]


def _sums(keyed: Iterable[tuple[str, BillLine]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for key, line in keyed:
        sums[key] = sums.get(key, Decimal(0)) + line.amount_usd
    return sums


def _compared(booked: Mapping[str, Decimal], billed: Mapping[str, Decimal]) -> list[BilledRow]:
    rows = []
    for key in sorted({*booked, *billed}):
        ours, theirs = booked.get(key, ZERO), usd(billed.get(key, ZERO))
        rows.append(BilledRow(key=key, booked_usd=ours, billed_usd=theirs, difference_usd=theirs - ours))
    return rows


def _nameless(lines: Iterable[BillLine]) -> tuple[ServiceCost, ...]:
    sums = _sums((line.service, line) for line in lines if not line.machine)
    largest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:SERVICES_MAX]
    return tuple(ServiceCost(service=name, billed_usd=usd(amount)) for name, amount in largest if usd(amount))
