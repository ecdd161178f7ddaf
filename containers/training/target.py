"""What can be learnt from a surveyed file: the task, the features, what to warn of, and what to refuse.

Task ``auto``: text is classes; numbers are classes when there are at most two of them, or when they are whole, at
most ``AUTO_CLASSES_MAX`` different and seen ``AUTO_ROWS_PER_CLASS`` times each on average; else numbers are numbers.
A model that can do one task only decides where the target allows both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from containers.training.asked_order import check_features, check_kind, choices, no_feature, no_target
from containers.training.asked_split import check_split
from containers.training.cautions import cautions, labels, stranger
from containers.training.families import (
    AUTO,
    CLASSIFICATION,
    IMAGE_ONLY,
    REGRESSION,
    Family,
    candidates,
    check_size,
    complete_parameters,
    tasks_of,
)
from containers.training.libraries import is_missing
from containers.training.parameters import Value
from containers.training.profile import Survey
from containers.training.refusal import Refused, listed, quoted
from containers.training.tally import Tally

ROWS_MIN = 10
"""Fewest rows with a target that can be split and learnt from."""
AUTO_CLASSES_MAX = 20
AUTO_ROWS_PER_CLASS = 10
TARGET_MAX = 1e100
"""Largest amount that is learnt to predict: the squares of many add up to a number."""
CLASSES_MAX = 100
"""Most classes a model is trained for."""
WARNINGS_MAX = 20


class Question(NamedTuple):
    """What is asked of the data."""

    target: str
    model: str = AUTO
    task: str = AUTO
    features: tuple[str, ...] | None = None
    parameters: Mapping[str, object] = {}
    group: str | None = None
    """Column whose equal values stay on one side of the split."""
    time: str | None = None
    """Column by whose last values rows are held out."""


class Check(NamedTuple):
    """What was found possible."""

    task: str
    rows_usable: int
    classes: int | None
    features: tuple[str, ...]
    warnings: tuple[str, ...]
    library_missing: str | None
    """A library the model needs that is not on this computer."""
    family: Family
    """For ``auto`` the first candidate, until the rows have chosen."""
    parameters: dict[str, Value]
    image_library: str | None = None
    """A library the model needs that no job can bring: its machine's image has it, or it cannot run there."""
    candidates: tuple[Family, ...] = ()
    """What ``auto`` chooses among; else nothing."""

    def json(self) -> dict[str, Any]:
        """Return what inspection answers with."""
        return {
            "task": self.task,
            "rows_usable": self.rows_usable,
            "classes": self.classes,
            "features": list(self.features),
            "warnings": list(self.warnings),
            "library_missing": self.library_missing,
            "image_library": self.image_library,
        }


def check_rows(found: Survey) -> None:
    """Refuse a file too short to train on, whatever the target (E-CSV-ROWS)."""
    if found.rows < ROWS_MIN:
        rows = "1 row" if found.rows == 1 else f"{found.rows} rows"
        raise Refused("E-CSV-ROWS", f"The file has {rows} below its header: send at least {ROWS_MIN}")


def check(found: Survey, question: Question) -> Check:
    """Decide what to train, or refuse with E-MODEL-UNKNOWN, E-FEATURES, E-CSV-…, E-TASK, E-PARAMETER
    or E-MODEL-SIZE; how the file was read is told then too, as it may be why."""
    try:
        return _check(found, question)
    except Refused as refusal:
        raise Refused(refusal.code, ". ".join((refusal.detail, *found.notes))) from None


def _check(found: Survey, question: Question) -> Check:
    check_kind(question.model, question.task, question.parameters)
    check_rows(found)
    target = find_target(found, question.target)
    by = check_split(found, target.name, question.group, question.time)
    features = choose_features(found, target.name, question.features, by)
    _check_values(found, target, features)
    task = choose_task(found, target, question)
    classes = _classes(found, target) if task == CLASSIFICATION else None
    if task == REGRESSION and target.greatest > TARGET_MAX:
        raise Refused(
            "E-TASK",
            f"{quoted(target.name)} holds numbers as far from 0 as {target.greatest:g}, whose squares no score can be "
            "made of: correct these cells or empty them, rows without a target are left out",
        )
    family, *others = candidates(question.model, task)
    parameters = complete_parameters(family, question.parameters)
    number_count = sum(c.kind == "number" for c in found.columns if c.name in set(features))
    smallest = min(labels(found, target).values(), default=None) if task == CLASSIFICATION else None
    check_size(family, parameters, target.values, number_count, smallest)
    is_split = by is not None
    warnings = tuple(cautions(found, target, features, task, is_split=is_split))[:WARNINGS_MAX]
    lacking = family.library if is_missing(family.library) else None
    by_image = family.library if family.library in IMAGE_ONLY else None
    tried = (family, *others) if others else ()
    return Check(task, target.values, classes, features, warnings, lacking, family, parameters, by_image, tried)


