"""The kinds of model, by name: their tasks, bounds and parameters. Standard library only.

Inspection checks names, values and sizes here before any money is spent; ``estimators`` makes what learns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from containers.training.parameters import Parameter, Value, complete
from containers.training.refusal import Refused, nearest, quoted

CLASSIFICATION = "classification"
REGRESSION = "regression"
AUTO = "auto"

AUTO_CANDIDATES = {
    CLASSIFICATION: ("logistic", "hist_gradient_boosting", "random_forest", "svm"),
    REGRESSION: ("ridge", "hist_gradient_boosting", "random_forest", "svm"),
}
"""Task → what ``auto`` tries, in this order, with their defaults: one of each way to learn, none of which needs a
library that only some machines have. The first is the plainest, quick with any data, and wins a tie."""
AUTO_ROWS_MAX = {"svm": 3000}
"""Training rows up to which ``auto`` tries a family; it is slow past them, and hardly ever the best there."""
KNN_ROWS_MAX = 200_000
"""A neighbours model holds its training rows, and looks among all of them for each answer."""
TERMS_MAX = 5000
"""Most columns a polynomial may have."""
TERM_CELLS_MAX = 100_000_000
"""Most cells (rows × terms, 800 MB) a polynomial may have."""
SVM_CLASS_ROWS_MIN = 3
"""Rows of each class that leave two to train on, which probabilities need."""


class Family(NamedTuple):
    """One kind of model."""

    name: str
    text: str
    tasks: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    columns: Literal["scaled", "powers", "bins", "ordinal", "gaps", "native"] = "scaled"
    """How columns are prepared (``pipeline``)."""
    library: str | None = None
    """The library it needs beside scikit-learn."""
    uses_gpu: bool = False
    """Whether it computes on a graphics card where the machine has one, in the GPU image."""
    wants_gpu: bool = False
    """Whether a card is worth its price, so that no machine without one is offered."""
    note: str = ""
    """What else to know, one sentence."""

    def json(self) -> dict[str, Any]:
        """Return the family as lists show it."""
        return {
            "name": self.name,
            "text": self.text,
            "tasks": list(self.tasks),
            "library": self.library,
            "uses_gpu": self.uses_gpu,
            "note": self.note,
            "parameters": [p.json() for p in self.parameters],
        }


_BOTH = (CLASSIFICATION, REGRESSION)
_DEPTH = Parameter("max_depth", "int", None, 1, 200, optional=True)
_LEAF = Parameter("min_samples_leaf", "int", 1, 1, 100_000)
_BALANCE = Parameter("class_weight", "choice", None, choices=("balanced",), optional=True, null="classes as they are")
_INTERCEPT = Parameter("fit_intercept", "bool", default=True)
_FOUND = Parameter("alpha", "float", None, 1e-9, 1e9, optional=True, null="found by cross-validation")
_ROUNDS = Parameter("n_estimators", "int", 200, 1, 10_000)
_SHARES = (Parameter("subsample", "float", 1.0, 0.01, 1.0), Parameter("colsample_bytree", "float", 1.0, 0.01, 1.0))
_MLP = (
    Parameter("hidden_layer_sizes", "sizes", "64,32", 1, 4096),
    Parameter("activation", "choice", "relu", choices=("relu", "tanh", "logistic")),
    Parameter("alpha", "float", 1e-4, 0.0, 1e3),
    Parameter("learning_rate_init", "float", 1e-3, 1e-6, 1.0),
    Parameter("batch_size", "int", None, 1, 100_000, optional=True, null="200, or all rows where there are fewer"),
    Parameter("max_iter", "int", 200, 1, 10_000),
)

FAMILIES: dict[str, Family] = {
    f.name: f
    for f in (
        Family("linear", "least squares", (REGRESSION,), (_INTERCEPT,)),
        Family(
            "ridge",
            "least squares with shrinkage",
            (REGRESSION,),
            (Parameter("alpha", "float", 1.0, 1e-9, 1e9), _INTERCEPT),
        ),
        Family("lasso", "least squares that leaves columns out", (REGRESSION,), (_FOUND, _INTERCEPT)),
        Family(
            "elasticnet",
            "between ridge and lasso",
            (REGRESSION,),
            (_FOUND, Parameter("l1_ratio", "float", 0.5, 0.01, 1.0), _INTERCEPT),
        ),
        Family(
            "polynomial",
            "least squares on products of numbers",
            (REGRESSION,),
            (Parameter("degree", "int", 2, 2, 4), Parameter("alpha", "float", 1.0, 1e-9, 1e9)),
            columns="powers",
            note=f"At most {TERMS_MAX:,} products; categories are added as they are.",
        ),
        Family(
            "logistic",
            "logistic regression",
            (CLASSIFICATION,),
            (Parameter("C", "float", 1.0, 1e-9, 1e9), Parameter("max_iter", "int", 1000, 1, 100_000), _BALANCE),
        ),
        Family(
            "naive_bayes",
            "how often each value goes with each class",
            (CLASSIFICATION,),
            (Parameter("bins", "int", 10, 2, 100), Parameter("alpha", "float", 1.0, 1e-6, 1e3)),
            columns="bins",
        ),
        Family(
            "knn",
            "the most similar training rows",
            _BOTH,
            (
                Parameter("n_neighbors", "int", 15, 1, 1000),
                Parameter("weights", "choice", "distance", choices=("uniform", "distance")),
            ),
            note=f"The model file holds the training rows; at most {KNN_ROWS_MAX:,} of them.",
        ),
        Family(
            "svm",
            "support vectors",
            _BOTH,
            (
                Parameter("C", "float", 1.0, 1e-9, 1e6),
                Parameter("kernel", "choice", "rbf", choices=("rbf", "linear")),
                Parameter("gamma", "float", None, 1e-9, 1e6, optional=True, null="one over columns times variance"),
            ),
            note="Past 10,000 training rows the kernel is approximated by 500 points.",
        ),
        Family(
            "decision_tree",
            "one tree of questions",
            _BOTH,
            (_DEPTH, _LEAF._replace(default=5), _BALANCE),
            columns="ordinal",
        ),
        Family(
            "random_forest",
            "many decision trees, averaged",
            _BOTH,
            (
                Parameter("n_estimators", "int", 200, 1, 5000),
                _DEPTH,
                _LEAF,
                Parameter(
                    "max_features", "float", None, 0.01, 1.0, optional=True, null="√ of them for classes, else all"
                ),
            ),
            columns="ordinal",
        ),
        Family(
            "hist_gradient_boosting",
            "boosted decision trees on histograms",
            _BOTH,
            (
                Parameter("learning_rate", "float", 0.1, 1e-4, 1.0),
                Parameter("max_iter", "int", 100, 1, 10_000),
                Parameter("max_leaf_nodes", "int", 31, 2, 4096, optional=True),
                _DEPTH,
                _LEAF._replace(default=20),
                Parameter("l2_regularization", "float", 0.0, 0.0, 1e9),
            ),
            columns="native",
        ),
        Family(
            "xgboost",
            "boosted decision trees of XGBoost",
            _BOTH,
            (
                _ROUNDS,
                Parameter("learning_rate", "float", 0.1, 1e-4, 1.0),
                _DEPTH._replace(default=6, high=32, optional=False),
                Parameter("min_child_weight", "float", 1.0, 0.0, 1e6),
                *_SHARES,
                Parameter("reg_lambda", "float", 1.0, 0.0, 1e9),
            ),
            columns="gaps",
            library="xgboost",
            uses_gpu=True,
            note="In the GPU image it computes on a graphics card, where the machine has one; tried on one H100.",
        ),
        Family(
            "lightgbm",
            "boosted decision trees of LightGBM",
            _BOTH,
            (
                _ROUNDS._replace(default=100),
                Parameter("learning_rate", "float", 0.1, 1e-4, 1.0),
                Parameter("num_leaves", "int", 31, 2, 4096),
                _DEPTH,
                Parameter("min_child_samples", "int", 20, 1, 100_000),
                *_SHARES,
                Parameter("reg_lambda", "float", 0.0, 0.0, 1e9),
            ),
            columns="gaps",
            library="lightgbm",
        ),
        Family(
            "catboost",
            "boosted symmetric trees of CatBoost",
            _BOTH,
            (
                Parameter("iterations", "int", 300, 1, 10_000),
                Parameter("learning_rate", "float", None, 1e-4, 1.0, optional=True, null="by rows and iterations"),
                Parameter("depth", "int", 6, 1, 12),
                Parameter("l2_leaf_reg", "float", 3.0, 0.0, 1e9),
            ),
            columns="gaps",
            library="catboost",
        ),
        Family(
            "neural_network",
            "neural network of PyTorch",
            _BOTH,
            (
                Parameter("hidden_layer_sizes", "sizes", "128,64", 1, 4096),
                Parameter("epochs", "int", 60, 1, 10_000),
                Parameter("batch_size", "int", 256, 1, 100_000),
                Parameter("learning_rate", "float", 1e-3, 1e-6, 1.0),
                Parameter("dropout", "float", 0.1, 0.0, 0.9),
                Parameter("weight_decay", "float", 1e-4, 0.0, 1.0),
            ),
            library="torch",
            uses_gpu=True,
            wants_gpu=True,
            note="GPU image only; tried on one H100. Predictions need no PyTorch.",
        ),
        Family("mlp_regression", "neural network of a few layers", (REGRESSION,), _MLP),
        Family("mlp_classification", "neural network of a few layers", (CLASSIFICATION,), _MLP),
    )
}
ALIASES = {"gradient_boosting": "hist_gradient_boosting"}
"""Other names that are understood."""


def model_names() -> tuple[str, ...]:
    """Return every name that may be asked for, ``auto`` first."""
    return (AUTO, *FAMILIES, *ALIASES)


def check_model(model: str) -> None:
    """Refuse a model name that is not known (E-MODEL-UNKNOWN)."""
    if model in model_names():
        return
    like = nearest(model, model_names())
    fix = f"did you mean {like}?" if like else f"choose one of {', '.join(model_names())}"
    raise Refused("E-MODEL-UNKNOWN", f"There is no model {quoted(model)}: {fix}")


def tasks_of(model: str) -> tuple[str, ...]:
    """Return the tasks a known model name can do."""
    if model == AUTO:
        return (CLASSIFICATION, REGRESSION)
    return FAMILIES[ALIASES.get(model, model)].tasks


def library_of(model: str) -> str | None:
    """Return the library a model name needs beside scikit-learn; ``None`` also for names that are not known."""
    family = FAMILIES.get(ALIASES.get(model, model))
    return family.library if family else None


IMAGE_ONLY = frozenset({"torch"})
"""Libraries that are too large to bring along with a job: an image has them, or no machine."""


def library_to_predict(model: str) -> str | None:
    """Return the library a model's answers need beside scikit-learn."""
    library = library_of(model)
    return None if library in IMAGE_ONLY else library


