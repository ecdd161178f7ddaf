"""Whether an order can be carried out at all, as far as that is known without its file: model, task, parameters, names.

Inspection asks this first, and ``lastcall train`` before it sends anything. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from containers.training.families import (
    AUTO,
    candidates,
    check_model,
    complete_parameters,
    models_for,
    tasks_of,
)
from containers.training.refusal import Refused, listed, nearest, quoted

CHOICES_SHOWN = 4
"""Models named where another is to be chosen."""


def check_kind(model: str, task: str, parameters: Mapping[str, object]) -> None:
    """Refuse what fits no file (E-MODEL-UNKNOWN, E-TASK, E-PARAMETER)."""
    check_model(model)
    tasks = tasks_of(model)
    if task != AUTO and task not in tasks:
        raise Refused("E-TASK", f"Model {model} cannot do {task}: use {choices(task)}")
    if model != AUTO:
        complete_parameters(candidates(model, tasks[0])[0], parameters)
    elif parameters:
        raise Refused("E-PARAMETER", "auto chooses among kinds of model with their defaults: name the model you mean")


def check_features(features: Sequence[str], target: str) -> None:
    """Refuse features that name nothing to learn from, or the target (E-FEATURES)."""
    if not features:
        raise Refused("E-FEATURES", "The list of features is empty: name at least one column, or leave it out")
    if target in features:
        raise Refused("E-FEATURES", f"{quoted(target)} is the target: leave it out of the features")


def check_columns(names: Sequence[str], target: str, features: Sequence[str], split_by: str | None) -> None:
    """Refuse names that are none of the file's columns (E-CSV-TARGET, E-SPLIT, E-FEATURES)."""
    known = set(names)
    if target not in known:
        raise no_target(target, names)
    if split_by is not None and split_by not in known:
        raise no_splitter(split_by, names)
    for feature in features:
        if feature not in known:
            raise no_feature(feature, names, target)


def no_target(name: str, names: Sequence[str]) -> Refused:
    """Return what is said of a target that is no column."""
    like = nearest(name, names)
    fix = f"did you mean {quoted(like)}?" if like else f"the last column is {quoted(names[-1])}"
    return Refused("E-CSV-TARGET", f"There is no column {quoted(name)} in the file: {fix}")


def no_feature(name: str, names: Sequence[str], target: str) -> Refused:
    """Return what is said of a feature that is no column."""
    like = nearest(name, [n for n in names if n != target])
    fix = f"did you mean {quoted(like)}?" if like else f"the file has {listed(names)}"
    return Refused("E-FEATURES", f"There is no column {quoted(name)} to learn from: {fix}")


def no_splitter(name: str, names: Sequence[str]) -> Refused:
    """Return what is said of a column to split by that is none."""
    like = nearest(name, names)
    fix = f"did you mean {quoted(like)}?" if like else "name a column of the file"
    return Refused("E-SPLIT", f"There is no column {quoted(name)} to split by: {fix}")


def choices(task: str) -> str:
    """Return in words which models can do ``task``."""
    names = models_for(task)
    return f"model {AUTO}, {', '.join(names[:CHOICES_SHOWN])} or another of {len(names)} with task {task}"
