"""The kinds of model, by name: their tasks and parameters. Standard library only.

Inspection checks names and values here before any money is spent; ``pipeline`` builds the estimators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from containers.training.refusal import Refused, listed, nearest, quoted

CLASSIFICATION = "classification"
REGRESSION = "regression"
AUTO = "auto"

AUTO_TREES_ROWS_MIN = 200
"""From so many rows on ``auto`` takes boosted trees; with fewer, a linear model overfits less."""

Value = bool | int | float | str | None


class Parameter(NamedTuple):
    """One setting of a family: its type, inclusive range and default."""

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: Value
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether ``null`` is allowed, meaning no limit."""


class Family(NamedTuple):
    """One kind of model."""

    name: str
    text: str
    tasks: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    linear: bool = False
    """Whether numbers are scaled and categories one-hot encoded."""
    uses_gpu: bool = False


_DEPTH = Parameter("max_depth", "int", None, 1, 200, optional=True)

FAMILIES: dict[str, Family] = {
    f.name: f
    for f in (
        Family(
            "linear", "least squares", (REGRESSION,), (Parameter("fit_intercept", "bool", default=True),), linear=True
        ),
        Family(
            "ridge",
            "least squares with shrinkage",
            (REGRESSION,),
            (Parameter("alpha", "float", 1.0, 1e-9, 1e9), Parameter("fit_intercept", "bool", default=True)),
            linear=True,
        ),
        Family(
            "logistic",
            "logistic regression",
            (CLASSIFICATION,),
            (
                Parameter("C", "float", 1.0, 1e-9, 1e9),
                Parameter("max_iter", "int", 1000, 1, 100_000),
                Parameter("class_weight", "choice", None, choices=("balanced",), optional=True),
            ),
            linear=True,
        ),
        Family(
            "random_forest",
            "many decision trees, averaged",
            (CLASSIFICATION, REGRESSION),
            (
                Parameter("n_estimators", "int", 200, 1, 5000),
                _DEPTH,
                Parameter("min_samples_leaf", "int", 1, 1, 100_000),
                Parameter("max_features", "float", None, 0.01, 1.0, optional=True),
            ),
        ),
        Family(
            "hist_gradient_boosting",
            "boosted decision trees on histograms",
            (CLASSIFICATION, REGRESSION),
            (
                Parameter("learning_rate", "float", 0.1, 1e-4, 1.0),
                Parameter("max_iter", "int", 100, 1, 10_000),
                Parameter("max_leaf_nodes", "int", 31, 2, 4096, optional=True),
                _DEPTH,
                Parameter("min_samples_leaf", "int", 20, 1, 100_000),
                Parameter("l2_regularization", "float", 0.0, 0.0, 1e9),
            ),
        ),
    )
}
ALIASES = {"gradient_boosting": "hist_gradient_boosting"}
"""Other names that are understood."""


def model_names() -> tuple[str, ...]:
    """Return every name that may be asked for, ``auto`` first."""
    return (AUTO, *FAMILIES, *ALIASES)


def check_model(model: str) -> None:
    """Refuse a model name that is not known (E-MODEL-UNKNOWN)."""
    if model in model_names():
        return
    like = nearest(model, model_names())
    fix = f"did you mean {like}?" if like else f"choose one of {', '.join(model_names())}"
    raise Refused("E-MODEL-UNKNOWN", f"There is no model {quoted(model)}: {fix}")


def tasks_of(model: str) -> tuple[str, ...]:
    """Return the tasks a known model name can do."""
    if model == AUTO:
        return (CLASSIFICATION, REGRESSION)
    return FAMILIES[ALIASES.get(model, model)].tasks


def models_for(task: str) -> tuple[str, ...]:
    """Return the families that can do ``task``."""
    return tuple(f.name for f in FAMILIES.values() if task in f.tasks)


def resolve(model: str, task: str, rows: int) -> Family:
    """Return the family a known model name stands for; ``auto`` goes by task and number of usable rows."""
    if model != AUTO:
        return FAMILIES[ALIASES.get(model, model)]
    if rows >= AUTO_TREES_ROWS_MIN:
        return FAMILIES["hist_gradient_boosting"]
    return FAMILIES["logistic" if task == CLASSIFICATION else "ridge"]


def complete_parameters(family: Family, given: Mapping[str, object]) -> dict[str, Value]:
    """Return every parameter of ``family`` with the given or default value; raises E-PARAMETER."""
    known = {p.name: p for p in family.parameters}
    for name in given:
        if name not in known:
            like = nearest(name, known)
            fix = f"did you mean {like}?" if like else f"it has {listed(known)}"
            raise Refused("E-PARAMETER", f"{family.name} has no parameter {quoted(name)}: {fix}")
    return {p.name: _checked(family, p, given[p.name]) if p.name in given else p.default for p in family.parameters}


def _checked(family: Family, parameter: Parameter, value: object) -> Value:
    if value is None and parameter.optional:
        return None
    if parameter.kind == "bool" and isinstance(value, bool):
        return value
    if parameter.kind == "choice" and isinstance(value, str) and value in parameter.choices:
        return value
    if parameter.kind in ("int", "float") and isinstance(value, int | float) and not isinstance(value, bool):
        whole = isinstance(value, int) or value.is_integer()
        if parameter.low <= value <= parameter.high and (parameter.kind == "float" or whole):
            return float(value) if parameter.kind == "float" else int(value)
    raise Refused(
        "E-PARAMETER",
        f"{family.name} cannot use {parameter.name} = {quoted(str(value))}: give {_allowed(parameter)}",
    )


def _allowed(parameter: Parameter) -> str:
    if parameter.kind == "bool":
        text = "true or false"
    elif parameter.kind == "choice":
        text = " or ".join(parameter.choices)
    else:
        noun = "a whole number" if parameter.kind == "int" else "a number"
        text = f"{noun} from {parameter.low:g} to {parameter.high:g}"
    return f"{text}, or null" if parameter.optional else text
