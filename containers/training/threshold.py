"""From which probability on the class that is looked for is answered: 0.5, and what would find it best.

The other threshold is the one with the best F1 on training rows that were predicted by models that had not seen them
(three folds, of whole groups where rows are split by group), never on the held-out rows: what is chosen there is
praised there.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import precision_recall_curve

from containers.training.frame import Floats, Integers
from containers.training.scoring import THRESHOLD, Truth, at_threshold

FOLDS = 3
ROWS_MAX = 3000
"""Training rows the folds are made of, a seeded choice where there are more: enough for a threshold."""
EACH_MIN = 10
"""Rows of each class below which no threshold is chosen."""


def thresholds(
    pipeline: Any,
    features: pd.DataFrame,
    train: Truth,
    test: Truth,
    answers: Floats,
    seed: int,
    groups: Integers | None = None,
) -> dict[str, Any]:
    """Return what both thresholds reach on the held-out rows; ``features`` are the training rows, ``groups`` theirs.

    ``best_f1`` is ``None`` where a class has under ``EACH_MIN`` training rows, or stands in too few groups.
    """
    hit, chance = test.values == test.positive, answers[:, test.positive]
    rows = _some(train, seed)
    known, beside = train._replace(values=train.values[rows]), None if groups is None else groups[rows]
    chosen = _choose(pipeline, features.iloc[rows], known, seed, beside)
    return {
        "default": {"threshold": THRESHOLD, **at_threshold(hit, np.argmax(answers, axis=1) == test.positive)},
        "best_f1": None if chosen is None else {"threshold": chosen, **at_threshold(hit, chance >= chosen)},
        "chosen_on": len(rows),
        "folds": FOLDS,
    }


def _some(train: Truth, seed: int) -> Integers:
    """Return at most ``ROWS_MAX`` rows, each class by its share."""
    if len(train.values) <= ROWS_MAX:
        return np.arange(len(train.values))
    draw = np.random.default_rng(seed)
    parts = []
    for label in (0, 1):
        rows = np.flatnonzero(train.values == label)
        count = max(min(EACH_MIN, len(rows)), round(ROWS_MAX * len(rows) / len(train.values)))
        parts.append(draw.choice(rows, min(count, len(rows)), replace=False))
    return np.sort(np.concatenate(parts))


def _folds(hit: Any, seed: int, groups: Integers | None) -> Integers:
    """Return a fold for each row: classes by their shares, or groups whole."""
    draw = np.random.default_rng(seed)
    if groups is not None:
        labels, number = np.unique(groups, return_inverse=True)
        by_group: Integers = (draw.permutation(len(labels)) % FOLDS)[number]
        return by_group
    fold = np.empty(len(hit), dtype=np.int64)
    for side in (hit, ~hit):
        rows = draw.permutation(np.flatnonzero(side))
        fold[rows] = np.arange(len(rows)) % FOLDS
    return fold


def _choose(pipeline: Any, features: pd.DataFrame, train: Truth, seed: int, groups: Integers | None) -> float | None:
    hit = train.values == train.positive
    if min(np.count_nonzero(hit), np.count_nonzero(~hit)) < EACH_MIN:
        return None
    fold = _folds(hit, seed, groups)
    if any(len(np.unique(hit[fold != number])) < 2 for number in range(FOLDS)):
        return None
    chance = np.empty(len(hit))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit on all rows has told what there is to tell
        for number in range(FOLDS):
            held = fold == number
            model = clone(pipeline).fit(features.iloc[~held], train.values[~held])
            column = list(model.classes_).index(train.positive)
            chance[held] = model.predict_proba(features.iloc[held])[:, column]
    precision, recall, steps = precision_recall_curve(hit, chance)
    both = precision[:-1] + recall[:-1]
    f1 = np.where(both > 0, 2 * precision[:-1] * recall[:-1] / np.maximum(both, 1e-12), 0.0)
    return float(steps[int(np.argmax(f1))])
