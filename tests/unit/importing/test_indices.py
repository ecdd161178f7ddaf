"""A number in a model's file that points beside its arrays is refused before compiled code follows it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor

from containers.importing.trees import check
from containers.training.refusal import Refused

ROWS = pd.DataFrame({"calls": np.arange(60.0), "plan": pd.Categorical(list("abc") * 20)})
TARGET = np.arange(60) % 7.0
TEXTS = [["a"]] * 20 + [["b"]] * 20 + [["c"]] * 2 + [["d"]]
RARE = OneHotEncoder(min_frequency=5, drop="first", handle_unknown="infrequent_if_exist", sparse_output=False)
STAGES = GradientBoostingRegressor(n_estimators=2, max_depth=2)
BINS = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=2, categorical_features="from_dtype")


@cache
def kept(name: str) -> Any:
    numbers = ROWS[["calls"]].to_numpy()
    return {
        "stages": lambda: STAGES.fit(numbers, TARGET),
        "many classes": lambda: GradientBoostingClassifier(n_estimators=1, max_depth=1).fit(numbers, TARGET % 3),
        "two values": lambda: DecisionTreeRegressor(max_depth=1).fit(numbers, np.stack([TARGET, TARGET], axis=1)),
        "begun anew": lambda: GradientBoostingRegressor(n_estimators=1, init="zero").fit(numbers, TARGET),
        "begun by another": lambda: GradientBoostingRegressor(n_estimators=1, init=Ridge()).fit(numbers, TARGET),
        "bins": lambda: BINS.fit(ROWS, (ROWS["plan"] == "b") * 9.0),
        "machine": lambda: SVC().fit(numbers, TARGET % 3),
        "machine of rows with few values": lambda: SVC().fit(csr_matrix(numbers), TARGET % 3),
        "machine of likenesses": lambda: SVC(kernel="precomputed").fit(numbers @ numbers.T, TARGET % 3),
        "machine of values": lambda: SVR().fit(numbers, TARGET),
        "codes": lambda: OneHotEncoder().fit(TEXTS),
        "codes, some rare": lambda: RARE.fit(TEXTS),
    }[name]()


def fitted(name: str) -> Any:
    """Return a model of its own, to be spoilt."""
    return deepcopy(kept(name))


def node(model: Any, name: str, value: int) -> None:
    nodes = model._predictors[0][0].nodes
    nodes[name][np.flatnonzero(nodes["is_categorical"])[0]] = value


def narrow(model: Any) -> None:
    model._preprocessor.transformers_ = model._preprocessor.transformers_[:1]


def another(model: Any) -> None:
    model._preprocessor = FunctionTransformer()


def spoilt(name: str, value: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda model: setattr(model, name, value(getattr(model, name)))


SPOILT: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a tree for a class too many": ("stages", spoilt("estimators_", lambda all: np.repeat(all, 3, axis=1))),
    "no trees by class": ("stages", spoilt("estimators_", np.ravel)),
    "a class too few to begin with": ("begun anew", spoilt("n_trees_per_iteration_", lambda _: 0)),
    "trees of many numbers": (
        "stages",
        lambda model: setattr(model.estimators_[0, 0], "tree_", kept("two values").tree_),
    ),
    "bits that are not there": ("bins", lambda model: node(model, "bitset_idx", 1000)),
    "categories of a number": ("bins", lambda model: model._bin_mapper.is_categorical_.fill(0)),
    "another count of columns": ("bins", lambda model: setattr(model._bin_mapper, "is_categorical_", np.ones(1))),
    "bits too short": (
        "bins",
        lambda model: spoilt("raw_left_cat_bitsets", lambda bits: bits[:, :2])(model._predictors[0][0]),
    ),
    "a column lost on the way": ("bins", narrow),
    "prepared by something else": ("bins", another),
    "a support vector too many": ("machine", spoilt("_n_support", lambda counts: counts + 5)),
    "less than none": ("machine", spoilt("_n_support", lambda counts: np.array([-1, 1, counts.sum()]))),
    "shares of fewer vectors": ("machine", spoilt("_dual_coef_", lambda shares: shares[:, :-1])),
    "fewer pairs": ("machine", spoilt("_intercept_", lambda all: all[:1])),
    "vectors from elsewhere": ("machine of likenesses", spoilt("support_", lambda places: places + 1000)),
    "places from elsewhere": ("machine of values", spoilt("support_", lambda places: places - 1000)),
    "cells beside the row": (
        "machine of rows with few values",
        lambda model: model.support_vectors_.indices.fill(70),
    ),
    "a code too many": ("codes", spoilt("categories_", lambda all: [np.array(list("abcdefgh"), dtype=object)])),
    "rare ones elsewhere": ("codes, some rare", lambda model: model._default_to_infrequent_mappings[0].fill(9)),
    "left out below": ("codes, some rare", lambda model: model._drop_idx_after_grouping.fill(-1)),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_number_that_points_beside_what_a_model_holds_is_refused(how: str) -> None:
    name, spoil = SPOILT[how]
    model = fitted(name)
    check(Pipeline([("model", model)]))
    spoil(model)
    with pytest.raises(Refused, match="points beside what it holds") as caught:
        check(Pipeline([("model", model)]))
    assert caught.value.code == "E-IMPORT-UNSAFE"


@pytest.mark.parametrize("name", ["many classes", "bins", "codes, some rare"])
def test_what_a_fit_left_is_not_refused(name: str) -> None:
    check(fitted(name))


def test_boosting_that_begins_with_another_model_is_refused_before_that_is_asked() -> None:
    with pytest.raises(Refused, match="begins with a Ridge") as caught:
        check(fitted("begun by another"))
    assert caught.value.code == "E-IMPORT-KIND"
