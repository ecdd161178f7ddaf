"""Everything that a model is made of: found, and freed of what only a fit needs.

Models are made of models: an ensemble of its members, a pipeline of its steps. What must hold of one must hold of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import AdaBoostClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier

from containers.importing.names import BOOSTERS
from containers.prediction.neighbours import NearClassifier, NearRegressor
from containers.training.boosters import set_threads
from containers.training.estimators import forget_training
from containers.training.families import library_of
from containers.training.refusal import Refused

_ONLY_TO_FIT: Final = {"cv": None, "score_func": None}
"""Attributes that only a fit reads, and what stands there after."""
_ONLY_TO_LOOK: Final = ("named_estimators_", "coefs_paths_", "cv_results_", "loss_function_", "_loss_function_")
"""Attributes that are there to be looked at, which may hold what no model file should."""
ROUNDED: Final = 1e-6
"""By how much shares that add up to 1 may miss it."""
SAMME_R: Final = "SAMME.R"
"""How AdaBoost told classes apart where nothing else was asked for, up to scikit-learn 1.5; what is there now does not,
and would not say so."""
_WITHOUT_TREE: Final[dict[type, type]] = {KNeighborsClassifier: NearClassifier, KNeighborsRegressor: NearRegressor}


def parts(model: Any) -> Iterator[Any]:
    """Yield every object with attributes that is reached from ``model``, it first, each once."""
    seen: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type):
            continue
        inner = _inside(found)
        if inner is None:
            continue
        seen[id(found)] = found  # kept, so that no other object gets its number
        waiting += inner
        if hasattr(found, "__dict__"):
            yield found


def _inside(value: Any) -> list[Any] | None:
    """Return what a value holds; ``None`` for plain data."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, np.ndarray):
        return list(value.ravel()) if value.dtype == object else None
    return list(vars(value).values()) if hasattr(value, "__dict__") else None


def calm(steps: list[tuple[str, Any]], model_type: str) -> None:
    """Take out what only a fit needs, and have everything use one thread.

    Raises ``Refused`` E-IMPORT-KIND for a booster of another library among the members of a model, E-IMPORT-VERSION for
    what answers otherwise today.
    """
    library = library_of(model_type)
    for part in parts(steps):
        root = type(part).__module__.split(".")[0]
        if root != library and type(part).__name__ in BOOSTERS.get(type(part).__module__, ()):
            name, outer = type(part).__name__, type(steps[-1][1]).__name__
            raise Refused("E-IMPORT-KIND", f"The {outer} has a {name} in it, which can only be brought over by itself")
        if root == "sklearn":
            _renew(part)
            _calm(part)
    if library and library != "catboost":  # which changes nothing once it is fitted
        set_threads(library, steps[-1][1], 1)


def _renew(part: Any) -> None:
    """Give an estimator of an older version what today's asks it for: what it was not told is as it always was.

    Raises ``Refused`` E-IMPORT-VERSION for one that today's would answer otherwise for.
    """
    own = vars(part)
    for name, parameter in signature(type(part)).parameters.items() if isinstance(part, BaseEstimator) else ():
        if name not in own and parameter.default is not parameter.empty:
            setattr(part, name, parameter.default)
    if isinstance(part, RidgeClassifier | RidgeClassifierCV) and "classes_" not in own:  # it was found by asking
        part.classes_ = part._label_binarizer.classes_
    if isinstance(part, DecisionTreeClassifier) and "tree_" in own:
        _shares(part.tree_)
    if isinstance(part, AdaBoostClassifier) and own.get("algorithm") == SAMME_R:
        raise Refused("E-IMPORT-VERSION", f"AdaBoost by {SAMME_R} would answer otherwise: scikit-learn has it no more")
    if isinstance(part, SimpleImputer) and "_fill_dtype" not in own and "_fit_dtype" in own:
        part._fill_dtype = own["_fit_dtype"]  # as it is for numbers


def _shares(tree: Any) -> None:
    """Turn what a leaf counted of each class into shares, which it holds since scikit-learn 1.4.

    Until then they were divided when they were asked for, just so; today's would give the counts for probabilities.
    """
    state = tree.__getstate__()
    totals = state["values"].sum(axis=2, keepdims=True)
    if (abs(totals - 1.0) > ROUNDED).any():
        tree.__setstate__({**state, "values": state["values"] / totals})


def _calm(part: Any) -> None:
    own = vars(part)
    if "n_jobs" in own:  # several threads add up in any order
        part.n_jobs = 1
    for name, left in _ONLY_TO_FIT.items():
        if name in own:
            setattr(part, name, left)
    for name in _ONLY_TO_LOOK:
        own.pop(name, None)
    forget_training(part)
    if type(part) in _WITHOUT_TREE and own.get("_tree") is not None:
        part.__class__ = _WITHOUT_TREE[type(part)]
