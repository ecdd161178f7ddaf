"""How good boosting and forests are so far: what their library says of the same rows, and at what price."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import log_loss

from containers.prediction.core import one_thread
from containers.training import lookout as module
from containers.training.checkpoints import LOSS
from containers.training.lookout import BAG_ERROR, BAG_RMSE, SHARE_MAX, BoostingLookout, ForestLookout, Lookout

ROWS = 120
DRAW = np.random.default_rng(7)
X = DRAW.normal(size=(ROWS, 3))
X[::9, 1] = np.nan
AMOUNTS = X[:, 0] + 0.5 * DRAW.normal(size=ROWS)
CLASSES = np.digitize(AMOUNTS, [-0.5, 0.5])


@pytest.fixture(autouse=True)
def at_any_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE_MAX", math.inf)


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_boosting_tells_its_own_loss(classes: int) -> None:
    target = {0: AMOUNTS, 2: CLASSES > 0, 3: CLASSES}[classes]
    model: Any = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(max_iter=6)
    lookout = BoostingLookout(X, target)
    with one_thread():
        model.fit(X, target)
        first, last = lookout.so_far(model, 1), lookout.so_far(model, 6)
        answers = model.predict_proba(X) if classes else model.predict(X)
    assert first is not None
    assert last is not None
    assert last[LOSS] < first[LOSS]
    right = log_loss(target, answers) if classes else np.mean((answers - target) ** 2) / 2
    assert last[LOSS] == pytest.approx(right, rel=1e-6)


@pytest.mark.parametrize(("target", "name"), [(CLASSES, BAG_ERROR), (AMOUNTS, BAG_RMSE)])
def test_a_forest_tells_how_rows_are_answered_by_trees_that_did_not_see_them(target: Any, name: str) -> None:
    kind: Any = RandomForestClassifier if name == BAG_ERROR else RandomForestRegressor
    model = kind(n_estimators=12, oob_score=True, random_state=3)
    lookout = ForestLookout(X, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few trees leave some rows without an answer
        model.fit(X, target)
    assert lookout.so_far(model, 5) is not None
    found = lookout.so_far(model, 12)
    assert found is not None
    asked = lookout._asked > 0
    if name == BAG_ERROR:
        assert found[name] == np.mean(
            model.classes_[model.oob_decision_function_[asked].argmax(axis=1)] != target[asked]
        )
    else:
        assert found[name] == pytest.approx(
            np.sqrt(np.mean((model.oob_prediction_[asked] - target[asked]) ** 2)), rel=1e-6
        )


def test_a_forest_of_whose_first_tree_saw_every_row_says_nothing_yet() -> None:
    model: Any = RandomForestRegressor(n_estimators=1, random_state=0).fit(X[:1], AMOUNTS[:1])
    assert ForestLookout(X[:1], AMOUNTS[:1]).so_far(model, 1) is None


class Costly(Lookout):
    """Each round takes a while to ask."""

    def __init__(self, each_s: float) -> None:
        self.now = 0.0
        self.asked = 0
        self.each_s = each_s
        super().__init__(lambda: self.now)

    def _begin(self, model: Any) -> None:
        self.now += self.each_s

    def _add(self, model: Any, number: int) -> None:
        assert number == self.asked, "every round once, in order"
        self.asked += 1
        self.now += self.each_s

    def _found(self, model: Any) -> dict[str, float]:
        return {"rounds": float(self.asked)}


@pytest.mark.parametrize(("each_s", "told"), [(0.0001, True), (0.01, False)])
def test_looking_takes_no_more_than_its_share_of_the_fit(
    monkeypatch: pytest.MonkeyPatch, each_s: float, told: bool
) -> None:
    monkeypatch.setattr(module, "SHARE_MAX", SHARE_MAX)
    lookout = Costly(each_s)
    said = []
    for done in range(50, 5001, 50):  # rounds of 10 ms, told of twice a second
        lookout.now += 0.5
        said.append(lookout.so_far(None, done))
    assert lookout.asked * each_s <= SHARE_MAX * lookout.now + 2 * each_s
    assert (said[-1] == {"rounds": 5000.0}) is told
    assert any(said) is told


def test_what_cannot_be_looked_at_ends_no_fit_and_is_not_tried_again() -> None:
    class Changed(Costly):
        def _found(self, model: Any) -> dict[str, float]:
            return {"rounds": float(model._moved)}

    lookout = Changed(0.001)
    lookout.now += 1
    assert lookout.so_far(object(), 1) is None
    assert lookout.so_far(object(), 2) is None
    assert lookout.asked == 1
