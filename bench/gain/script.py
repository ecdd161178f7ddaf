"""The baseline: a careful pandas and scikit-learn script for one family, with the library's own defaults.

Careful means: gaps filled by the median, numbers scaled where the family cares, texts one column each (ordinals for
trees), the strength of lasso and elastic net found by cross-validation, a target that is a number scaled for support
vectors and networks. Everything else is what the library does when nothing is said.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNetCV, LassoCV, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

TREES = frozenset({"decision_tree", "random_forest"})
GAPS = frozenset({"hist_gradient_boosting", "xgboost", "lightgbm", "catboost"})
"""Families that read gaps by themselves."""


def learner(family: str, task: str, seed: int) -> Any:
    """Return the family with its library's defaults, and the seed."""
    classify = task == "classification"
    match family:
        case "linear":
            return LinearRegression()
        case "ridge":
            return Ridge()
        case "lasso":
            return LassoCV(random_state=seed)
        case "elasticnet":
            return ElasticNetCV(random_state=seed)
        case "polynomial":
            return make_pipeline(PolynomialFeatures(), StandardScaler(), Ridge())
        case "logistic":
            return LogisticRegression(max_iter=1000)
        case "naive_bayes":
            return GaussianNB()
        case "knn":
            return KNeighborsClassifier() if classify else KNeighborsRegressor()
        case "svm":
            return SVC(probability=False, random_state=seed) if classify else _scaled(SVR())
        case "decision_tree":
            return (DecisionTreeClassifier if classify else DecisionTreeRegressor)(random_state=seed)
        case "random_forest":
            return (RandomForestClassifier if classify else RandomForestRegressor)(random_state=seed)
        case "hist_gradient_boosting":
            return (HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor)(random_state=seed)
        case "mlp_classification" | "mlp_regression" | "neural_network":  # PyTorch has no defaults of its own
            if classify:
                return MLPClassifier(max_iter=1000, random_state=seed)
            return _scaled(MLPRegressor(max_iter=1000, random_state=seed))
        case _:
            return _booster(family, classify, seed)


def _scaled(model: Any) -> Any:
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _booster(family: str, classify: bool, seed: int) -> Any:
    if family == "xgboost":
        import xgboost

        return (xgboost.XGBClassifier if classify else xgboost.XGBRegressor)(n_jobs=1, random_state=seed)
    if family == "lightgbm":
        import lightgbm

        return (lightgbm.LGBMClassifier if classify else lightgbm.LGBMRegressor)(
            n_jobs=1, random_state=seed, verbosity=-1
        )
    import catboost

    kind = catboost.CatBoostClassifier if classify else catboost.CatBoostRegressor
    return kind(random_seed=seed, thread_count=1, allow_writing_files=False, logging_level="Silent")


def preparation(family: str, features: pd.DataFrame) -> ColumnTransformer:
    """Return how the columns are prepared for the family."""
    numbers = [str(c) for c in features.select_dtypes("number").columns]
    texts = [str(c) for c in features.columns if c not in numbers]
    gaps: Any = SimpleImputer(strategy="most_frequent")
    if family in GAPS:
        ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        return ColumnTransformer([("numbers", "passthrough", numbers), ("texts", ordinal, texts)])
    if family in TREES:
        ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        fill: Any = SimpleImputer(strategy="median")
        return ColumnTransformer([("numbers", fill, numbers), ("texts", make_pipeline(gaps, ordinal), texts)])
    fill = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    one_hot = make_pipeline(gaps, OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    return ColumnTransformer([("numbers", fill, numbers), ("texts", one_hot, texts)], sparse_threshold=0)


def gain(
    table: pd.DataFrame,
    target: str,
    task: str,
    family: str,
    held_out: Any,
    metric: str,
    positive: str | None,
    seed: int,
) -> tuple[float, float]:
    """Return the score of the script and of a dummy on the rows ``held_out`` (a mask), by the metric named."""
    features, answers = table.drop(columns=[target]), table[target]
    truth = answers.to_numpy(dtype=float) if task == "regression" else LabelEncoder().fit_transform(answers)
    looked_for = sorted(set(answers)).index(positive) if positive is not None else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(preparation(family, features), learner(family, task, seed))
        model.fit(features[~held_out], truth[~held_out])
        said = _answers(model, features[held_out], metric, looked_for)
    return _score(metric, truth[held_out], said, looked_for), _guessing(metric, truth, held_out)


def _answers(model: Any, features: pd.DataFrame, metric: str, looked_for: int | None) -> Any:
    if metric in ("rmse", "f1_macro"):
        return np.asarray(model.predict(features)).ravel()
    if hasattr(model, "predict_proba"):
        return model.predict_proba(features)[:, looked_for]
    return model.decision_function(features) * (1 if looked_for == 1 else -1)


def _score(metric: str, truth: Any, said: Any, looked_for: int | None) -> float:
    if metric == "rmse":
        return float(np.sqrt(metrics.mean_squared_error(truth, said)))
    if metric == "f1_macro":
        return float(metrics.f1_score(truth, said, average="macro"))
    ranking = metrics.average_precision_score if metric == "average_precision" else metrics.roc_auc_score
    return float(ranking(truth == looked_for, said))


def _guessing(metric: str, truth: Any, held_out: Any) -> float:
    """Return what the training mean, or the commonest class, scores."""
    known, asked = truth[~held_out], truth[held_out]
    if metric == "rmse":
        return float(np.sqrt(np.mean((asked - np.mean(known)) ** 2)))
    if metric == "roc_auc":
        return 0.5
    if metric == "average_precision":
        return float(np.mean(asked == 1))
    return float(metrics.f1_score(asked, np.full(len(asked), np.bincount(known).argmax()), average="macro"))
