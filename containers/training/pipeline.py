"""From named columns to a scikit-learn pipeline: what prepares them, then what learns.

How a family wants its columns:

* ``scaled``: numbers get the median where missing, an indicator that it was, and unit scale; categories become one
  column each, rare and unknown ones together.
* ``powers``: the same, with products of the numbers.
* ``bins``: numbers become one column per range of equally many rows.
* ``ordinal``: numbers filled, categories as ordinals.
* ``gaps``: numbers with their gaps, which the model can read, categories as ordinals.
* ``native``: numbers with their gaps, categories as ordinals that the model knows to be categories.

A column of dates becomes numbers (``date_parts``), which are then filled, scaled or left as those of the file; products
and ranges are not made of them.

A category column with many values is also, or only, given as the mean target of each value, computed for each training
row from other rows (``TargetEncoder``): with its own row in it the mean would tell the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)

from containers.training.boosters import set_threads
from containers.training.date_parts import DateParts
from containers.training.estimators import FOLDS, Size, estimator, forget_training
from containers.training.families import CLASSIFICATION, Family
from containers.training.parameters import Value

RARE_ROWS = 2
"""Categories seen in fewer training rows are put together."""
ONE_HOT_MAX = 50
"""Most columns one category column becomes."""
ORDINALS_MAX = 250
"""Most ordinals per category column; histogram boosting allows 255."""
MEAN_CLASSES_MAX = 20
"""Most classes for which the share of each is given per category."""
DENSE_CELLS_MAX = 50_000_000
"""Prepared cells (400 MB) up to which linear models work on dense data, which is faster and more exact."""

DATE_NUMBERS = 5
"""Numbers made of a column of dates, at most."""
DATE_BINS = 12

Steps = list[tuple[str, Any, list[str]]]


def build(
    family: Family,
    task: str,
    parameters: Mapping[str, Value],
    numbers: Sequence[str],
    categories: Sequence[str],
    *,
    size: Size,
    dates: Sequence[str] = (),
    many: Sequence[str] = (),
    classes: int = 0,
    seed: int,
    threads: int,
) -> Pipeline:
    """Return an unfitted pipeline for the named columns; at least one must be given. ``threads`` −1 means all.

    ``many`` are those of the categories with many values (``many_valued``), ``classes`` the number of classes.
    """
    model = estimator(family.name, task, parameters, size, seed)
    if family.name == "random_forest":
        model.set_params(n_jobs=threads)
    if family.library:
        set_threads(family.library, model, threads)
    means = list(many) if classes <= MEAN_CLASSES_MAX else []
    steps = _steps(family, parameters, list(numbers), list(categories))
    if means and family.columns != "bins":
        encoder = _mean_encoder(task, classes, size, seed)
        scaled = family.columns in ("scaled", "powers")
        steps.append(
            ("means", Pipeline([("mean", encoder), ("scale", StandardScaler())]) if scaled else encoder, means)
        )
    if dates:
        steps.append(("dates", _date_steps(family), list(dates)))
    wide = 2 * (len(numbers) + DATE_NUMBERS * len(dates)) + ONE_HOT_MAX * len(categories)
    sparse = 0.3 if family.columns == "scaled" and size.rows * wide > DENSE_CELLS_MAX else 0.0
    if family.columns == "bins":
        sparse = 1.0
    if family.name == "hist_gradient_boosting" and categories:
        model.set_params(categorical_features=list(range(len(numbers), len(numbers) + len(categories))))
    return Pipeline([("prepare", ColumnTransformer(steps, sparse_threshold=sparse)), ("model", model)])


def many_valued(features: pd.DataFrame, rows: Any, categories: Sequence[str], family: Family) -> list[str]:
    """Return the category columns with more values in these rows than the family can keep apart."""
    most = ORDINALS_MAX if family.columns == "native" else ONE_HOT_MAX
    possible = [name for name in categories if len(features[name].cat.categories) > most]
    return [name for name in possible if features[name].iloc[rows].nunique() > most]


def _steps(family: Family, parameters: Mapping[str, Value], numbers: list[str], categories: list[str]) -> Steps:
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE_ROWS, max_categories=ONE_HOT_MAX)
    median = SimpleImputer(strategy="median", add_indicator=True)
    missing = MissingIndicator(error_on_new=False)
    match family.columns:
        case "scaled":
            fill = Pipeline([("fill", median), ("scale", StandardScaler())])
            return _given(("numbers", fill, numbers), ("categories", one_hot, categories))
        case "powers":
            fill = Pipeline(
                [
                    ("fill", SimpleImputer(strategy="median")),
                    ("scale", StandardScaler()),
                    ("powers", PolynomialFeatures(int(parameters["degree"] or 2), include_bias=False)),
                    ("rescale", StandardScaler()),
                ]
            )
            return _given(
                ("numbers", fill, numbers), ("missing", missing, numbers), ("categories", one_hot, categories)
            )
        case "bins":
            ranges = KBinsDiscretizer(
                int(parameters["bins"] or 2), strategy="quantile", quantile_method="averaged_inverted_cdf"
            )
            fill = Pipeline([("fill", SimpleImputer(strategy="median")), ("bins", ranges)])
            return _given(
                ("numbers", fill, numbers),
                ("missing", MissingIndicator(features="all"), numbers),
                ("categories", one_hot, categories),
            )
        case _:
            gaps = family.columns in ("gaps", "native")
            ordinal = OrdinalEncoder(
                handle_unknown="use_encoded_value",
                unknown_value=np.nan if gaps else -1,
                min_frequency=RARE_ROWS,
                max_categories=ORDINALS_MAX,
            )
            return _given(("numbers", "passthrough" if gaps else median, numbers), ("categories", ordinal, categories))


def _date_steps(family: Family) -> Any:
    if family.columns in ("gaps", "native"):
        return DateParts()
    steps: list[tuple[str, Any]] = [("parts", DateParts()), ("fill", SimpleImputer(strategy="median"))]
    if family.columns == "bins":
        steps.append(
            ("bins", KBinsDiscretizer(DATE_BINS, strategy="quantile", quantile_method="averaged_inverted_cdf"))
        )
    elif family.columns != "ordinal":
        steps.append(("scale", StandardScaler()))
    return Pipeline(steps)


def _mean_encoder(task: str, classes: int, size: Size, seed: int) -> TargetEncoder:
    kind = "continuous" if task != CLASSIFICATION else "binary" if classes == 2 else "multiclass"
    folds = KFold(min(FOLDS, size.rows), shuffle=True, random_state=seed)
    return TargetEncoder(target_type=kind, cv=folds)


def _given(*steps: tuple[str, Any, list[str]]) -> Steps:
    return [step for step in steps if step[2]]


def settle(model: Pipeline) -> Pipeline:
    """Return the fitted pipeline without what only a fit needs, set to predict in one thread."""
    prepare = model.named_steps["prepare"]
    for _, step, _ in (*prepare.transformers, *prepare.transformers_):
        encoder = step.steps[0][1] if isinstance(step, Pipeline) else step
        if isinstance(encoder, TargetEncoder):
            encoder.cv = FOLDS
    forget_training(model.named_steps["model"])
    return model
