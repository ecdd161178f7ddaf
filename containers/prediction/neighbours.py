"""Nearest neighbours whose file holds their rows alone: the tree that finds them is built again when they are read.

A stored tree would be followed without looking, wherever it points to; one that scikit-learn builds of the rows points
to them. It builds the same tree of the same rows, so that the answers are the same, the order of equal ones included.
"""

from __future__ import annotations

from typing import Any

from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier, KNeighborsRegressor

TREES = {"kd_tree": KDTree, "ball_tree": BallTree}
"""As scikit-learn names the ways to find neighbours; without a tree they are looked for among all rows."""


class _Near:
    """What both have: a state without the tree."""

    _tree: Any

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_tree"}  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self._tree = planted(self)


class NearClassifier(_Near, KNeighborsClassifier):  # type: ignore[misc]
    """Neighbours that vote."""


class NearRegressor(_Near, KNeighborsRegressor):  # type: ignore[misc]
    """Neighbours whose values are averaged."""


def planted(model: Any) -> Any:
    """Return the tree over a fitted model's rows, built as a fit builds it (``NeighborsBase._fit``)."""
    kind = TREES[model._fit_method]
    return kind(model._fit_X, model.leaf_size, metric=model.effective_metric_, **model.effective_metric_params_)
