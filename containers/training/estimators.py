"""From a family's name and parameters to what learns. Everything random hangs on the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import ElasticNet, ElasticNetCV, LassoCV, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from containers.training.boosters import booster
from containers.training.families import CLASSIFICATION
from containers.training.network import TabularNetwork
from containers.training.parameters import Value, sizes
from containers.training.refusal import Refused

FOLDS = 5
"""Parts the training rows are dealt into where a parameter is found, or probabilities are, by cross-validation."""
SVM_ROWS_EXACT = 10_000
"""Rows up to which every pair of rows is compared; past them time and memory would grow with the square."""
SVM_POINTS = 500
"""Points the kernel is approximated by past ``SVM_ROWS_EXACT``."""
SVM_CACHE_MB = 500
LINEAR_STEPS = 5000
ALPHAS = 50
"""Strengths of shrinkage that are tried."""


class Size(NamedTuple):
    """What an estimator must know of the training rows."""

    rows: int
    smallest: int
    """Rows of the smallest class; for regression as many as there are rows."""
    folds: Sequence[tuple[Any, Any]] = ()
    """By place, rows to learn from and to judge on, where a parameter is to be found by group or by time."""


def estimator(name: str, task: str, parameters: Mapping[str, Value], size: Size, seed: int) -> Any:
    """Return the unfitted estimator of a family."""
    given: dict[str, Any] = dict(parameters)
    classify = task == CLASSIFICATION
    match name:
        case "linear":
            return LinearRegression(**given)
        case "ridge":
            return Ridge(**given, random_state=seed)
        case "lasso" | "elasticnet":
            return _sparse(name, given, size, seed)
        case "polynomial":
            return Ridge(alpha=given["alpha"], random_state=seed)
        case "logistic":
            return LogisticRegression(**given, random_state=seed)
        case "naive_bayes":
            return MultinomialNB(alpha=given["alpha"])
        case "knn":
            given["n_neighbors"] = min(given["n_neighbors"], size.rows)
            near = KNeighborsClassifier if classify else KNeighborsRegressor
            return near(**given, algorithm="brute", n_jobs=1)
        case "svm":
            return _svm(classify, given, size, seed)
        case "mlp_regression" | "mlp_classification":
            return _mlp(classify, given, size, seed)
        case "neural_network":
            return TabularNetwork(classify=classify, **given, seed=seed)
        case "xgboost" | "lightgbm" | "catboost":
            return booster(name, classify, given, seed)
        case _:
            return _trees(name, classify, given, seed)


def _sparse(name: str, given: dict[str, Any], size: Size, seed: int) -> Any:
    alpha = given.pop("alpha")
    if name == "lasso":
        given["l1_ratio"] = 1.0
    if alpha is not None:
        return ElasticNet(**given, alpha=alpha, max_iter=LINEAR_STEPS, random_state=seed)
    at_random = KFold(min(FOLDS, size.rows), shuffle=True, random_state=seed)
    common = {"alphas": ALPHAS, "max_iter": LINEAR_STEPS, "cv": size.folds or at_random, "random_state": seed}
    if name == "lasso":
        del given["l1_ratio"]
        return LassoCV(**given, **common)
    return ElasticNetCV(**given, **common)


def _svm(classify: bool, given: dict[str, Any], size: Size, seed: int) -> Any:
    cost, kernel, gamma = given["C"], given["kernel"], given["gamma"]
    straight = {"C": cost, "max_iter": LINEAR_STEPS, "random_state": seed, "dual": "auto"}
    line = LinearSVC(**straight) if classify else LinearSVR(**straight, loss="squared_epsilon_insensitive")
    model: Any
    if kernel == "linear":
        model = line
    elif size.rows > SVM_ROWS_EXACT:
        near = Nystroem(kernel="rbf", gamma=gamma, n_components=SVM_POINTS, random_state=seed)
        model = Pipeline([("kernel", near), ("line", line)])
    else:
        curve = {"C": cost, "gamma": gamma or "scale", "cache_size": SVM_CACHE_MB}
        model = SVC(**curve, random_state=seed) if classify else SVR(**curve)
    if not classify:
        return TransformedTargetRegressor(model, transformer=StandardScaler())
    if size.smallest < 2:
        raise Refused("E-MODEL-SIZE", "svm needs two training rows of each class: choose another model")
    folds = StratifiedKFold(max(2, min(FOLDS, size.smallest)), shuffle=True, random_state=seed)
    return CalibratedClassifierCV(model, cv=folds, ensemble=False)


def _mlp(classify: bool, given: dict[str, Any], size: Size, seed: int) -> Any:
    given["hidden_layer_sizes"] = sizes(str(given["hidden_layer_sizes"]))
    batch = given.pop("batch_size")
    given["batch_size"] = "auto" if batch is None else min(batch, size.rows)
    if classify:
        return MLPClassifier(**given, random_state=seed)
    return TransformedTargetRegressor(MLPRegressor(**given, random_state=seed), transformer=StandardScaler())


def _trees(name: str, classify: bool, given: dict[str, Any], seed: int) -> Any:
    if name == "hist_gradient_boosting":
        boosting = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
        # early stopping would hold out rows of its own, and fail where a class has too few
        return boosting(**given, early_stopping=False, random_state=seed)
    if name == "random_forest":
        features = given.pop("max_features")
        chosen = features if features is not None else ("sqrt" if classify else 1.0)
        forest = RandomForestClassifier if classify else RandomForestRegressor
        return forest(**given, max_features=chosen, random_state=seed)
    balance = given.pop("class_weight")
    if classify:
        return DecisionTreeClassifier(**given, class_weight=balance, random_state=seed)
    return DecisionTreeRegressor(**given, random_state=seed)


def found_by_fit(model: Any) -> dict[str, float]:
    """Return the parameters that a fit found by itself."""
    if isinstance(model, LassoCV | ElasticNetCV):
        return {"alpha": float(model.alpha_)}
    return {}


def forget_training(model: Any) -> None:
    """Take out of a fitted estimator what only a fit needs, so that its file holds fewer kinds of thing."""
    match model:
        case LassoCV() | ElasticNetCV():
            model.cv = None
            model.mse_path_ = model.mse_path_[:0]
        case CalibratedClassifierCV():
            model.cv = None
        case TransformedTargetRegressor():
            forget_training(model.regressor_)
            forget_training(model.regressor)
        case MLPClassifier() | MLPRegressor():
            for name in ("_optimizer", "_random_state", "_label_binarizer_training"):
                vars(model).pop(name, None)
        case RandomForestClassifier() | RandomForestRegressor():
            model.set_params(n_jobs=1)  # several threads add up a forest's trees in any order
