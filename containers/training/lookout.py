"""How good a fit is so far where its library does not say: looked at on some of the rows it learns from.

Each round is asked once, when it is told of; looking never takes more than a small share of the time the fit took, and
where it would, nothing is said. The fit itself is not touched.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble._forest import _generate_sample_indices

from containers.training.boosters import some_rows
from containers.training.checkpoints import LOSS

SHARE_MAX = 0.02
"""Part of the time of a fit so far that looking may take."""
BAG_ERROR, BAG_RMSE = "out_of_bag_error", "out_of_bag_rmse"
"""Of a forest: the share of wrong answers, or the error of numbers, each row asked of the trees that did not see it."""


class Lookout(ABC):
    """Looks at rounds in their order."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Made when the fit begins."""
        self._clock = clock
        self._failed = False
        self._began_s = clock()
        self._spent_s = 0.0
        self._each_s = math.inf
        self._looked = 0

    def so_far(self, model: Any, done: int) -> dict[str, float] | None:
        """Return how good the model is after ``done`` rounds; ``None`` where that takes too long, or once failed.

        It asks for parts of models that their library may change: no fit is to end for a number beside its bar.
        """
        if self._failed:
            return None
        try:
            return self._so_far(model, done)
        except Exception:
            self._failed = True
            return None

    def _so_far(self, model: Any, done: int) -> dict[str, float] | None:
        began = self._clock()
        if self._looked == 0:
            self._begin(model)
        if self._looked < done and self._affords(began, 1):
            self._look(model)  # the quickest look says what one costs
        found = None
        if self._affords(began, done - self._looked):
            while self._looked < done:
                self._look(model)
            found = self._found(model)
        self._spent_s += self._clock() - began
        return found

    def _affords(self, began: float, rounds: int) -> bool:
        now = self._clock()
        cost_s = rounds * self._each_s if self._looked else 0.0
        return self._spent_s + now - began + cost_s <= SHARE_MAX * (now - self._began_s)

    def _look(self, model: Any) -> None:
        began = self._clock()
        self._add(model, self._looked)
        self._each_s = min(self._each_s, self._clock() - began)
        self._looked += 1

    @abstractmethod
    def _begin(self, model: Any) -> None:
        """Bring the rows into the form in which rounds are asked."""

    @abstractmethod
    def _add(self, model: Any, number: int) -> None:
        """Ask one more round."""

    @abstractmethod
    def _found(self, model: Any) -> dict[str, float] | None:
        """Return what the rounds asked so far say."""


class BoostingLookout(Lookout):
    """Of histogram boosting: its own loss on some of the rows it learns from."""

    def __init__(self, prepared: Any, target: Any, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(clock)
        self._prepared, self._target = prepared, target

    def _begin(self, model: Any) -> None:
        some = some_rows(len(self._target))
        self._truth = np.asarray(model._encode_y_val(self._target[some]), dtype=np.float64)
        self._rows = model._bin_mapper.transform(model._preprocess_X(self._prepared[some], reset=False))
        self._sums = np.zeros((len(some), model.n_trees_per_iteration_), order="F") + model._baseline_prediction

    def _add(self, model: Any, number: int) -> None:
        for column, tree in enumerate(model._predictors[number]):
            missing = model._bin_mapper.missing_values_bin_idx_
            self._sums[:, column] += tree.predict_binned(self._rows, missing, 1)

    def _found(self, model: Any) -> dict[str, float]:
        sums = self._sums if self._sums.shape[1] > 1 else self._sums[:, 0]
        return {LOSS: float(model._loss(y_true=self._truth, raw_prediction=sums))}


class ForestLookout(Lookout):
    """Of a forest: how some rows are answered by the trees that did not learn from them."""

    def __init__(self, prepared: Any, target: Any, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(clock)
        self._prepared, self._target = prepared, target

    def _begin(self, model: Any) -> None:
        self._some = some = some_rows(len(self._target))
        self._rows = np.ascontiguousarray(self._prepared[some], dtype=np.float32)
        self._classes = getattr(model, "classes_", None)
        columns = 1 if self._classes is None else len(self._classes)
        self._sums, self._asked = np.zeros((len(some), columns)), np.zeros(len(some))

    def _add(self, model: Any, number: int) -> None:
        tree, rows = model.estimators_[number], len(self._target)
        drawn = _generate_sample_indices(tree.random_state, rows, model._n_samples_bootstrap, None)
        seen = np.zeros(rows, dtype=bool)
        seen[drawn] = True
        unseen = ~seen[self._some]
        self._sums[unseen] += tree.tree_.predict(self._rows[unseen])
        self._asked += unseen

    def _found(self, model: Any) -> dict[str, float] | None:  # noqa: ARG002 (others ask it)
        known = self._asked > 0
        if not known.any():
            return None
        truth, sums = self._target[self._some][known], self._sums[known]
        if self._classes is not None:
            return {BAG_ERROR: float(np.mean(self._classes[sums.argmax(axis=1)] != truth))}
        return {BAG_RMSE: float(np.sqrt(np.mean((sums[:, 0] / self._asked[known] - truth) ** 2)))}
