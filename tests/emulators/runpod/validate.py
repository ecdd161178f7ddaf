"""Strict checks of JSON documents. What is wrong is told as the platform tells it: ``$.gpu: missing property 'id'``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Check = Callable[[Any, str], Iterator[str]]
"""Takes a value and its path, yields what is wrong with it."""


def string(
    *, min_length: int = 0, pattern: str | None = None, one_of: Sequence[str] = (), nullable: bool = False
) -> Check:
    """Return a check of a text."""

    def check(value: Any, path: str) -> Iterator[str]:
        if value is None and nullable:
            return
        if not isinstance(value, str):
            yield f"{path}: got {_kind(value)}, want string"
        elif len(value) < min_length:
            yield f"{path}: minLength: got {len(value)}, want {min_length}"
        elif pattern is not None and not re.search(pattern, value):
            yield f"{path}: '{value}' does not match pattern '{pattern}'"
        elif one_of and value not in one_of:
            yield f"{path}: value must be one of {', '.join(map(repr, one_of))}"

    return check


def number(
    *, minimum: float | None = None, maximum: float | None = None, whole: bool = False, exactly: Sequence[int] = ()
) -> Check:
    """Return a check of a number; ``whole`` refuses fractions."""
    want = "integer" if whole else "number"

    def check(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (whole and value != int(value)):
            yield f"{path}: got {_kind(value)}, want {want}"
        elif minimum is not None and value < minimum:
            yield f"{path}: minimum: got {value}, want {minimum}"
        elif maximum is not None and value > maximum:
            yield f"{path}: maximum: got {value}, want {maximum}"
        elif exactly and value not in exactly:
            yield f"{path}: value must be one of {', '.join(map(str, exactly))}"

    return check


def integer(*, minimum: int | None = None, maximum: int | None = None, exactly: Sequence[int] = ()) -> Check:
    """Return a check of a whole number."""
    return number(minimum=minimum, maximum=maximum, whole=True, exactly=exactly)


def boolean(value: Any, path: str) -> Iterator[str]:
    """Check a truth value."""
    if not isinstance(value, bool):
        yield f"{path}: got {_kind(value)}, want boolean"


def array(item: Check, *, min_items: int = 0, max_items: int | None = None, unique: bool = False) -> Check:
    """Return a check of a list."""

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path}: got {_kind(value)}, want array"
            return
        if len(value) < min_items:
            yield f"{path}: minItems: got {len(value)}, want {min_items}"
        if max_items is not None and len(value) > max_items:
            yield f"{path}: maxItems: got {len(value)}, want {max_items}"
        if unique and any(value.index(one) != place for place, one in enumerate(value)):
            yield f"{path}: items are not unique"
        for place, one in enumerate(value):
            yield from item(one, f"{path}[{place}]")

    return check


def mapping(value: Any, path: str) -> Iterator[str]:
    """Check a map from text to text."""
    if not isinstance(value, dict):
        yield f"{path}: got {_kind(value)}, want object"
        return
    for name, one in value.items():
        yield from string()(one, f"{path}.{name}")


def record(fields: Mapping[str, Check], required: Sequence[str] = (), *, min_properties: int = 0) -> Check:
    """Return a check of an object with these fields and no others."""

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: got {_kind(value)}, want object"
            return
        yield from (f"{path}: missing property '{name}'" for name in required if name not in value)
        unknown = [name for name in value if name not in fields]
        if unknown:
            yield f"{path}: additional properties {', '.join(map(repr, unknown))} not allowed"
        if len(value) < min_properties:
            yield f"{path}: minProperties: got {len(value)}, want {min_properties}"
        for name, one in value.items():
            if name in fields:
                yield from fields[name](one, f"{path}.{name}")

    return check


def anything(value: Any, path: str) -> Iterator[str]:
    """Accept any value."""
    yield from ()


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
