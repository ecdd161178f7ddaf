"""What a model follows without looking, looked at before: its trees, and the rows and classes of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from containers.importing.indices import check_indices
from containers.importing.parts import parts
from containers.training.refusal import Refused

Tree = tuple[Any, Any, Any, Any, int]
"""Left, right, whether a leaf, feature; features of the rows that it is given."""
STAGES = "sklearn.ensemble._gb"


def trees(model: Any) -> Iterator[Tree]:
    """Yield every tree in a model of scikit-learn."""
    for part in parts(model):
        own = vars(part)
        if own.get("tree_") is not None:
            yield _tree(own["tree_"], _width(part))
        for stage in own.get("_predictors", ()):
            for predictor in stage:
                nodes = predictor.nodes
                inner = nodes["left"], nodes["right"], nodes["is_leaf"] != 0, nodes["feature_idx"]
                yield *inner, _width(part)


def _tree(own: Any, width: int) -> Tree:
    """Return a tree's arrays, where it has as many nodes as it says: they are read from memory by that number."""
    if not 0 <= own.node_count <= own.capacity:
        raise Refused("E-IMPORT-UNSAFE", "A tree of the model says that it has other nodes than it holds")
    narrow = min(int(own.n_features), width)
    return own.children_left, own.children_right, own.children_left == -1, own.feature, narrow


def _width(part: Any) -> int:
    """Return how many columns the rows have that a part is given; it refuses any others."""
    return int(part.n_features_in_)


def check(model: Any) -> None:
    """Refuse a model that would be walked for ever, or beside what it holds (E-IMPORT-UNSAFE)."""
    for tree in trees(model):
        _check(*tree)
    for part in parts(model):
        if "_fit_X" in vars(part):
            _check_rows(part)
        if type(part).__module__ == STAGES and "estimators_" in vars(part):
            _check_stages(part)
        check_indices(part)


def _check_stages(part: Any) -> None:
    """Refuse boosting with trees of other rows than its own: it follows them without asking them."""
    members = np.ravel(np.array(part.estimators_, dtype=object))
    if any(_width(member) != _width(part) for member in members):
        raise Refused("E-IMPORT-UNSAFE", "A tree of the model asks for a column that there is not")


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


def _check_rows(part: Any) -> None:
    """Refuse neighbours whose rows are of another width than those asked about, or have classes that there are not."""
    rows = part._fit_X
    if not isinstance(rows, np.ndarray):
        raise Refused("E-IMPORT-KIND", "The model has its neighbours' rows in a form that cannot be brought over")
    labels = np.asarray(getattr(part, "_y", np.zeros(len(rows))))
    known = getattr(part, "classes_", None)
    fits = rows.ndim == 2 and rows.shape[1] == _width(part) and len(labels) == len(rows)
    if not fits or (known is not None and not ((labels >= 0) & (labels < len(known))).all()):
        raise Refused("E-IMPORT-UNSAFE", "The model's neighbours are not rows like those it is asked about")
