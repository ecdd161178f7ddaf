"""AWS Budgets, as far as one budget with notices goes; moto's cannot tell whom a notice is for. It never writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.emulators.aws.problems import Problem

NOTICES_MAX = 10
Document = Mapping[str, Any]
RIGHTS = {
    "CreateBudget": "ModifyBudget",
    "DeleteBudget": "ModifyBudget",
    "DescribeBudget": "ViewBudget",
    "DescribeNotificationsForBudget": "ViewBudget",
    "DescribeSubscribersForNotification": "ViewBudget",
}


class Budgets:
    """All budgets of all accounts."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Document] = {}
        self._calls: Mapping[str, Callable[[str, Document], Document]] = {
            "CreateBudget": self._create,
            "DeleteBudget": self._delete,
            "DescribeBudget": lambda account, asked: {"Budget": self._named(account, asked)["Budget"]},
            "DescribeNotificationsForBudget": self._notices,
            "DescribeSubscribersForNotification": self._subscribers,
        }

    def answer(self, account: str, action: str, asked: Document) -> Document:
        """Answer one call for an account. Raises Problem."""
        call = self._calls.get(action)
        if call is None:
            raise Problem("UnknownOperationException", action)
        if asked.get("AccountId") != account:
            raise Problem("AccessDenied", f"Account {account} has no access to that of {asked.get('AccountId')}")
        return call(account, asked)

    @staticmethod
    def name_of(asked: Document) -> str:
        """Return the name of the budget that a call is about."""
        budget = asked.get("Budget")
        return str(asked.get("BudgetName") or (budget.get("BudgetName") if isinstance(budget, Mapping) else ""))

    def _create(self, account: str, asked: Document) -> Document:
        budget = asked.get("Budget") or {}
        name = self.name_of(asked)
        if not name or ":" in name or len(name) > 100:
            raise Problem("InvalidParameterException", "BudgetName")
        if budget.get("TimeUnit") != "MONTHLY" or budget.get("BudgetType") != "COST":
            raise Problem("InvalidParameterException", "only monthly budgets of cost are emulated")
        try:
            amount = Decimal(budget["BudgetLimit"]["Amount"])
        except (KeyError, TypeError, InvalidOperation):
            raise Problem("InvalidParameterException", "BudgetLimit") from None
        if amount <= 0 or budget["BudgetLimit"].get("Unit") != "USD":
            raise Problem("InvalidParameterException", "BudgetLimit")
        notices = asked.get("NotificationsWithSubscribers") or []
        if len(notices) > NOTICES_MAX or any(not one.get("Subscribers") for one in notices):
            raise Problem("InvalidParameterException", "NotificationsWithSubscribers")
        if (account, name) in self._kept:
            raise Problem("DuplicateRecordException", f"the budget {name} already exists")
        self._kept[account, name] = {**asked, "NotificationsWithSubscribers": notices}
        return {}

    def _delete(self, account: str, asked: Document) -> Document:
        self._named(account, asked)
        del self._kept[account, self.name_of(asked)]
        return {}

    def _notices(self, account: str, asked: Document) -> Document:
        kept = self._named(account, asked)["NotificationsWithSubscribers"]
        return {"Notifications": [{**one["Notification"], "NotificationState": "OK"} for one in kept]}

    def _subscribers(self, account: str, asked: Document) -> Document:
        wanted = {
            name: value for name, value in (asked.get("Notification") or {}).items() if name != "NotificationState"
        }
        for one in self._named(account, asked)["NotificationsWithSubscribers"]:
            if one["Notification"] == wanted:
                return {"Subscribers": one["Subscribers"]}
        raise Problem("NotFoundException", "no such notification")

    def _named(self, account: str, asked: Document) -> Document:
        kept = self._kept.get((account, self.name_of(asked)))
        if kept is None:
            raise Problem("NotFoundException", f"Unable to get budget: {self.name_of(asked)}")
        return kept
