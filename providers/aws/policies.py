"""The least rights that each part needs, kept as data: ``policies/*.json``, filled in for one account and bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

PARTS: Final = ("daemon", "instance", "function", "trust-ec2", "trust-lambda", "bucket")
FOLDER: Final = Path(__file__).parent / "policies"


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
    document: dict[str, Any] = json.loads(text)
    left = [name for name in _LOOSE if f"${{{name}}}" in text]
    if left:
        raise ValueError(f"the policy {part} needs {', '.join(left)}")
    return document


_LOOSE: Final = (
    *("account", "region", "partition", "role", "function"),
    *("bucket", "log_group", "jobs", "datasets", "models", "predictions"),
)
"""Names that are filled in; others (``${aws:…}``) are AWS's own variables."""


def statement_that_allows(action: str) -> str:
    """Return where the daemon's policy grants an action, in words for an error."""
    found = _granting().get(action.lower())
    if found is None:
        return "is not part of the policies that lastcall setup aws makes"
    part, statement = found
    return f"statement {statement} of the {part} policy grants"


@cache
def _granting() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for part in ("daemon", "instance", "function"):
        for statement in json.loads(policy_text(part))["Statement"]:
            if statement["Effect"] == "Allow":
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    found.setdefault(action.lower(), (part, statement["Sid"]))
    return found
