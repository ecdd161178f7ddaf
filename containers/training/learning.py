"""From a family, its parameters and training rows to a fitted pipeline, with what the libraries had to say."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from containers.training.cards import PROCESSOR
from containers.training.checkpoints import Keeper, key_of
from containers.training.estimators import Size, found_by_fit
from containers.training.families import Family
from containers.training.figures import number
from containers.training.fitting import fit
from containers.training.folds import deal
from containers.training.frame import Frame, Integers, is_date_column, is_number_column
from containers.training.manifest import code_digest, versions
from containers.training.onlook import Onlook
from containers.training.parameters import Value
from containers.training.pipeline import build, many_valued, settle
from containers.training.progress import Progress
from containers.training.rounds import NETWORKS
from containers.training.splits import Way

FIT_WARNINGS_MAX = 5
DEVELOPER_WARNINGS = (FutureWarning, DeprecationWarning, PendingDeprecationWarning)
"""What libraries tell programmers about their own future; no user can act on it."""
FEW_VALUES = re.compile(r"Bins whose width are too small|Feature \d+ is constant and will be replaced")
"""What scikit-learn says of a column with few values or one; it has fewer bins then, which is right."""


class Ground(NamedTuple):
    """What is learnt from, and how."""

    frame: Frame
    task: str
    seed: int
    threads: int
    """−1 means all."""
    way: Way | None = None
    """How rows are held out, where parameters are to be found on rows held out in the same way."""


class Fitted(NamedTuple):
    """A pipeline ready to answer."""

    pipeline: Pipeline
    notes: list[str]
    found: dict[str, float]
    """Parameters that the fit found by itself."""
    computed_on: str
    """``cards.PROCESSOR`` or ``cards.CARD``."""


def unfitted(ground: Ground, rows: Integers, family: Family, parameters: Mapping[str, Value]) -> Pipeline:
    """Return the pipeline of a family for these rows."""
    frame = ground.frame
    numbers, dates, categories = _kinds(frame)
    target = frame.target[rows]
    smallest = int(min(n for n in np.bincount(target.astype(np.int64)) if n)) if frame.classes else len(rows)
    return build(
        family,
        ground.task,
        parameters,
        numbers,
        categories,
        size=Size(len(rows), smallest, _folds(ground, rows)),
        many=many_valued(frame.features, rows, categories, family),
        dates=dates,
        classes=len(frame.classes),
        seed=ground.seed,
        threads=ground.threads,
    )


def _folds(ground: Ground, rows: Integers) -> list[tuple[Integers, Integers]]:
    """Return places in ``rows`` to learn from and to judge on, by group or by time; none where rows go at random."""
    way = ground.way
    if way is None or (way.group is None and way.time is None):
        return []
    return [
        (np.searchsorted(rows, fold.train), np.searchsorted(rows, fold.test)) for fold in deal(ground.frame, rows, way)
    ]


def _kinds(frame: Frame) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the columns of numbers, of dates and of texts, each in the frame's order."""
    names = [str(n) for n in frame.features.columns]
    numbers = [n for n in names if is_number_column(frame.features, n)]
    dates = [n for n in names if is_date_column(frame.features, n)]
    known = {*numbers, *dates}
    return numbers, dates, [n for n in names if n not in known]


def fit_noted(
    ground: Ground,
    rows: Integers,
    family: Family,
    parameters: Mapping[str, Value],
    progress: Progress,
    about: Mapping[str, Any],
    checkpoint: Path | None,
    beside: Mapping[str, bytes] = {},
    held_out: Integers | None = None,
) -> Fitted:
    """Fit a family on ``rows``; ``about`` is what a checkpoint must have in common with it. Raises ``Interrupted``.

    ``beside`` is what each checkpoint holds besides the fit. ``held_out`` are rows that look on while a network learns.
    """
    frame = ground.frame
    numbers, dates, categories = _kinds(frame)
    kinds = f"{len(numbers)} numeric and {len(categories)} category columns" + (
        f", {len(dates)} of dates" if dates else ""
    )
    progress.stage("fit", f"{family.name} on {len(rows):,} rows, {kinds}")
    key = key_of(
        {
            **about,
            "family": family.name,
            "parameters": dict(parameters),
            "seed": ground.seed,
            "columns": [str(n) for n in frame.features.columns],
            "rows": len(rows),
            "versions": versions(family.library),
            "code": code_digest(),
        }
    )
    keeper = Keeper(checkpoint, key, progress, beside=beside)
    pipeline = unfitted(ground, rows, family, parameters)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        onlook = Onlook(frame, rows, held_out) if held_out is not None and family.name in NETWORKS else None
        fit(pipeline, family, frame.features, frame.target[rows], keeper, rows, onlook)
    notes = sentences(raised)
    for note in notes:
        progress.say(f"note: {note}")
    found = found_by_fit(pipeline.named_steps["model"])
    for name, value in found.items():
        progress.say(f"{name} {number(value)} was found by cross-validation")
    return Fitted(settle(pipeline), notes, found, keeper.computed_on or PROCESSOR)


def sentences(raised: list[warnings.WarningMessage]) -> list[str]:
    """Return what libraries warned of, for people, each once."""
    told = (
        w for w in raised if not issubclass(w.category, DEVELOPER_WARNINGS) and not FEW_VALUES.match(str(w.message))
    )
    return list(dict.fromkeys(map(_sentence, told)))[:FIT_WARNINGS_MAX]


def _sentence(warning: warnings.WarningMessage) -> str:
    if warning.category.__name__ == "ConvergenceWarning":
        return "The fit stopped before it had settled; a higher max_iter or other parameters may do better."
    lines = str(warning.message).strip().splitlines() or ["something unnamed"]
    return f"The fit reported: {lines[0][:200]}"
