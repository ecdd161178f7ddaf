"""One bundle per family and kind of data, trained once."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from sklearn import datasets

from tests.integration.training.bundles import train
from tests.unit.training.files import penguins

CASES = {
    "linear": ("penguins", "body_mass_g", "linear"),
    "ridge": ("penguins", "body_mass_g", "ridge"),
    "ridge_diabetes": ("diabetes", "target", "ridge"),
    "logistic": ("penguins", "species", "logistic"),
    "logistic_binary": ("penguins", "sex", "logistic"),
    "forest": ("penguins", "island", "random_forest"),
    "forest_regression": ("diabetes", "target", "random_forest"),
    "boosting": ("penguins", "sex", "gradient_boosting"),
    "boosting_regression": ("penguins", "flipper_length_mm", "hist_gradient_boosting"),
    "boosting_numbers": ("wine", "target", "hist_gradient_boosting"),
    "lasso": ("penguins", "body_mass_g", "lasso"),
    "elasticnet": ("diabetes", "target", "elasticnet"),
    "polynomial": ("penguins", "body_mass_g", "polynomial"),
    "naive_bayes": ("penguins", "species", "naive_bayes"),
    "knn": ("penguins", "species", "knn"),
    "knn_regression": ("diabetes", "target", "knn"),
    "svm": ("penguins", "sex", "svm"),
    "svm_many": ("wine", "target", "svm"),
    "svm_regression": ("penguins", "body_mass_g", "svm"),
    "tree": ("penguins", "species", "decision_tree"),
    "tree_regression": ("penguins", "body_mass_g", "decision_tree"),
    "mlp_regression": ("penguins", "body_mass_g", "mlp_regression"),
    "mlp_classification": ("penguins", "sex", "mlp_classification"),
    "xgboost": ("penguins", "species", "xgboost"),
    "xgboost_regression": ("penguins", "body_mass_g", "xgboost"),
    "lightgbm": ("penguins", "sex", "lightgbm"),
    "lightgbm_regression": ("penguins", "body_mass_g", "lightgbm"),
    "catboost": ("penguins", "species", "catboost"),
    "catboost_regression": ("penguins", "body_mass_g", "catboost"),
    "auto": ("wine", "target", "auto"),
}
"""Name → (data, target, model)."""


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the data files: one with numbers, categories and gaps, two of numbers only."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(penguins(), folder / "penguins.csv")
    for name, load in (("diabetes", datasets.load_diabetes), ("wine", datasets.load_wine)):
        found = load()
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*found.feature_names, "target"])
            writer.writerows([*row, y] for row, y in zip(found.data.tolist(), found.target.tolist(), strict=True))
    return {name: folder / f"{name}.csv" for name in ("penguins", "diabetes", "wine")}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, sources: dict[str, Path]) -> dict[str, Path]:
    """Return one trained bundle per case."""
    folder = tmp_path_factory.mktemp("bundles")
    parameters = {"random_forest": {"n_estimators": 60}, "catboost": {"iterations": 60}}
    return {
        name: train(folder / name, sources[data], target, model=model, parameters=parameters.get(model, {}))
        for name, (data, target, model) in CASES.items()
    }
