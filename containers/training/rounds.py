"""How the loss of a model made of rounds fell: on rows it learnt from, and on held-out rows that only look on.

Nothing is chosen by it: the number of rounds is what was asked for. The answers after some of the rounds are taken from
the finished model, so the fit itself is not touched; of a network both sides were asked while it learnt (``onlook``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from containers.training.frame import Frame, Integers
from containers.training.scoring import Truth
from containers.training.splits import Split

POINTS_MAX = 25
"""Rounds looked at."""
ROWS_MAX = 1000
"""Rows judged on each side."""
ROWS_MIN = 100
WORK_MAX = 20_000_000
"""Trees asked, over all rows and rounds looked at: seconds. Beyond fewer rows are judged, and of very many none."""
CURVE = "curve_of_sides_"
"""Attribute of a network: a row for each epoch looked at, with the losses on rows learnt from and on held-out rows."""
TINY = 1e-15
"""Least probability a loss is taken of."""

Stages = Callable[[Any, bool, Any, Sequence[int]], Iterator[Any]]
"""From a fitted model, whether it tells classes apart, prepared rows and numbers of rounds to the answers after each of
these."""


def learning(pipeline: Any, family: str, frame: Frame, split: Split) -> dict[str, Any] | None:
    """Return the loss by rounds as ``metrics.json`` has it, or ``None`` for what has no rounds or too many."""
    if family not in (*STAGES, *NETWORKS):
        return None
    model = pipeline.named_steps["model"]
    if family in NETWORKS:
        curve = getattr(getattr(model, "regressor_", model), CURVE, None)
        if curve is None:
            return None
        epochs, *sides = curve.T.tolist()
        return _told("epoch", loss_name(frame), list(map(int, epochs)), sides, _counted(split, ROWS_MAX))
    unit, stages = STAGES[family]
    total = _rounds(model)
    each = max(1, len(frame.classes)) if len(frame.classes) > 2 and unit == "round" else 1
    points = POINTS_MAX if family in AT_ONCE else POINTS_MAX // 2
    asked = total * each * (1 if family in AT_ONCE else points // 2)
    rows = min(ROWS_MAX, WORK_MAX // max(1, 2 * asked))
    if rows < ROWS_MIN:
        return None
    picked = _picked(total, points)
    name = "Brier score" if frame.classes and unit == "tree" else loss_name(frame)
    sides = []
    for part in (split.train, split.test):
        chosen = picked_rows(part, rows)
        prepared = pipeline.named_steps["prepare"].transform(frame.features.iloc[chosen])
        truth = Truth(frame.target[chosen], len(frame.classes))
        answers = stages(model, bool(truth.classes), prepared, picked)
        labels = model.classes_ if truth.classes else ()
        sides.append([loss(name, truth, full(said, labels, truth)) for said in answers])
    return _told(unit, name, picked, sides, _counted(split, rows))


def _counted(split: Split, most: int) -> dict[str, int]:
    """Return how many rows of each side were judged; of more than ``most`` the loss is not that of all."""
    return {"train": min(most, len(split.train)), "held_out": min(most, len(split.test))}


def picked_rows(rows: Integers, most: int) -> Integers:
    """Return at most ``most`` of the rows, evenly apart."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)]


def loss_name(frame: Frame) -> str:
    """Return the loss of what learns by rounds."""
    return "log loss" if frame.classes else "RMSE"


def _told(
    unit: str, name: str, picked: Sequence[int], sides: Sequence[Sequence[float]], rows: dict[str, int]
) -> dict[str, Any] | None:
    trained, held_out = map(list, sides)
    if not np.isfinite([*trained, *held_out]).all():
        return None
    return {"unit": unit, "loss": name, "rounds": list(picked), "train": trained, "held_out": held_out, "rows": rows}


def _picked(total: int, points: int) -> list[int]:
    """Return at most ``points`` numbers from 1 to ``total``, evenly apart."""
    return [int(n) for n in np.unique(np.linspace(1, total, points).round())]


def _rounds(model: Any) -> int:
    for name in ("max_iter", "n_estimators", "tree_count_"):
        if hasattr(model, name):
            return int(getattr(model, name))
    return 0


def full(said: Any, labels: Any, truth: Truth) -> Any:
    """Return answers with a column for every class, also those never learnt; ``labels`` are those that were."""
    if not truth.classes:
        return said
    whole = np.zeros((len(said), truth.classes))
    whole[:, np.asarray(labels, dtype=np.int64)] = said
    return whole


def loss(name: str, truth: Truth, said: Any) -> float:
    """Return the loss ``name`` of answers: RMSE of values, log loss or Brier score of probabilities."""
    if name == "RMSE":
        return float(np.sqrt(np.mean((said - truth.values) ** 2)))
    labels = truth.values.astype(np.int64)
    if name == "log loss":
        return float(-np.mean(np.log(np.maximum(TINY, said[np.arange(len(said)), labels]))))
    return float(np.mean(np.sum((said - np.eye(truth.classes)[labels]) ** 2, axis=1)) / 2)


def _boosting(model: Any, classify: bool, prepared: Any, picked: Sequence[int]) -> Iterator[Any]:
    staged = model.staged_predict_proba if classify else model.staged_predict
    wanted = set(picked)
    return (said for n, said in enumerate(staged(prepared), 1) if n in wanted)


def _forest(model: Any, classify: bool, prepared: Any, picked: Sequence[int]) -> Iterator[Any]:
    rows, wanted, total = np.asarray(prepared, dtype=np.float32), set(picked), 0.0
    for n, tree in enumerate(model.estimators_, 1):
        total = total + (tree.predict_proba(rows) if classify else tree.predict(rows))
        if n in wanted:
            yield total / n


def _asked(**arguments: Callable[[int], Any]) -> Stages:
    """Return stages of a library whose predictions take the number of rounds as an argument."""

    def stages(model: Any, classify: bool, prepared: Any, picked: Sequence[int]) -> Iterator[Any]:
        predict = model.predict_proba if classify else model.predict
        return (predict(prepared, **{key: of(n) for key, of in arguments.items()}) for n in picked)

    return stages


STAGES: dict[str, tuple[str, Stages]] = {
    "hist_gradient_boosting": ("round", _boosting),
    "random_forest": ("tree", _forest),
    "xgboost": ("round", _asked(iteration_range=lambda n: (0, n))),
    "lightgbm": ("round", _asked(num_iteration=lambda n: n)),
    "catboost": ("round", _asked(ntree_end=lambda n: n)),
}
NETWORKS = ("mlp_regression", "mlp_classification", "neural_network")
AT_ONCE = frozenset({"hist_gradient_boosting", "random_forest"})
"""Families whose answers grow from round to round; the others are asked anew for each."""
