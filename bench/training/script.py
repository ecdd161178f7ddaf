"""The baseline: what a careful data scientist writes with pandas and scikit-learn for one file, one target, one model.

``python -m bench.training.script FILE TARGET MODEL OUT`` prints one JSON line with the time of each step, CPU and peak
memory of the process, and the held-out score. MODEL is ``linear``, ``histogram`` or ``linear_sparse``. It does what the
product does and no more: typed columns, rows without a target dropped, the same split, the same preparation, the same
model with the same parameters, a dummy, predictions.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

SEED = 42
TEST_SHARE = 0.2


class Steps:
    """Wall and CPU seconds of each step."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def done(self, name: str) -> None:
        """Note the step that ends here."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.found[name] = {"wall": wall - self._wall, "cpu": cpu - self._cpu}
        self._wall, self._cpu = wall, cpu


def estimator(model: str, task: str) -> Any:
    """Return the model with the parameters that the product's defaults have."""
    if model != "histogram":
        return LinearRegression() if task == "regression" else LogisticRegression(max_iter=1000)
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    return kind(random_state=SEED, early_stopping=False)


def preparation(model: str, numbers: list[str], texts: list[str]) -> ColumnTransformer:
    """Return how columns are prepared for the model."""
    if model != "histogram":
        fill = Pipeline([("fill", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())])
        one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, max_categories=50)
        return ColumnTransformer(
            [("numbers", fill, numbers), ("texts", one_hot, texts)],
            sparse_threshold=1.0 if model == "linear_sparse" else 0,
        )
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer([("numbers", "passthrough", numbers), ("texts", ordinal, texts)])


def score(model: Any, features: Any, truth: Any, task: str) -> float:
    """Return R² or the area under the curve."""
    if task == "regression":
        return float(r2_score(truth, model.predict(features)))
    said = model.predict_proba(features)
    if said.shape[1] == 2:
        return float(roc_auc_score(truth, said[:, 1]))
    return float(roc_auc_score(truth, said, multi_class="ovr"))


def main(file: str, target: str, model: str, out: str) -> None:
    """Train, judge and predict; print what it took."""
    steps = Steps()
    table = pd.read_csv(file).dropna(subset=[target])
    features, answers = table.drop(columns=[target]), table[target]
    task = "regression" if pd.api.types.is_float_dtype(answers) else "classification"
    numbers = [str(c) for c in features.select_dtypes("number").columns]
    texts = [str(c) for c in features.columns if c not in numbers]
    stratify = answers if task == "classification" else None
    train, test, y_train, y_test = train_test_split(
        features, answers, test_size=TEST_SHARE, random_state=SEED, stratify=stratify
    )
    prepare = preparation(model, numbers, texts)
    prepared = prepare.fit_transform(train)
    steps.done("load_prepare")
    learner = estimator(model, task)
    if model == "histogram":
        learner.set_params(categorical_features=list(range(len(numbers), len(numbers) + len(texts))))
    learner.fit(prepared, y_train)
    steps.done("fit")
    whole = Pipeline([("prepare", prepare), ("model", learner)])
    found = score(whole, test, y_test, task)
    dummy = DummyRegressor() if task == "regression" else DummyClassifier(strategy="prior")
    guess = score(dummy.fit(train, y_train), test, y_test, task)
    joblib.dump(whole, Path(out) / "model.joblib")
    steps.done("evaluate_save")
    again = pd.read_csv(file)
    asked = again.drop(columns=[target])
    again["prediction"] = whole.predict(asked)
    if task == "classification":
        again[[f"probability_{c}" for c in learner.classes_]] = whole.predict_proba(asked)
    again.to_csv(Path(out) / "predicted.csv", index=False)
    steps.done("predict")
    print(
        json.dumps(
            {
                "steps": steps.found,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "rows": len(again),
                "score": found,
                "dummy": guess,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
