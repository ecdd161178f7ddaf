"""How good a model is: a seeded split, metrics beside those of guessing, an interval, and a verdict in words.

Headline: RMSE for regression; ROC AUC for two classes, average precision where the rarer one has under 20 % of the
rows; macro F1 for more classes. *Guessing* is a model that always predicts the training mean or class shares.
*Times better* compares errors: RMSE itself, or one minus the score. On few held-out rows the interval alone is too
narrow (two rows put in the right order are a perfect score), so there a model must also beat its own answers dealt out
to the rows at random.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics as sk

from containers.training.families import CLASSIFICATION
from containers.training.frame import Floats, Integers
from containers.training.refusal import Refused

TEST_ROWS_MIN = 2
RARE_POSITIVES = 0.2
"""Share of the rarer class under which average precision says more than ROC AUC."""
POSITIVE_NAMES = frozenset({"1", "yes", "y", "true", "t", "positive", "pos", "sim", "s"})
"""Names of the class that is looked for, whichever is rarer."""
RESAMPLES = 200
RESAMPLE_CELLS_MAX = 10_000_000
"""Rows drawn over all resamples; big hold-outs get fewer resamples, their interval is narrow anyway."""
RESAMPLES_MIN = 50
TRAIN_ROWS_SCORED_MAX = 20_000
"""Training rows scored for the gap between training and held-out rows."""
DEALS = 199
"""Times the answers are dealt out at random."""
DEAL_ROWS_MAX = 1000
"""Held-out rows up to which they are; above, the interval is to be believed."""
LUCK_MAX = 0.025
"""Largest share of deals that may do as well as the model: what the 95 % interval leaves out on one side."""
TIE = 1e-12
"""Sums that differ by less, relatively, are equal: the order of adding made the difference."""
BETTER_MIN = 1.05
"""Times better than guessing below which a model is no better."""
TIMES_SHOWN_MAX = 20
"""From here on the ratio says more about how small the rest is than about the model."""
GAP_SCORE = 0.1
"""Difference of score between training and held-out rows that is called overfitting."""
GAP_ERROR = 1.5
"""The same for errors, as a ratio."""

LABELS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "f1_macro": "macro F1",
    "log_loss": "log loss",
}
ERRORS = frozenset({"rmse", "mae", "log_loss"})
"""Metrics that are better when smaller."""

Scores = dict[str, float]
Indexes = np.ndarray[Any, np.dtype[np.int64]]


class Truth(NamedTuple):
    """What predictions are compared with."""

    values: Floats | Integers
    classes: int
    """Number of classes; 0 for regression."""
    positive: int = 1
    """Index of the class that is looked for, of two."""


def split(target: Floats | Integers, task: str, test_share: float, seed: int) -> tuple[Indexes, Indexes]:
    """Return (training rows, test rows), seeded.

    Classes keep their shares; each class of two rows or more stands on both sides, a single row is for training.
    """
    draw = np.random.default_rng(seed)
    if task != CLASSIFICATION:
        order = draw.permutation(len(target))
        count = min(max(TEST_ROWS_MIN, round(test_share * len(target))), len(target) - 1)
        return np.sort(order[count:]), np.sort(order[:count])
    test: list[Indexes] = []
    for label in np.unique(target):
        rows = draw.permutation(np.flatnonzero(target == label))
        count = min(max(1, round(test_share * len(rows))), len(rows) - 1)
        test.append(rows[:count])
    chosen = np.sort(np.concatenate(test))
    return np.setdiff1d(np.arange(len(target)), chosen), chosen


def positive_class(classes: tuple[str, ...], target: Integers) -> int:
    """Return the index of the class that is looked for, of two: by its name, else the rarer, else the second."""
    named = [i for i, name in enumerate(classes) if name.casefold() in POSITIVE_NAMES]
    if len(named) == 1:
        return named[0]
    return 0 if np.count_nonzero(target == 0) < np.count_nonzero(target == 1) else 1


def headline_metric(truth: Truth) -> str:
    """Return the metric that speaks first, from all rows of the target."""
    if not truth.classes:
        return "rmse"
    if truth.classes > 2:
        return "f1_macro"
    share = float(np.mean(truth.values == truth.positive))
    return "average_precision" if min(share, 1 - share) < RARE_POSITIVES else "roc_auc"


def scores(truth: Truth, answers: Floats) -> Scores:
    """Return every metric of the task. ``answers`` are values, or one probability per class."""
    y = truth.values
    if not truth.classes:
        error = answers - y
        with np.errstate(over="ignore", invalid="ignore"):
            rmse = float(np.sqrt(np.mean(error**2)))
            spread = float(np.sum((y - np.mean(y)) ** 2))
            r2 = 1 - float(np.sum(error**2)) / spread if spread else (1.0 if not np.any(error) else 0.0)
        return {"rmse": rmse, "mae": float(np.mean(np.abs(error))), "r2": r2}
    guess = np.argmax(answers, axis=1)
    loss = float(sk.log_loss(y, answers, labels=list(range(truth.classes))))
    balanced = float(sk.recall_score(y, guess, labels=np.unique(y), average="macro", zero_division=0))
    if truth.classes > 2:
        macro = float(sk.f1_score(y, guess, average="macro", zero_division=0))
        return {"f1_macro": macro, "balanced_accuracy": balanced, "log_loss": loss}
    hit, chance = y == truth.positive, answers[:, truth.positive]
    return {
        "roc_auc": _ranked(sk.roc_auc_score, hit, chance),
        "average_precision": _ranked(sk.average_precision_score, hit, chance),
        "balanced_accuracy": balanced,
        "f1": float(sk.f1_score(hit, guess == truth.positive, zero_division=0)),
        "log_loss": loss,
    }


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
            return _ranked(sk.roc_auc_score, truth.values == truth.positive, answers[:, truth.positive])
        case "average_precision":
            return _ranked(sk.average_precision_score, truth.values == truth.positive, answers[:, truth.positive])
        case _:
            return _macro_f1(truth.values, np.argmax(answers, axis=1), truth.classes)


def _macro_f1(y: Any, guess: Any, classes: int) -> float:
    """Return the mean F1 of the classes that are there or were guessed, from one table of counts."""
    table = np.bincount(y * classes + guess, minlength=classes * classes).reshape(classes, classes)
    right, both = np.diag(table), table.sum(axis=0) + table.sum(axis=1)
    return float(np.mean(2 * right[both > 0] / both[both > 0]))


def interval(name: str, truth: Truth, answers: Floats, seed: int) -> tuple[float, float]:
    """Return the bootstrap 95 % interval of the headline on the held-out rows, seeded and bounded in work."""
    draw = np.random.default_rng(seed)
    rows = len(truth.values)
    times = max(RESAMPLES_MIN, min(RESAMPLES, RESAMPLE_CELLS_MAX // rows))
    found = np.empty(times)
    for i in range(times):
        pick = draw.integers(0, rows, rows)
        found[i] = headline_score(name, truth._replace(values=truth.values[pick]), answers[pick])
    low, high = np.nanpercentile(found, (2.5, 97.5)) if np.isfinite(found).any() else (math.nan, math.nan)
    return float(low), float(high)


def luck(truth: Truth, answers: Floats, seed: int) -> float:
    """Return how often answers dealt to the rows at random do as well as these, which count as one deal. Seeded.

    Where rows and target have nothing to do with each other it is below any share at most that often, however few
    the rows (a permutation test). Judged by squared error, by the order of two classes, or by macro F1.
    """
    draw = np.random.default_rng(seed)
    hands = np.vstack((np.arange(len(answers)), draw.permuted(np.tile(np.arange(len(answers)), (DEALS, 1)), axis=1)))
    y = truth.values
    if not truth.classes:
        found = -np.sum((answers[hands] - y) ** 2, axis=1)
    elif truth.classes == 2:
        found = np.sum(rankdata(answers[:, truth.positive])[hands[:, y == truth.positive]], axis=1)
    else:
        guesses = np.argmax(answers, axis=1)
        found = np.array([_macro_f1(y, guesses[hand], truth.classes) for hand in hands])
    margin = TIE * max(1.0, float(np.max(np.abs(found))))
    return float(np.mean(found >= found[0] - margin))


def guess(train: Truth, rows: int) -> Floats:
    """Return what guessing answers for ``rows`` rows: the training mean, or the training class shares."""
    if not train.classes:
        return np.full(rows, float(np.mean(train.values)))
    shares = np.bincount(train.values.astype(np.int64), minlength=train.classes) / len(train.values)
    return np.tile(shares, (rows, 1))


def times_better(name: str, value: float, baseline: float) -> float:
    """Return how many times smaller the model's error is than that of guessing."""
    ours, theirs = (value, baseline) if name in ERRORS else (1 - value, 1 - baseline)
    if ours <= 0:
        return math.inf if theirs > 0 else 1.0
    return theirs / ours


