"""The least rights that each part needs, kept as data: ``policies/*.json``, filled in for one account and bucket."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

RIGHTS: Final = ("daemon", "instance", "function", "key-storage", "key-disks", "setup")
"""Policies that give somebody rights."""
PARTS: Final = (*RIGHTS, "trust-ec2", "trust-lambda", "trust-account", "bucket", "bucket-logs")
FOLDER: Final = Path(__file__).parent / "policies"
_LOOSE = re.compile(r"\$\{([a-z_]+)\}")
"""What is filled in; others (``${aws:…}``) are AWS's own variables."""

Document = Mapping[str, Any]

ACTIONS: Final[Mapping[str, str]] = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:DeleteObjects": "s3:DeleteObjectVersion",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "service-quotas:GetServiceQuota": "servicequotas:GetServiceQuota",
}
"""Operation → the right it needs, where they are not called alike ("Service Authorization Reference")."""


def action_of(service: str, operation: str) -> str:
    """Return the right that an operation needs, as policies name it."""
    name = f"{service}:{operation}"
    return ACTIONS.get(name, name)


def policy_text(part: str) -> str:
    """Return a policy as it is kept, with ``${name}`` where something of the account belongs. Raises KeyError."""
    if part not in PARTS:
        raise KeyError(part)
    return (FOLDER / f"{part}.json").read_text("utf-8")


def policy(part: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return a policy filled in. Raises KeyError for an unknown part, ValueError where a value is missing."""
    text = policy_text(part)
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", json.dumps(value)[1:-1])
    left = sorted(set(_LOOSE.findall(text)))
    if left:
        raise ValueError(f"the policy {part} needs {', '.join(left)}")
    document: dict[str, Any] = json.loads(text)
    return document


def joined(*documents: Document) -> dict[str, Any]:
    """Return one policy with the statements of all."""
    first = documents[0]
    return {**first, "Statement": [one for document in documents for one in document["Statement"]]}


def same(one: object, other: object) -> bool:
    """Say whether two policies mean the same: services give back lists in another order, and one value without list."""
    return _plain(one) == _plain(other)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        inner = [_plain(one) for one in value]
        return inner[0] if len(inner) == 1 else sorted(inner, key=lambda one: json.dumps(one, sort_keys=True))
    return value


def statement_that_allows(action: str) -> str:
    """Return which of our policies' statements grant an action, in words for an error: the daemon's and setup's."""
    found = _granting().get(action.lower())
    if found is None:
        return "is not part of the policies that lastcall setup aws makes"
    shown = [part for part in ("daemon", "setup") if part in found] or list(found)[:1]
    named = " and ".join(f"{', '.join(found[part])} of the {part} policy" for part in shown)
    single = len(shown) == 1 and len(found[shown[0]]) == 1
    return f"statement {named} grants" if single else f"statements {named} grant"


@cache
def _granting() -> dict[str, dict[str, list[str]]]:
    """Return each action's statements, by policy."""
    found: dict[str, dict[str, list[str]]] = {}
    for part in RIGHTS:
        for statement in json.loads(policy_text(part))["Statement"]:
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                found.setdefault(action.lower(), {}).setdefault(part, []).append(statement["Sid"])
    return found
