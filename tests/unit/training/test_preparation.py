"""Columns are prepared as scikit-learn would prepare them row by row: the same numbers, the same fitted parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from containers.training.estimators import Size
from containers.training.families import FAMILIES, complete_parameters
from containers.training.pipeline import build, many_valued
from containers.training.preparation import prepare

ROWS = 600


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Return where two fitted things are not the same, bit for bit."""
    if type(one) is not type(other):
        return [f"{at}: {type(one)} is not {type(other)}"]
    if sparse.issparse(one):
        return [d for n in ("data", "indices", "indptr", "shape") for d in differences(getattr(one, n), getattr(other, n), n)]  # fmt: skip  # noqa: E501
    if isinstance(one, np.ndarray):
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return [f"{at}: {one.dtype}{one.shape} is not {other.dtype}{other.shape}"]
        if one.dtype == object:
            return differences(one.ravel().tolist(), other.ravel().tolist(), at)
        return [] if one.tobytes() == other.tobytes() else [f"{at}: other values"]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{at}: {one.keys() ^ other.keys()}"]
        return [d for key in one for d in differences(one[key], other[key], f"{at}.{key}")]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f"{at}: {len(one)} is not {len(other)}"]
        return [d for i, (a, b) in enumerate(zip(one, other, strict=True)) for d in differences(a, b, f"{at}[{i}]")]
    if hasattr(one, "__dict__") and not isinstance(one, type):
        return differences(vars(one), vars(other), at)
    return [] if one == other or (one != one and other != other) else [f"{at}: {one!r} is not {other!r}"]


def texts(codes: Any, most: int) -> Any:
    """Codes as a column of texts whose order is not that of the codes."""
    names = pd.Index([""] + [f"t{i * 7919 % 10007}" for i in range(1, most)], dtype=object)
    return pd.Categorical.from_codes(codes % most, categories=names)


def frame(kind: str) -> pd.DataFrame:
    """A table with gaps, odd numbers and texts of many or few values."""
    draw = np.random.default_rng(len(kind))
    gaps = draw.normal(3, 50, ROWS)
    gaps[::7] = np.nan
    columns: dict[str, Any] = {
        "whole": draw.integers(0, 9, ROWS).astype(np.float64),
        "gaps": gaps,
        "huge": draw.lognormal(30, 9, ROWS),
    }
    if kind != "numbers":
        columns["full"] = draw.normal(0, 3, ROWS)
        columns["few"] = texts(draw.integers(0, 4, ROWS), 9)
        columns["rare"] = texts(np.minimum(draw.geometric(0.3, ROWS), 12), 13)
    if kind == "many":
        columns["many"] = texts((draw.pareto(0.4, ROWS) * 4).astype(np.int64) % 400, 401)
        columns["edge"] = texts(np.arange(ROWS) % 50, 51)
    if kind == "ties":
        columns["ties"] = texts(np.arange(ROWS) % 60, 61)
    if kind == "lone":
        columns = {"one": texts(np.zeros(ROWS, dtype=np.int64), 2), "each": texts(np.arange(ROWS), ROWS)}
    if kind == "full":
        del columns["gaps"]
    if kind == "dates":
        columns["day"] = (np.arange(ROWS) * 86_400).astype("datetime64[s]")
    return pd.DataFrame(columns)


KINDS = ("numbers", "full", "few", "many", "ties", "lone", "dates")
CASES = [
    ("linear", "regression"), ("logistic", "classification"), ("polynomial", "regression"), ("xgboost", "regression"),
    ("naive_bayes", "classification"), ("random_forest", "regression"), ("hist_gradient_boosting", "classification"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Bins whose width")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "task"), CASES)
def test_rows_and_fitted_parts_are_those_of_scikit_learn(family: str, task: str, kind: str) -> None:
    features, rows = frame(kind), np.flatnonzero(np.arange(ROWS) % 5 != 2)
    target = np.random.default_rng(1).integers(0, 2, len(rows)) if task == "classification" else np.sin(rows)
    made = steps(features, rows, family, task)
    ours, theirs = made(), made()
    found, expected = prepare(ours, features, target, rows), theirs.fit_transform(features.iloc[rows], target)
    assert differences(found, expected) == []
    assert differences(ours, theirs) == []
    if FAMILIES[family].columns in ("scaled", "powers", "bins") and not sparse.issparse(found):
        layout = (found.flags.f_contiguous, expected.flags.f_contiguous)
        assert layout[0] == layout[1], "sums over another layout come out otherwise in the last bit"


def steps(features: pd.DataFrame, rows: Any, family: str, task: str, size: int | None = None) -> Callable[[], Any]:
    """What makes the unfitted step that prepares these columns."""
    kinds = [(str(name), dtype) for name, dtype in features.dtypes.items()]
    chosen = FAMILIES[family]
    categories = [name for name, dtype in kinds if isinstance(dtype, pd.CategoricalDtype)]

    def made() -> Any:
        return build(
            chosen,
            task,
            complete_parameters(chosen, {}),
            [name for name, dtype in kinds if dtype == np.float64],
            categories,
            size=Size(size or len(rows), len(rows) // 4),
            dates=[name for name, dtype in kinds if getattr(dtype, "kind", "") == "M"],
            many=many_valued(features, rows, categories, chosen),
            classes=2 if task == "classification" else 0,
            seed=42,
            threads=1,
        ).named_steps["prepare"]

    return made


@pytest.mark.parametrize("kind", ["few", "many", "dates"])
def test_much_data_is_prepared_as_the_same_sparse_matrix(kind: str) -> None:
    features, rows = frame(kind), np.arange(ROWS)
    features["same"] = 1.0  # scaled, it is zero everywhere
    made = steps(features, rows, "linear", "regression", size=10**8)
    ours, theirs = made(), made()
    ours.sparse_threshold = theirs.sparse_threshold = 0.7
    found, expected = prepare(ours, features, np.sin(rows)), theirs.fit_transform(features, np.sin(rows))
    assert sparse.issparse(expected)
    assert differences(found, expected) == []
    assert differences(ours, theirs) == []


def test_a_column_without_any_number_in_the_rows_is_left_to_scikit_learn() -> None:
    features, rows = frame("few"), np.arange(50)
    features.loc[:49, "gaps"] = np.nan
    made = steps(features, rows, "linear", "regression")
    ours, theirs = made(), made()
    with pytest.warns(UserWarning, match="without any observed values"):
        found, expected = prepare(ours, features, rows, rows), theirs.fit_transform(features.iloc[rows], rows)
    assert differences(found, expected) == []


def test_texts_that_are_no_codes_are_left_to_scikit_learn() -> None:
    features, rows = frame("few"), np.arange(ROWS)
    made = steps(features, rows, "hist_gradient_boosting", "regression")
    plain = features.assign(few=features["few"].astype(object), rare=features["rare"].cat.set_categories(["t1"]))
    ours, theirs = made(), made()
    found, expected = prepare(ours, plain, rows), theirs.fit_transform(plain, rows)
    assert differences(found, expected) == []
    assert differences(ours, theirs) == []
