"""What is wrong with a value, in words: one line, the setting first, never a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lastcall.config.fields import Field

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_CHARS_MAX = 60


def say(field: Field, fault: ErrorDetails) -> str:
    """Return ``limits.max_machines must be at least 1, not 0``."""
    found = "" if field.secret else f", not {_short(fault.get('input'))}"
    kind = fault["type"]
    limits: dict[str, Any] = fault.get("ctx", {})
    if kind == "value_error":
        return f"{field.key} {limits['error']}"
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        return f"{field.key} {words} {limits[name]}{found}"
    if kind == "literal_error":
        return f"{field.key} must be {field.type}{found}"
    if kind.startswith("decimal_max"):
        return f"{field.key} has more decimals than money has: at most 6{found}"
    return f"{field.key} {_KINDS.get(field.type, 'must be a text in quotes')}{found}"


_LIMITS = {
    "greater_than": ("must be more than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
    "string_pattern_mismatch": ("must look like", "pattern"),
}

_KINDS = {
    "true or false": "must be true or false",
    "whole number": "must be a whole number",
    "number": "must be a number",
    "secret": "must be a text that is not empty",
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"
