"""Whether IAM policies allow a call: actions, resources, and the conditions that least-privilege policies use.

A statement with something this does not know is refused loudly, so that no test passes by a gap here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str]
"""Condition key → value; a key that is absent has none."""
_NUMBERS = ("NumericEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan")
_KNOWN = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")


def allowed(documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> bool:
    """Return whether some statement allows it and none denies it. Raises ValueError on an unknown element."""
    found = False
    for document in documents:
        for statement in _list(document["Statement"]):
            if not applies(statement, action, resource, context):
                continue
            if statement["Effect"] == "Deny":
                return False
            found = True
    return found


def applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Return whether a statement speaks of a call. Raises ValueError on an unknown element."""
    strange = [key for key in statement if key not in _KNOWN]
    if strange:
        raise ValueError(f"not known in a statement: {', '.join(strange)}")
    if "NotAction" in statement:
        concerned = not _matches(statement["NotAction"], action, fold=True)
    else:
        concerned = _matches(statement["Action"], action, fold=True)
    if "NotResource" in statement:
        concerned = concerned and not _matches(statement["NotResource"], resource)
    else:
        concerned = concerned and _matches(statement.get("Resource", "*"), resource)
    return concerned and all(
        _condition(operator, key, _list(wanted), context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _matches(patterns: Any, text: str, fold: bool = False) -> bool:
    cased = text.lower() if fold else text
    return any(fnmatchcase(cased, (one.lower() if fold else one).replace("[", "[[]")) for one in _list(patterns))


def _condition(operator: str, key: str, wanted: list[Any], context: Context) -> bool:
    name, _, every = operator.rpartition(":")
    every_of, operator = name, every
    optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    values = [text for known, text in context.items() if known.lower() == key.lower()]
    if every_of:
        given = values[0].split(",") if values and values[0] else []
        hits = [_compare(operator, one, wanted) for one in given]
        if every_of == "ForAllValues":
            return all(hits)
        if every_of == "ForAnyValue":
            return any(hits)
        raise ValueError(f"not known as a condition: {every_of}")
    if operator == "Null":
        return (not values) == (str(wanted[0]).lower() == "true")
    if not values:
        return optional or operator in ("StringNotEquals", "StringNotLike", "ArnNotLike", "ArnNotEquals")
    return _compare(operator, values[0], wanted)


def _compare(operator: str, value: str, wanted: list[Any]) -> bool:
    texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in wanted]
    if operator in ("StringEquals", "Bool"):
        return value in texts
    if operator in ("StringEqualsIgnoreCase",):
        return value.lower() in [one.lower() for one in texts]
    if operator == "StringNotEquals":
        return value not in texts
    if operator in ("StringLike", "ArnLike", "ArnEquals"):
        return _matches(texts, value)
    if operator in ("StringNotLike", "ArnNotLike", "ArnNotEquals"):
        return not _matches(texts, value)
    if operator in _NUMBERS:
        number, limit = float(value), float(texts[0])
        return {
            "NumericEquals": number == limit,
            "NumericLessThan": number < limit,
            "NumericLessThanEquals": number <= limit,
            "NumericGreaterThan": number > limit,
        }[operator]
    raise ValueError(f"not known as a condition: {operator}")
