"""Metrics of predictions, and what guessing would have answered.

Headline: RMSE for regression; ROC AUC for two classes, average precision where the one looked for has under 20 % of
the rows; macro F1 for more classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics as sk

from containers.training.frame import Floats, Integers

RARE_POSITIVES = 0.2
"""Share of the class looked for under which average precision says more than ROC AUC; of a class that nearly every row
has it is near 1 whatever the model."""
THRESHOLD = 0.5
"""Of two classes, the one looked for is answered from this probability on."""
TOP = 3
"""Classes among which the right one is looked for, where there are more."""

ERRORS = frozenset({"rmse", "mae", "median_ae", "max_error", "mape", "log_loss", "brier"})
"""Metrics that are better when smaller."""
OPTIONAL = frozenset({"mape", "roc_auc_ovr"})
"""Metrics that some data do not have: left out where they are no number."""

Scores = dict[str, float]


class Truth(NamedTuple):
    """What predictions are compared with."""

    values: Floats | Integers
    classes: int
    """Number of classes; 0 for regression."""
    positive: int = 1
    """Index of the class that is looked for, of two."""


def headline_metric(truth: Truth) -> str:
    """Return the metric that speaks first, from all rows of the target."""
    if not truth.classes:
        return "rmse"
    if truth.classes > 2:
        return "f1_macro"
    share = float(np.mean(truth.values == truth.positive))
    return "average_precision" if share < RARE_POSITIVES else "roc_auc"


def scores(truth: Truth, answers: Floats) -> Scores:
    """Return every metric of the task. ``answers`` are values, or one probability per class."""
    if not truth.classes:
        found = _of_values(truth.values, answers)
    else:
        guess = np.argmax(answers, axis=1)
        found = _of_two(truth, answers, guess) if truth.classes == 2 else _of_many(truth, answers, guess)
    return {name: value for name, value in found.items() if name not in OPTIONAL or math.isfinite(value)}


def _of_values(y: Any, answers: Any) -> Scores:
    error = answers - y
    size = np.abs(error)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        spread = float(np.sum((y - np.mean(y)) ** 2))
        r2 = 1 - float(np.sum(error**2)) / spread if spread else (1.0 if not np.any(error) else 0.0)
        return {
            "rmse": float(np.sqrt(np.mean(error**2))),
            "mae": float(np.mean(size)),
            "median_ae": float(np.median(size)),
            "max_error": float(np.max(size)),
            "mape": float(np.mean(size / np.abs(y))) if np.all(y) else math.nan,
            "r2": r2,
        }


def _of_two(truth: Truth, answers: Floats, guess: Any) -> Scores:
    y = truth.values
    hit, chance = y == truth.positive, answers[:, truth.positive]
    return {
        "roc_auc": _ranked(area, hit, chance),
        "average_precision": _ranked(sk.average_precision_score, hit, chance),
        "balanced_accuracy": _balanced(y, guess),
        "accuracy": float(np.mean(guess == y)),
        **at_threshold(hit, guess == truth.positive),
        "log_loss": float(sk.log_loss(y, answers, labels=[0, 1])),
        "brier": float(np.mean((chance - hit) ** 2)),
    }


def _of_many(truth: Truth, answers: Floats, guess: Any) -> Scores:
    y = truth.values
    found = {
        "f1_macro": float(sk.f1_score(y, guess, average="macro", zero_division=0)),
        "balanced_accuracy": _balanced(y, guess),
        "accuracy": float(np.mean(guess == y)),
        "log_loss": float(sk.log_loss(y, answers, labels=list(range(truth.classes)))),
        "roc_auc_ovr": _against_rest(truth, answers),
    }
    if truth.classes > TOP:
        own = answers[np.arange(len(y)), y]
        found["top_3"] = float(np.mean(np.sum(answers > own[:, None], axis=1) < TOP))
    return found


def _balanced(y: Any, guess: Any) -> float:
    return float(sk.recall_score(y, guess, labels=np.unique(y), average="macro", zero_division=0))


def _against_rest(truth: Truth, answers: Floats) -> float:
    """Return the mean ROC AUC of the classes that are there, each against all others."""
    areas = [_ranked(area, truth.values == label, answers[:, label]) for label in range(truth.classes)]
    known = [area for area in areas if math.isfinite(area)]
    return float(np.mean(known)) if known else math.nan


def at_threshold(hit: Any, called: Any) -> Scores:
    """Return precision, recall and F1 of rows called the class that is looked for; 0 where nothing is to be counted."""
    right = int(np.count_nonzero(hit & called))
    wrong, missed = int(np.count_nonzero(called)) - right, int(np.count_nonzero(hit)) - right
    return {
        "precision": right / (right + wrong) if right + wrong else 0.0,
        "recall": right / (right + missed) if right + missed else 0.0,
        "f1": 2 * right / (2 * right + wrong + missed) if right + wrong + missed else 0.0,
    }


def confusion_counts(truth: Truth, answers: Floats) -> dict[str, int]:
    """Return how many rows of two classes are right and wrong, by what they are called."""
    hit, called = truth.values == truth.positive, np.argmax(answers, axis=1) == truth.positive
    pairs = {"true_positive": hit & called, "false_positive": ~hit & called}
    pairs |= {"false_negative": hit & ~called, "true_negative": ~hit & ~called}
    return {name: int(np.count_nonzero(rows)) for name, rows in pairs.items()}


def per_class(truth: Truth, answers: Floats, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return precision, recall, F1 and the number of rows of each class, in the classes' order."""
    guess = np.argmax(answers, axis=1)
    found = []
    for label, name in enumerate(names):
        hit = truth.values == label
        counted = at_threshold(hit, guess == label)
        found.append({"name": name, **counted, "support": int(np.count_nonzero(hit))})
    return found


