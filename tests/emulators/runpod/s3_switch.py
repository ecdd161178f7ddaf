"""When a fault acts.

A switch acts for the next n times, for some seconds, or always; it can be kept to one operation and to keys that
begin with some letters. As JSON: ``{"complete_lost": {"next": 1, "value": "524"}, "outage": {"for_s": 60}}``; a bare
number is ``next``, ``true`` is always, ``false`` or ``null`` switches off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Occasion(NamedTuple):
    """When and where a fault could act."""

    now: float
    operation: str
    key: str = ""


@dataclass
class Switch:
    """One fault, off at first."""

    default: float | str = ""
    """What it does unless told otherwise; its type is the type of every value."""
    choices: tuple[str, ...] = ()
    left: int | None = 0
    """How many more times; ``None`` = without a count."""
    until: float | None = None
    """Seconds since 1970; ``None`` = for ever."""
    value: float | str = ""
    operation: str = ""
    """Such as PutObject; empty = all."""
    key: str = ""
    """What the keys begin with; empty = all."""
    hits: int = 0
    """How often it acted, over all settings."""

    def armed(self, occasion: Occasion) -> bool:
        """Return whether it would act."""
        return (
            self.left != 0
            and (self.until is None or occasion.now < self.until)
            and self.operation in ("", occasion.operation)
            and occasion.key.startswith(self.key)
        )

    def take(self, occasion: Occasion) -> bool:
        """Return whether it acts now, which counts."""
        if not self.armed(occasion):
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True

    @property
    def number(self) -> float:
        """Return the value of a switch that has numbers."""
        return float(self.value)

    @property
    def word(self) -> str:
        """Return the value of a switch that has words."""
        return str(self.value)

    def as_json(self) -> dict[str, object]:
        """Return the setting and how often it acted."""
        names = ("left", "until", "value", "operation", "key", "hits")
        return {name: getattr(self, name) for name in names}

    def set(self, wanted: object, now: float) -> None:
        """Take a setting as it comes from JSON. Errors: ValueError."""
        if wanted is None or isinstance(wanted, bool):
            wanted = {"always": bool(wanted)}
        elif isinstance(wanted, int):
            wanted = {"next": wanted}
        if not isinstance(wanted, Mapping) or not wanted.keys() <= _SETTINGS:
            raise ValueError(f"expected a number, a truth value or an object with {', '.join(sorted(_SETTINGS))}")
        left, span = wanted.get("next"), wanted.get("for_s")
        if left is not None and (not isinstance(left, int) or isinstance(left, bool) or left < 0):
            raise ValueError("next is a number of times")
        if span is not None and not _is_number(span):
            raise ValueError("for_s is a number of seconds")
        timed = left is not None or span is not None
        if not isinstance(wanted.get("always", timed), bool) or not (timed or "always" in wanted):
            raise ValueError("say next, for_s or always")
        value = self._checked(wanted.get("value", self.default))
        operation, key = wanted.get("operation", ""), wanted.get("key", "")
        if not isinstance(operation, str) or not isinstance(key, str):
            raise ValueError("operation and key are texts")
        self.left = left if timed else (None if wanted["always"] else 0)
        self.until = None if span is None else now + float(span)
        self.value, self.operation, self.key = value, operation, key

    def _checked(self, value: object) -> float | str:
        if isinstance(self.default, str):
            value = str(value) if _is_number(value) else value
            if isinstance(value, str) and (value == self.default or value in self.choices):
                return value
            raise ValueError(f"value is one of {', '.join(self.choices) or 'none'}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        raise ValueError("value is a number")


_SETTINGS = {"next", "for_s", "always", "value", "operation", "key"}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
