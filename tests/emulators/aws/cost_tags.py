"""Cost allocation tags: which keys the bill is split by. AWS knows a key a day after something that bills had it.

Requests are held to the service model that botocore ships; whether they cost is not said anywhere, so they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.emulators.aws.billing import Book
from tests.emulators.aws.problems import Problem
from tests.emulators.aws.settings import Settings

LIST, UPDATE = "ListCostAllocationTags", "UpdateCostAllocationTagsStatus"
ACTIONS = (LIST, UPDATE)
STATUS = ("Active", "Inactive")
LINKED = "Linked account doesn't have access to cost allocation tags."
Document = Mapping[str, Any]


@cache
def _model() -> Any:
    return ServiceModel(Loader().load_service_model("ce", "service-2"), "ce")


class CostTags:
    """The keys of all accounts."""

    def __init__(self, settings: Settings, book: Book) -> None:
        self._settings = settings
        self._book = book
        self._since: dict[tuple[str, str], float | None] = {}

    def active_since(self, account: str, key: str) -> float | None:
        """Return from when on the bill is split by a key, ``None`` where it is not: nothing is split in hindsight."""
        always = float("-inf") if key in self._settings.cost_tags else None
        return self._since.get((account, key), always)

    def answer(self, account: str, action: str, asked: Document, now: float) -> Document:
        """Answer one call for an account, and bill it. Raises Problem; what is refused costs nothing."""
        _held_to(_model().operation_model(action).input_shape, asked)
        if account in self._settings.linked_accounts:
            what = "list" if action == LIST else "update"
            raise Problem("AccessDeniedException", f"Failed to {what} Cost Allocation Tag: {LINKED}")
        self._book.question(account, now)
        found = self._list(account, asked, now) if action == LIST else self._update(account, asked, now)
        _held_to(_model().operation_model(action).output_shape, found)
        return found

    def _known(self, account: str, now: float) -> set[str]:
        seen = now - self._settings.bill_lag_s
        lines = [one for one in self._book.lines if one.account == account and one.began <= seen]
        return {key for line in lines for key in line.tags} | set(self._settings.cost_tags)

    def _list(self, account: str, asked: Document, now: float) -> Document:
        keys = self._known(account, now) & set(asked.get("TagKeys") or self._known(account, now))
        rows = [
            {"TagKey": key, "Type": "UserDefined", "Status": STATUS[self.active_since(account, key) is None]}
            for key in sorted(keys)
        ]
        return {"CostAllocationTags": [row for row in rows if row["Status"] == asked.get("Status", row["Status"])]}

    def _update(self, account: str, asked: Document, now: float) -> Document:
        known, errors = self._known(account, now), []
        for entry in asked["CostAllocationTagsStatus"]:
            key = entry["TagKey"]
            if key not in known:
                message = f"Tag keys not found: {key}"
                errors.append({"TagKey": key, "Code": "TagKeysNotFoundException", "Message": message})
            elif entry["Status"] == "Inactive":
                self._since[account, key] = None
            elif self.active_since(account, key) is None:
                self._since[account, key] = now
        return {"Errors": errors}


def _held_to(shape: Any, document: Any) -> None:
    if not isinstance(document, Mapping):
        raise Problem("SerializationException", "the body is no object")
    report = ParamValidator().validate(document, shape)
    if report.has_errors():
        raise Problem("ValidationException", report.generate_report())