def verdict(name: str, value: float, baseline: float, low: float, high: float, chance: float = 0.0) -> str:
    """Return one sentence on how the model compares with guessing; ``chance`` is its ``luck``."""
    times = times_better(name, value, baseline)
    if times < BETTER_MIN:
        return "no better than guessing: check the target"
    inside = high >= baseline if name in ERRORS else low <= baseline
    if inside:
        return "not clearly better than guessing: the interval includes it, more rows would tell"
    if chance > LUCK_MAX:
        return "not clearly better than guessing: so few held-out rows could show this by chance, more rows would tell"
    shown = f"{times:.1f}×" if times < TIMES_SHOWN_MAX else f"more than {TIMES_SHOWN_MAX}×"
    return f"{shown} better than guessing"


def gap(name: str, train: float, held_out: float) -> str:
    """Return a sentence when the model knows its training rows much better than new ones; else nothing."""
    wide = held_out > GAP_ERROR * train if name in ERRORS else train - held_out > GAP_SCORE
    if not wide:
        return ""
    return f"overfits: {LABELS[name]} {train:.3g} on the training rows, {held_out:.3g} on held-out rows"


class Measured(NamedTuple):
    """The whole judgement, as ``metrics.json`` holds it."""

    headline: str
    value: float
    document: dict[str, Any]


