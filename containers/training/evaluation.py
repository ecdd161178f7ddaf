"""How good a model is: metrics beside those of guessing, an interval, and a verdict in words.

*Guessing* is a model that always predicts the training mean or class shares.
*Times better* compares errors: RMSE itself, or one minus the score. On few held-out rows the interval alone is too
narrow (two rows put in the right order are a perfect score), so there a model must also beat its own answers dealt out
to the rows at random.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from containers.training.figures import LABELS, score
from containers.training.frame import Floats, Integers
from containers.training.refusal import Refused
from containers.training.resampling import interval, luck
from containers.training.scoring import (
    ERRORS,
    Truth,
    confusion_counts,
    guess,
    headline_score,
    per_class,
    scores,
)

POSITIVE_NAMES = frozenset({"1", "yes", "y", "true", "t", "positive", "pos", "sim", "s"})
"""Names of the class that is looked for, whichever is rarer."""
TRAIN_ROWS_SCORED_MAX = 20_000
"""Training rows scored for the gap between training and held-out rows."""
LUCK_MAX = 0.025
"""Largest share of deals that may do as well as the model: what the 95 % interval leaves out on one side."""
BETTER_MIN = 1.05
"""Times better than guessing below which a model is no better."""
TIMES_SHOWN_MAX = 20
"""From here on the ratio says more about how small the rest is than about the model. Where nothing is left of it, the
interval's worse end is asked."""
GAP_SCORE = 0.1
"""Difference of score between training and held-out rows that is called overfitting."""
GAP_ERROR = 1.5
"""The same for errors, as a ratio."""


def positive_class(classes: tuple[str, ...], target: Integers) -> int:
    """Return the index of the class that is looked for, of two: by its name, else the rarer, else the second."""
    named = [i for i, name in enumerate(classes) if name.casefold() in POSITIVE_NAMES]
    if len(named) == 1:
        return named[0]
    return 0 if np.count_nonzero(target == 0) < np.count_nonzero(target == 1) else 1


def times_better(name: str, value: float, baseline: float) -> float:
    """Return how many times smaller the model's error is than that of guessing."""
    ours, theirs = (value, baseline) if name in ERRORS else (1 - value, 1 - baseline)
    if ours <= 0:
        return math.inf if theirs > 0 else 1.0
    return theirs / ours


def verdict(
    name: str, value: float, baseline: float, low: float, high: float, chance: float = 0.0, drawn: str = "rows"
) -> str:
    """Return one sentence on how the model compares with guessing; ``chance`` is its ``luck``, ``drawn`` of what."""
    times = times_better(name, value, baseline)
    if times < BETTER_MIN:
        return "no better than guessing: check the target"
    inside = high >= baseline if name in ERRORS else low <= baseline
    if inside:
        return f"not clearly better than guessing: the interval includes it, more {drawn} would tell"
    if chance > LUCK_MAX:
        said = f"so few held-out {drawn} could show this by chance, more {drawn} would tell"
        return f"not clearly better than guessing: {said}"
    if math.isfinite(times):
        shown = f"{times:.1f}×" if times < TIMES_SHOWN_MAX else f"more than {TIMES_SHOWN_MAX}×"
        return f"{shown} better than guessing"
    least = times_better(name, high if name in ERRORS else low, baseline)
    shown = f"{TIMES_SHOWN_MAX}" if least >= TIMES_SHOWN_MAX else f"{math.floor(10 * least) / 10:.1f}"
    return f"faultless on the held-out rows: at least {shown}× better than guessing"


def gap(name: str, train: float, held_out: float) -> str:
    """Return a sentence when the model knows its training rows much better than new ones; else nothing."""
    wide = held_out > GAP_ERROR * train if name in ERRORS else train - held_out > GAP_SCORE
    if not wide:
        return ""
    return (
        f"overfits: {LABELS[name]} {score(name, train)} on the training rows, {score(name, held_out)} on held-out rows"
    )


class Measured(NamedTuple):
    """The whole judgement, as ``metrics.json`` holds it."""

    headline: str
    value: float
    document: dict[str, Any]


def measure(
    train: Truth,
    train_answers: Floats,
    test: Truth,
    test_answers: Floats,
    *,
    name: str,
    seed: int,
    classes: tuple[str, ...] = (),
    last_value: float | None = None,
    groups: Integers | None = None,
    stretches: Integers | None = None,
) -> Measured:
    """Compare a model's answers on training and held-out rows with guessing.

    ``train_answers`` may cover only the first training rows. Of rows in order of time, ``last_value`` is the target of
    the last training row: where repeating it errs less than the mean, that is what guessing is. ``groups`` has a number
    for each held-out row's group, where whole groups were held out, ``stretches`` one for its stretch of time, where
    the last rows were. Raises E-METRICS where a metric is no finite number.
    """
    drawn, blocks = ("rows", None) if stretches is None else ("stretches of time", stretches)
    if groups is not None:
        drawn, blocks = "groups", groups
    seen = train._replace(values=train.values[: len(train_answers)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn's notes on empty classes in a resample; NaN is judged below
        held_out = scores(test, test_answers)
        baseline, guessing = _guessing(train, test, name, last_value)
        trained = headline_score(name, seen, train_answers)
        low, high = interval(name, test, test_answers, seed, blocks)
        chance = luck(test, test_answers, seed, blocks)
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
        "verdict": verdict(name, value, baseline[name], low, high, chance, drawn),
        "gap": gap(name, trained, value),
        "guessing": guessing,
        "held_out": held_out,
        "baseline": {k: v for k, v in baseline.items() if math.isfinite(v)},
        **_counted(test, test_answers, classes),
    }
    return Measured(name, value, document)


def _guessing(train: Truth, test: Truth, name: str, last_value: float | None) -> tuple[dict[str, float], str]:
    """Return the metrics of guessing, and what guessing is, in words."""
    found = scores(test, guess(train, len(test.values)))
    if train.classes:
        return found, "the shares of the classes in the training rows"
    if last_value is not None:
        repeated = scores(test, np.full(len(test.values), last_value))
        if repeated[name] < found[name]:
            return repeated, "the last value of the training rows"
    return found, "the mean of the training rows"


def _counted(test: Truth, answers: Floats, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the tables that only classes have."""
    if not classes:
        return {}
    found: dict[str, Any] = {"per_class": per_class(test, answers, classes)}
    if len(classes) == 2:
        found["positive"] = classes[test.positive]
        found["confusion"] = confusion_counts(test, answers)
    return found


def compare_with_last(headline: Mapping[str, Any], last: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    """Return a sentence on how a model compares with the one before it, or nothing where they have no metric in common.

    Both are headlines as ``metrics.json`` holds them, ``split`` is how rows were held out this time. Where the
    intervals overlap nothing is clear.
    """
    if last.get("name") != headline["name"]:
        return ""
    before_split = last.get("held_out")
    if before_split and any(before_split.get(key) != split.get(key) for key in ("method", "column")):
        return "not compared with your last run, which was judged on rows held out in another way"
    value, before = score(headline["name"], headline["value"]), score(headline["name"], last["value"])
    if headline["low"] <= last["high"] and last["low"] <= headline["high"]:
        return f"no clear difference from your last run: {value} after {before}, and the intervals overlap"
    better = (headline["value"] > last["value"]) == headline["higher_is_better"]
    return f"clearly {'better' if better else 'worse'} than your last run: {value} after {before}"