def models_for(task: str) -> tuple[str, ...]:
    """Return the families that can do ``task``."""
    return tuple(f.name for f in FAMILIES.values() if task in f.tasks)


def candidates(model: str, task: str) -> tuple[Family, ...]:
    """Return the families a known model name stands for: those ``auto`` chooses among, else the one."""
    if model == AUTO:
        return tuple(FAMILIES[name] for name in AUTO_CANDIDATES[task])
    return (FAMILIES[ALIASES.get(model, model)],)


def complete_parameters(family: Family, given: Mapping[str, object]) -> dict[str, Value]:
    """Return every parameter of ``family`` with the given or default value; raises E-PARAMETER."""
    return complete(family.name, family.parameters, given)


def check_size(
    family: Family, parameters: Mapping[str, Value], rows: int, numbers: int, class_rows: int | None
) -> None:
    """Refuse data this family cannot learn from (E-MODEL-SIZE).

    ``numbers`` are the numeric features, ``class_rows`` the rows of the smallest class.
    """
    if family.name == "knn" and rows > KNN_ROWS_MAX:
        why = f"knn compares with every training row, at most {KNN_ROWS_MAX:,}; the file has {rows:,}"
        raise _size(why, "choose another model or send fewer rows")
    if family.name == "svm" and class_rows is not None and class_rows < SVM_CLASS_ROWS_MIN:
        why = f"svm needs at least {SVM_CLASS_ROWS_MIN} rows of each class; the rarest has {class_rows}"
        raise _size(why, "choose another model or leave the rows of that class out")
    if family.name == "polynomial":
        degree = int(parameters["degree"] or 0)
        terms = math.comb(numbers + degree, degree)
        most = min(TERMS_MAX, TERM_CELLS_MAX // max(1, rows))
        if terms > most:
            raise _size(
                f"{numbers} numbers to the degree {degree} make {terms:,} products, at most {most:,} fit with "
                f"{rows:,} rows",
                "choose another model, fewer features or a smaller degree",
            )


def _size(why: str, fix: str) -> Refused:
    return Refused("E-MODEL-SIZE", f"{why}: {fix}")