def area(hit: Any, chance: Floats) -> float:
    """Return the area under the ROC curve: how often a hit is ranked before another row, ties counting half.

    From the sum of ranks (H. B. Mann and D. R. Whitney, 1947): a tenth of the time scikit-learn takes, which an
    interval of 200 resamples spends almost nothing else on.
    """
    hits = int(np.count_nonzero(hit))
    return float((rankdata(chance)[hit].sum() - hits * (hits + 1) / 2) / (hits * (len(hit) - hits)))


def _ranked(metric: Callable[..., float], hit: Any, chance: Floats) -> float:
    """Return a ranking metric, NaN where only one class is there to be ranked."""
    if hit.all() or not hit.any():
        return math.nan
    return float(metric(hit, chance))


def headline_score(name: str, truth: Truth, answers: Floats) -> float:
    """Return one headline metric, without the cost of the others."""
    match name:
        case "rmse":
            return float(np.sqrt(np.mean((answers - truth.values) ** 2)))
        case "roc_auc":
            return _ranked(area, truth.values == truth.positive, answers[:, truth.positive])
        case "average_precision":
            return _ranked(sk.average_precision_score, truth.values == truth.positive, answers[:, truth.positive])
        case _:
            return macro_f1(truth.values, np.argmax(answers, axis=1), truth.classes)


def counts(actual: Any, guess: Any, classes: int) -> Any:
    """Return the number of rows by actual class (down) and guessed class (across)."""
    return np.bincount(actual * classes + guess, minlength=classes * classes).reshape(classes, classes)


def macro_f1(y: Any, guess: Any, classes: int) -> float:
    """Return the mean F1 of the classes that are there or were guessed, from one table of counts."""
    table = counts(y, guess, classes)
    right, both = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    return float(np.mean(2 * right[both > 0] / both[both > 0]))


def guess(train: Truth, rows: int) -> Floats:
    """Return what guessing answers for ``rows`` rows: the training mean, or the training class shares."""
    if not train.classes:
        return np.full(rows, float(np.mean(train.values)))
    shares = np.bincount(train.values.astype(np.int64), minlength=train.classes) / len(train.values)
    return np.tile(shares, (rows, 1))
