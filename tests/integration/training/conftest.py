"""One bundle per family and kind of data, trained once."""

from __future__ import annotations

import csv
import fcntl
import os
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


PARAMETERS = {"random_forest": {"n_estimators": 60}, "catboost": {"iterations": 60}}
"""Model → what makes it quick."""


class Bundles(dict[str, Path]):
    """Trained bundles by case, each made when it is first asked for, and once for all workers of a run."""

    def __init__(self, folder: Path, sources: dict[str, Path]) -> None:
        super().__init__()
        self._folder = folder
        self._sources = sources
        folder.mkdir(exist_ok=True)

    def __missing__(self, case: str) -> Path:
        data, target, model = CASES[case]
        done = self._folder / f"{case}.done"
        with (self._folder / f"{case}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                parameters = PARAMETERS.get(model, {})
                train(self._folder / case, self._sources[data], target, model=model, parameters=parameters)
                done.touch()
        self[case] = self._folder / case / "out"
        return self[case]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory, sources: dict[str, Path]) -> dict[str, Path]:
    """The bundle of each case; none is to be changed."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return Bundles(shared / "bundles", sources)
