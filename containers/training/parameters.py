"""What may be set of a model: names, types, ranges, defaults, and the check of what is given. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from containers.training.refusal import Refused, listed, nearest, quoted

Value = bool | int | float | str | None

SIZES_MAX = 5
"""Most whole numbers in a list of sizes."""


class Parameter(NamedTuple):
    """One setting of a family: its type, inclusive range and default."""

    name: str
    kind: Literal["int", "float", "bool", "choice", "sizes"]
    """``sizes`` is a list of whole numbers as text: ``64,32``."""
    default: Value
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether ``null`` is allowed."""
    null: str = "no limit"
    """What ``null`` means."""

    def json(self) -> dict[str, Any]:
        """Return the parameter as lists of families show it."""
        found: dict[str, Any] = {"name": self.name, "kind": self.kind, "default": self.default}
        if self.kind in ("int", "float", "sizes"):
            found |= {"low": self.low, "high": self.high}
        if self.kind == "choice":
            found["choices"] = list(self.choices)
        return found | {"null": self.null if self.optional else None}


def complete(family: str, parameters: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """Return every parameter with the given or default value; raises E-PARAMETER."""
    known = {p.name: p for p in parameters}
    for name in given:
        if name not in known:
            like = nearest(name, known)
            fix = f"did you mean {like}?" if like else f"it has {listed(known)}"
            raise Refused("E-PARAMETER", f"{family} has no parameter {quoted(name)}: {fix}")
    return {p.name: _checked(family, p, given[p.name]) if p.name in given else p.default for p in parameters}


def sizes(text: str) -> tuple[int, ...]:
    """Return the whole numbers of a checked list of sizes."""
    return tuple(int(part) for part in text.split(","))


def _checked(family: str, parameter: Parameter, value: object) -> Value:
    if value is None and parameter.optional:
        return None
    if parameter.kind == "bool" and isinstance(value, bool):
        return value
    if parameter.kind == "choice" and isinstance(value, str) and value in parameter.choices:
        return value
    if parameter.kind == "sizes" and isinstance(value, int | str) and not isinstance(value, bool):
        parts = [part.strip() for part in str(value).split(",")]
        whole = all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts) and len(parts) <= SIZES_MAX
        if whole and all(parameter.low <= int(part) <= parameter.high for part in parts):
            return ",".join(str(int(part)) for part in parts)
    if parameter.kind in ("int", "float") and isinstance(value, int | float) and not isinstance(value, bool):
        whole = isinstance(value, int) or value.is_integer()
        if parameter.low <= value <= parameter.high and (parameter.kind == "float" or whole):
            return float(value) if parameter.kind == "float" else int(value)
    raise Refused(
        "E-PARAMETER",
        f"{family} cannot use {parameter.name} = {quoted(str(value))}: give {allowed(parameter)}",
    )


def allowed(parameter: Parameter) -> str:
    """Return in words what may be given."""
    if parameter.kind == "bool":
        text = "true or false"
    elif parameter.kind == "choice":
        text = " or ".join(parameter.choices)
    elif parameter.kind == "sizes":
        text = f"up to {SIZES_MAX} whole numbers from {parameter.low:g} to {parameter.high:g} with commas between"
    else:
        noun = "a whole number" if parameter.kind == "int" else "a number"
        text = f"{noun} from {parameter.low:g} to {parameter.high:g}"
    return f"{text}, or null" if parameter.optional else text