def measure(
    train: Truth, train_answers: Floats, test: Truth, test_answers: Floats, *, name: str, seed: int
) -> Measured:
    """Compare a model's answers on training and held-out rows with guessing.

    ``train_answers`` may cover only the first training rows. Raises E-METRICS where a metric is no finite number.
    """
    seen = train._replace(values=train.values[: len(train_answers)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn's notes on empty classes in a resample; NaN is judged below
        held_out = scores(test, test_answers)
        baseline = scores(test, guess(train, len(test.values)))
        trained = headline_score(name, seen, train_answers)
        low, high = interval(name, test, test_answers, seed)
        chance = luck(test, test_answers, seed) if len(test.values) <= DEAL_ROWS_MAX else 0.0
    value = held_out[name]
    bad = [LABELS[k] for k, v in {**held_out, name: low + high + trained}.items() if not math.isfinite(v)]
    if bad:
        raise Refused("E-METRICS", f"{', '.join(bad)} is no finite number: check the target for extreme values")
    document = {
        "schema": "metrics/v1",
        "headline": {
            "name": name,
            "label": LABELS[name],
            "value": value,
            "low": low,
            "high": high,
            "baseline": baseline[name],
            "train": trained,
            "higher_is_better": name not in ERRORS,
        },
        "verdict": verdict(name, value, baseline[name], low, high, chance),
        "gap": gap(name, trained, value),
        "held_out": held_out,
        "baseline": {k: v for k, v in baseline.items() if math.isfinite(v)},
    }
    return Measured(name, value, document)
