"""skops.io, which trusts the estimators of scikit-learn that are loaded here and no others.

It makes its list when it is imported, and loads the whole of scikit-learn for that, a tenth of what a small training
takes. Models of ours hold what ``estimators`` and ``pipeline`` load; a shorter list trusts less.

It also writes what a model is made of with indentation: with 100,000 texts that took 175 MB and 1.5 s, and takes
67 MB and 0.7 s without it, in a file as small.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

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
    import skops.io._persist as _writer
finally:
    sklearn.utils.all_estimators = _every


class _Compact:
    """What skops takes of ``json``."""

    @staticmethod
    def dumps(state: Any, indent: int = 0) -> str:  # noqa: ARG004  # as skops calls it
        """Return the state in one line."""
        return json.dumps(state)


_writer.json = _Compact

dump, dumps, loads = _skops.dump, _skops.dumps, _skops.loads
