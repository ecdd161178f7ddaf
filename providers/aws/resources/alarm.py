"""The budget alarm: AWS writes to a person when the account's bill of a month nears an amount, and at the amount.

It watches the whole bill, not Lastcall's part: tags count in a bill only once somebody activates them there. It comes
hours late and stops nothing; Lastcall's own budgets do that.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from providers.aws.resources.resource import NOT_THERE, Difference, Look, Resource, list_at, text_at
from providers.aws.resources.wanted import Alarm
from providers.interface import NotFound

WHOLE: Final = 100.0
"""Per cent."""


class BudgetAlarm(Resource):
    """One budget. Its name holds the bucket's, which marks it as ours."""

    name = "budget alarm"

    @property
    def title(self) -> str:
        """What it is called."""
        return f"budget {self.budget}"

    @property
    def budget(self) -> str:
        """Its name."""
        return self.wanted.alarm_name

    @property
    def alarm(self) -> Alarm:
        """Whom it writes to, and when. Raises ValueError where none is wanted."""
        if self.wanted.alarm is None:
            raise ValueError("no alarm is wanted")
        return self.wanted.alarm

    async def look(self) -> Look:
        """Return what is there."""
        value = await self.found("budgets", "DescribeBudget", f"for {self.title}", **self._named)
        if value is None:
            return NOT_THERE
        mark = self.wanted.bucket
        if self.wanted.alarm is None:
            return Look(there=True, mark=mark)
        differences = []
        limit = _amount((value.get("Budget") or {}).get("BudgetLimit"))
        if limit != self.alarm.usd_per_month:
            differences.append(Difference(f"its amount is ${limit}", self._anew))
        if await self._notices() != self._wanted_notices():
            differences.append(Difference("it writes at other amounts or to others", self._anew))
        return Look(there=True, mark=mark, differences=tuple(differences[:1]))

    async def create(self) -> None:
        """Make it."""
        alarm = self.alarm
        budget = {
            "BudgetName": self.budget,
            "BudgetLimit": {"Amount": f"{alarm.usd_per_month:f}", "Unit": "USD"},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
        }
        notices = [
            {"Notification": _notice(share), "Subscribers": [{"SubscriptionType": "EMAIL", "Address": alarm.email}]}
            for share in self._shares()
        ]
        asked = {"AccountId": self.wanted.account, "Budget": budget, "NotificationsWithSubscribers": notices}
        await self.do("budgets", "CreateBudget", f"to make {self.title}", **asked)

    async def remove(self) -> None:
        """Remove it."""
        await self.drop("budgets", "DeleteBudget", f"to remove {self.title}", **self._named)

    async def _anew(self) -> None:
        await self.remove()
        await self.create()

    def _shares(self) -> list[float]:
        return sorted({float(self.alarm.share * 100), WHOLE})

    def _wanted_notices(self) -> list[tuple[float, str]]:
        return [(share, self.alarm.email) for share in self._shares()]

    async def _notices(self) -> list[tuple[float, str]]:
        """Return at what share it writes to whom."""
        what = f"to whom {self.title} writes"
        value = await self.found("budgets", "DescribeNotificationsForBudget", what, **self._named)
        found = []
        for notice in list_at(value, "Notifications"):
            try:
                said = await self.do(
                    "budgets", "DescribeSubscribersForNotification", what, Notification=dict(notice), **self._named
                )
            except NotFound:
                continue
            share = notice.get("Threshold")
            who = ", ".join(sorted(text_at(one, "Address") or "" for one in list_at(said, "Subscribers")))
            found.append((float(share) if isinstance(share, int | float) else 0.0, who))
        return sorted(found)

    @property
    def _named(self) -> dict[str, object]:
        return {"AccountId": self.wanted.account, "BudgetName": self.budget}


def _notice(share: float) -> dict[str, object]:
    """When it writes; ``Threshold`` is per cent of the amount."""
    return {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": share,
        "ThresholdType": "PERCENTAGE",
    }


def _amount(limit: Any) -> Decimal | None:
    try:
        return Decimal(str(limit["Amount"])) if isinstance(limit, dict) else None
    except (KeyError, InvalidOperation):
        return None
