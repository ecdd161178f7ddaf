"""The trees of a model, looked at before they are followed: scikit-learn follows them without looking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from containers.training.refusal import Refused

Tree = tuple[Any, Any, Any, Any, int]
"""Left, right, whether a leaf, feature; features of the model."""


def trees(estimator: Any) -> Iterator[Tree]:
    """Yield every tree in a model of scikit-learn."""
    own = getattr(estimator, "tree_", None)
    if own is not None:
        yield own.children_left, own.children_right, own.children_left == -1, own.feature, int(own.n_features)
    for inner in np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object)):
        yield from trees(inner)
    for predictor in (p for stage in getattr(estimator, "_predictors", []) for p in stage):
        nodes = predictor.nodes
        inner = nodes["left"], nodes["right"], nodes["is_leaf"] != 0, nodes["feature_idx"]
        yield *inner, int(estimator.n_features_in_)


def check(estimator: Any) -> None:
    """Refuse a model with a tree that would be walked for ever or beside its nodes (E-IMPORT-UNSAFE)."""
    for tree in trees(estimator):
        _check(*tree)


def _check(left: Any, right: Any, leaf: Any, feature: Any, features: int) -> None:
    count = len(left)
    places = np.arange(count)
    inner = ~np.asarray(leaf)
    for side in (np.asarray(left, dtype=np.int64)[inner], np.asarray(right, dtype=np.int64)[inner]):
        if not ((side > places[inner]) & (side < count)).all():
            raise Refused("E-IMPORT-UNSAFE", "A tree of the model does not end")
    used = np.asarray(feature, dtype=np.int64)[inner]
    if not count or not ((used >= 0) & (used < features)).all():
        raise Refused("E-IMPORT-UNSAFE", "A tree of the model asks for a column that there is not")
