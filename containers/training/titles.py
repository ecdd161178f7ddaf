"""What kinds of model are called by people, in one wording everywhere. Standard library only."""

from __future__ import annotations

TITLES = {
    "linear": "linear regression",
    "ridge": "ridge regression",
    "elasticnet": "elastic net",
    "polynomial": "polynomial regression",
    "logistic": "logistic regression",
    "hist_gradient_boosting": "histogram gradient boosting",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "svm": "support vector machine",
    "naive_bayes": "naive Bayes",
    "knn": "k nearest neighbours",
    "mlp_regression": "neural network",
    "mlp_classification": "neural network",
}
"""Where a family's name is not it."""


def title_of(family: str) -> str:
    """Return what a family is called."""
    return TITLES.get(family, family.replace("_", " "))
