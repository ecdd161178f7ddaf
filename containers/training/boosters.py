"""Boosted trees of libraries that only some jobs need: XGBoost, LightGBM, CatBoost.

They run on processors: their graphics builds are another package (XGBoost), need a driver of their own (LightGBM), or
were never tried (CatBoost).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from containers.training.libraries import need

NATIVE_FILES = {"catboost": "model.cbm", "lightgbm": "model.txt", "xgboost": "model.ubj"}
"""Library → the file of its own kind that lies beside the model: readable by the library in any language.

It starts from prepared columns (numbers as they are, categories as ordinals), not from the table."""


def booster(name: str, classify: bool, given: dict[str, Any], seed: int) -> Any:
    """Return an unfitted estimator of one of the libraries. Raises E-LIBRARY."""
    library = need(name)
    if name == "xgboost":
        kind = library.XGBClassifier if classify else library.XGBRegressor
        return kind(**given, tree_method="hist", n_jobs=1, random_state=seed, verbosity=0)
    if name == "lightgbm":
        given["max_depth"] = given["max_depth"] or -1
        kind = library.LGBMClassifier if classify else library.LGBMRegressor
        sure = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
        return kind(**given, **sure, subsample_freq=1, n_jobs=1, random_state=seed)
    kind = library.CatBoostClassifier if classify else library.CatBoostRegressor
    quiet = {"allow_writing_files": False, "logging_level": "Silent"}
    if given["learning_rate"] is None:
        del given["learning_rate"]
    return kind(**given, **quiet, thread_count=1, random_seed=seed)


def set_threads(name: str, model: Any, threads: int) -> None:
    """Set how many threads a fit uses; −1 means all."""
    model.set_params(**{"thread_count" if name == "catboost" else "n_jobs": threads})


def save_native(name: str, model: Any, folder: Path) -> Path:
    """Write the library's own file of a fitted estimator and return its path."""
    path = folder / NATIVE_FILES[name]
    target = model.booster_ if name == "lightgbm" else model
    target.save_model(str(path))
    return path