def find_target(found: Survey, name: str) -> Tally:
    """Return the target column; raises E-CSV-TARGET with the name most like it."""
    for tally in found.columns:
        if tally.name == name:
            return tally
    raise no_target(name, [c.name for c in found.columns])


def choose_features(
    found: Survey, target: str, asked: Sequence[str] | None, without: str | None = None
) -> tuple[str, ...]:
    """Return the columns to learn from: those asked for, or all but the target and ``without`` (E-FEATURES)."""
    names = [c.name for c in found.columns]
    if asked is None:
        return tuple(n for n in names if n not in (target, without))
    features = tuple(dict.fromkeys(name.strip() for name in asked))
    check_features(features, target)
    known = set(names)
    for name in features:
        if name not in known:
            raise no_feature(name, names, target)
    return features


def _check_values(found: Survey, target: Tally, features: Sequence[str]) -> None:
    for tally in found.columns:
        if tally.kind == "empty" and (tally is target or tally.name in set(features)):
            fix = "choose another target" if tally is target else "remove it or leave it out of the features"
            raise Refused("E-CSV-ALLMISSING", f"Column {quoted(tally.name)} has no value in any row: {fix}")
    used = [tally for tally in found.columns if tally.name in set(features)]
    if used and all(tally.distinct == 1 and not tally.missing for tally in used):
        raise Refused(
            "E-FEATURES",
            f"Every feature is the same in every row ({listed([tally.name for tally in used])}): "
            "send columns that differ from row to row, as nothing can be learnt from these",
        )
    if target.values < ROWS_MIN:
        raise Refused(
            "E-CSV-ROWS",
            f"Only {target.values} of {found.rows:,} rows have a value in {quoted(target.name)}: "
            f"send at least {ROWS_MIN} such rows",
        )
    if target.distinct == 1:
        raise Refused(
            "E-CSV-ONECLASS",
            f"{quoted(target.name)} is {quoted(target.example)} in every row: choose another target "
            "or add rows with other values",
        )


def choose_task(found: Survey, target: Tally, question: Question) -> str:
    """Return ``classification`` or ``regression``; raises E-TASK where model, task and target do not fit."""
    if target.kind == "date":
        raise Refused(
            "E-TASK",
            f"{quoted(target.name)} holds dates such as {quoted(target.example)}, which are no amount and no classes: "
            "add a column with the days since a fixed day, or with a class such as the month, and choose that",
        )
    tasks = tasks_of(question.model)
    asked = question.task
    if target.kind != "number":
        return _text_task(found, target, question, tasks)
    if asked == AUTO:
        asked = tasks[0] if len(tasks) == 1 else _natural(found, target)
    if asked == CLASSIFICATION and (target.distinct is None or target.distinct > CLASSES_MAX):
        many = "more than 1,000" if target.distinct is None else str(target.distinct)
        raise Refused(
            "E-TASK",
            f"{quoted(target.name)} holds {many} different numbers, too many to be classes (at most {CLASSES_MAX}): "
            f"use {choices(REGRESSION)}",
        )
    return asked


def _text_task(found: Survey, target: Tally, question: Question, tasks: Sequence[str]) -> str:
    too_many = target.distinct is None or target.distinct > CLASSES_MAX
    strange = stranger(found, target)
    if strange and (too_many or question.task == REGRESSION):
        raise Refused("E-TASK", f"{strange}: correct these cells or empty them, rows without a target are left out")
    if CLASSIFICATION not in tasks or question.task == REGRESSION:
        raise Refused(
            "E-TASK",
            f"{quoted(target.name)} holds text such as {quoted(target.text_example or target.example)}, not numbers: "
            f"use {choices(CLASSIFICATION)}",
        )
    if too_many:
        many = "more than 1,000" if target.distinct is None else str(target.distinct)
        raise Refused(
            "E-TASK",
            f"{quoted(target.name)} holds {many} different texts, at most {CLASSES_MAX} classes can be learnt: "
            "choose another target",
        )
    return CLASSIFICATION


def _natural(found: Survey, target: Tally) -> str:
    """Return the task a column of numbers suggests by itself."""
    values = {float(v) for v in labels(found, target)}
    if not values:
        return REGRESSION
    whole = all(v.is_integer() for v in values) and len(values) <= AUTO_CLASSES_MAX
    if len(values) <= 2 or (whole and target.values >= AUTO_ROWS_PER_CLASS * len(values)):
        return CLASSIFICATION
    return REGRESSION


def _classes(found: Survey, target: Tally) -> int:
    """Return the number of classes; refuse a target with fewer than two that can be both learnt and tested."""
    rows = labels(found, target)
    testable = [label for label, count in rows.items() if count > 1]
    if len(testable) < 2:
        most = quoted(str(max(rows, key=lambda label: rows[label])))
        raise Refused(
            "E-CSV-ONECLASS",
            f"{quoted(target.name)} has fewer than two values that stand in more than one row (most often {most}): "
            "add rows with other values",
        )
    return len(rows)
