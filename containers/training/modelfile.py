"""skops.io, which trusts the estimators of scikit-learn that are loaded here and no others.

It makes its list when it is imported, and loads the whole of scikit-learn for that, a tenth of what a small training
takes. Models of ours hold what ``estimators`` and ``pipeline`` load; a shorter list trusts less.
"""

from __future__ import annotations

import inspect
import sys

import sklearn.utils
from sklearn.base import BaseEstimator

from containers.training import estimators, pipeline  # noqa: F401 - what they load is what a model is made of


def loaded_estimators() -> list[tuple[str, type]]:
    """Return the public estimators of scikit-learn that are loaded: a part of what its ``all_estimators`` returns."""
    public = [module for name, module in list(sys.modules.items()) if name.startswith("sklearn.") and "._" not in name]
    found = {
        (name, kind)
        for module in public
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, BaseEstimator) and not name.startswith("_")
    }
    return sorted(
        ((name, kind) for name, kind in found if not inspect.isabstract(kind) and kind is not BaseEstimator),
        key=lambda one: one[0],
    )


_every = sklearn.utils.all_estimators
sklearn.utils.all_estimators = loaded_estimators
try:
    import skops.io as _skops
finally:
    sklearn.utils.all_estimators = _every

dump, dumps, loads = _skops.dump, _skops.dumps, _skops.loads
