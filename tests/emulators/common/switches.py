"""Faults as switches: counted, timed, narrowed to calls and to machines by name.

In JSON a fault is a bare value, or ``{"value": …, "calls": n, "skip": n, "after_s": s, "for_s": s, "on": [patterns of
calls], "names": "lc1-*"}``; ``null`` heals it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")
_ON: Any = True


@dataclass(frozen=True)
class Switch(Generic[T]):
    """One fault that is on."""

    value: T = _ON
    calls: int | None = None
    """For the next so many calls it concerns; ``None``: for all."""
    skip: int = 0
    """Let so many of these calls pass first."""
    after_s: float = 0.0
    """From so long after it was set."""
    for_s: float | None = None
    """For so long; ``None``: for ever."""
    on: tuple[str, ...] = ()
    """Patterns of call names; empty: those the fault speaks of."""
    names: str = "*"
    """Pattern of the name of the machine concerned, where there is one."""


@dataclass(frozen=True)
class Rule:
    """What is known of one fault."""

    fits: Callable[[Any], bool]
    """Whether a value is one of its values."""
    on: tuple[str, ...] = ("*",)
    """The calls it speaks of."""
    once: bool = False
    """It happens when it becomes active, not at a call."""


def one_of(*words: str | int) -> Callable[[Any], bool]:
    """Accept these values."""
    return lambda value: value in words


def number(value: Any) -> bool:
    """Accept numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def whole(value: Any) -> bool:
    """Accept integers."""
    return isinstance(value, int) and not isinstance(value, bool)


def yes(value: Any) -> bool:
    """Accept ``True``."""
    return value is True


def text(value: Any) -> bool:
    """Accept a text."""
    return isinstance(value, str)


def texts(value: Any) -> bool:
    """Accept a list of texts."""
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def either(*checks: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Accept what any check accepts."""
    return lambda value: any(check(value) for check in checks)


_SWITCH = ("value", "calls", "skip", "after_s", "for_s", "on", "names")


@dataclass
class _Armed:
    switch: Switch[Any]
    since: float
    on: tuple[str, ...]
    passed: int = 0
    used: int = 0

    def began(self) -> float:
        return self.since + self.switch.after_s

    def active(self, now: float) -> bool:
        left = self.switch.calls is None or self.used < self.switch.calls
        return left and self.began() <= now and (self.switch.for_s is None or now < self.began() + self.switch.for_s)


class SwitchBox:
    """The switches of one emulator as they stand, and how often each one bit."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._once = tuple(name for name, rule in rules.items() if rule.once)
        self._armed: dict[str, _Armed] = {}
        self._happened: set[str] = set()
        self.hits: Counter[str] = Counter()
        """Fault → calls or moments it changed."""

    def arm(self, name: str, switch: Switch[Any], now: float) -> None:
        """Switch one on. Raises ValueError on an unknown fault or an unfit value."""
        rule = self._rules.get(name)
        if rule is None:
            raise ValueError(f"no such fault: {name}")
        if not rule.fits(switch.value):
            raise ValueError(f"{name}: unfit value {switch.value!r}")
        self._armed[name] = _Armed(switch, now, switch.on or rule.on)
        self._happened.discard(name)

    def arm_json(self, document: Mapping[str, Any], now: float) -> None:
        """Merge the JSON form. Raises ValueError, and changes nothing then."""
        parsed = {name: self.parse(name, one) for name, one in document.items()}
        for name, switch in parsed.items():
            if switch is None:
                self._armed.pop(name, None)
            else:
                self.arm(name, switch, now)

    def parse(self, name: str, document: Any) -> Switch[Any] | None:
        """Return one fault from its JSON form. Raises ValueError."""
        rule = self._rules.get(name)
        if rule is None:
            raise ValueError(f"no such fault: {name}")
        if document is None:
            return None
        values = dict(cast("Mapping[str, Any]", document)) if isinstance(document, dict) else {"value": document}
        if "value" not in values or any(key not in _SWITCH for key in values):
            raise ValueError(f"{name}: a fault is a value or an object of {', '.join(_SWITCH)}")
        if not rule.fits(values["value"]):
            raise ValueError(f"{name}: unfit value {values['value']!r}")
        if isinstance(values["value"], list):
            values["value"] = tuple(values["value"])
        values["on"] = tuple(values.get("on", ()))
        return Switch(**values)

    def heal(self) -> None:
        """Switch everything off."""
        self._armed.clear()

    def hit(self, name: str, call: str, now: float, machine: str | None = None) -> Any:
        """Return the fault's value if it bites at this call, and count it; else ``None``."""
        if name in self._rules and name not in self._armed:
            return None
        armed = self._at(name, call, now, machine)
        if armed is None:
            return None
        if armed.passed < armed.switch.skip:
            armed.passed += 1
            return None
        armed.used += 1
        self.hits[name] += 1
        return armed.switch.value

    def standing(self, name: str, call: str, now: float, machine: str | None = None) -> Any:
        """Return the fault's value if it is active, without using it up: for what one call asks several times."""
        armed = self._at(name, call, now, machine)
        if armed is None:
            return None
        self.hits[name] += 1
        return armed.switch.value

    def happens(self, now: float) -> Iterator[tuple[str, Switch[Any]]]:
        """Yield the faults whose moment has come, each once."""
        for name in self._once:
            armed = self._armed.get(name)
            if armed is not None and name not in self._happened and armed.active(now):
                self._happened.add(name)
                self.hits[name] += 1
                yield name, armed.switch

    def next_moment(self) -> float | None:
        """Return when the next one-time fault happens."""
        waiting = [self._armed[name] for name in self._once if name in self._armed and name not in self._happened]
        return min((one.began() for one in waiting), default=None)

    def shown(self) -> dict[str, Any]:
        """Return the JSON form of what is on."""
        return {
            name: {key: getattr(armed.switch, key) for key in _SWITCH} | {"used": armed.used}
            for name, armed in self._armed.items()
        }

    def _at(self, name: str, call: str, now: float, machine: str | None) -> _Armed | None:
        if name not in self._rules:
            raise KeyError(name)
        armed = self._armed.get(name)
        if armed is None or not armed.active(now):
            return None
        if machine is not None and not fnmatchcase(machine, armed.switch.names):
            return None
        return armed if any(fnmatchcase(call, pattern) for pattern in armed.on) else None
