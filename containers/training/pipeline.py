"""From a family's name to a scikit-learn pipeline over mixed columns.

Linear families: numbers get the median where missing, an indicator that it was, and unit scale; categories become
one column each, rare and unknown ones together. Tree families: categories become ordinals; histogram boosting
treats them as categories and reads missing numbers itself. Everything random hangs on the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from containers.training.families import CLASSIFICATION, Family, Value

RARE_ROWS = 2
"""Categories seen in fewer training rows are put together."""
ONE_HOT_MAX = 50
"""Most columns one category column becomes."""
ORDINALS_MAX = 250
"""Most ordinals per category column; histogram boosting allows 255."""
DENSE_CELLS_MAX = 50_000_000
"""Prepared cells (400 MB) up to which linear models work on dense data, which is faster and more exact."""


def build(
    family: Family,
    task: str,
    parameters: Mapping[str, Value],
    numbers: Sequence[str],
    categories: Sequence[str],
    *,
    rows: int,
    seed: int,
    threads: int,
) -> Pipeline:
    """Return an unfitted pipeline for the named columns; at least one must be given. ``threads`` −1 means all."""
    model = _estimator(family.name, task, dict(parameters), seed)
    if family.name == "random_forest":
        model.set_params(n_jobs=threads)
    if family.linear:
        steps = _linear_steps(numbers, categories)
        wide = 2 * len(numbers) + ONE_HOT_MAX * len(categories)
        sparse = 0.3 if rows * wide > DENSE_CELLS_MAX else 0.0
    else:
        steps = _tree_steps(family.name, numbers, categories)
        sparse = 0.0
    if family.name == "hist_gradient_boosting" and categories:
        model.set_params(categorical_features=list(range(len(numbers), len(numbers) + len(categories))))
    return Pipeline([("prepare", ColumnTransformer(steps, sparse_threshold=sparse)), ("model", model)])


def _linear_steps(numbers: Sequence[str], categories: Sequence[str]) -> list[tuple[str, Any, list[str]]]:
    fill = Pipeline([("fill", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())])
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE_ROWS, max_categories=ONE_HOT_MAX)
    return _given(("numbers", fill, list(numbers)), ("categories", one_hot, list(categories)))


def _tree_steps(name: str, numbers: Sequence[str], categories: Sequence[str]) -> list[tuple[str, Any, list[str]]]:
    boosting = name == "hist_gradient_boosting"
    fill: Any = "passthrough" if boosting else SimpleImputer(strategy="median", add_indicator=True)
    ordinal = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan if boosting else -1,
        min_frequency=RARE_ROWS,
        max_categories=ORDINALS_MAX,
    )
    return _given(("numbers", fill, list(numbers)), ("categories", ordinal, list(categories)))


def _given(*steps: tuple[str, Any, list[str]]) -> list[tuple[str, Any, list[str]]]:
    return [step for step in steps if step[2]]


def _estimator(name: str, task: str, parameters: dict[str, Value], seed: int) -> Any:
    classify = task == CLASSIFICATION
    match name:
        case "linear":
            return LinearRegression(**parameters)
        case "ridge":
            return Ridge(**parameters, random_state=seed)
        case "logistic":
            return LogisticRegression(**parameters, random_state=seed)
        case "random_forest":
            features = parameters.pop("max_features")
            chosen = features if features is not None else ("sqrt" if classify else 1.0)
            forest = RandomForestClassifier if classify else RandomForestRegressor
            return forest(**parameters, max_features=chosen, random_state=seed)
        case _:
            boosting = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
            # early stopping would hold out rows of its own, and fail where a class has too few
            return boosting(**parameters, early_stopping=False, random_state=seed)


def settle(model: Pipeline) -> Pipeline:
    """Return the fitted pipeline set to predict in one thread: several add up a forest's trees in any order."""
    estimator = model.named_steps["model"]
    if isinstance(estimator, RandomForestClassifier | RandomForestRegressor):
        estimator.set_params(n_jobs=1)
    return model
