"""Fitting what prepares the columns, and preparing the training rows, without walking through texts row by row.

Texts are codes into a few categories: an encoder is fitted on a small table in which every category stands as often as
it matters, and rows are then looked up by code. A median is told to an imputer by the two values in the middle. What is
fitted and what comes out is what scikit-learn's own ``ColumnTransformer.fit_transform`` gives, bit for bit, which a
test holds; only the work and the memory are less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

PASSTHROUGH = "passthrough"
GROWTH_MAX = 5000
"""Rows by which the small table may grow until it fits all columns."""
INDEX_MAX = 2**31 - 1
"""Cells of a sparse matrix whose places are 32-bit numbers."""


class _Part(NamedTuple):
    """What one step makes of the training rows: some columns of the whole."""

    fitted: Any
    width: int
    columns: Callable[[], Iterator[Any]]
    """The columns; of a one-hot part, for each column of texts the place of the one in each row."""
    hot: bool = False
    values: Any = None
    """The columns as one array, where they are."""


class _Ready(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Stands in a ``ColumnTransformer`` for a step that is fitted already, to tell its width."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __sklearn_clone__(self) -> _Ready:
        return self

    def fit(self, features: Any, target: Any = None) -> _Ready:  # noqa: ARG002  # scikit-learn gives them
        """Do nothing."""
        return self

    def transform(self, features: Any) -> Any:
        """Return zeros."""
        return np.zeros((len(features), self.width))

    def fit_transform(self, features: Any, target: Any = None) -> Any:  # noqa: ARG002  # scikit-learn gives it
        """Return zeros."""
        return self.transform(features)


def prepare(step: ColumnTransformer, features: pd.DataFrame, target: Any, rows: Any = None) -> Any:
    """Fit ``step`` on some rows of the features, or on all of them, and return these rows prepared, dense or sparse.

    ``target`` holds the target of those rows only.
    """
    if any(isinstance(_steps(transformer)[-1], KBinsDiscretizer) for _, transformer, _ in step.transformers):
        return step.fit_transform(features if rows is None else features.iloc[rows], target)
    chosen = np.arange(len(features)) if rows is None else rows
    parts = [_part(each, features[list(names)], target, chosen) for _, each, names in step.transformers]
    _fit_around(step, features.iloc[chosen[:1]], parts)
    width = sum(part.width for part in parts)
    if any(part.hot for part in parts):
        step.sparse_output_ = _cells(parts) / width < step.sparse_threshold
    if step.sparse_output_:
        return _sparse(parts, len(chosen), width)
    return _dense(parts, len(chosen), width)


def _steps(transformer: Any) -> list[Any]:
    return [each for _, each in transformer.steps] if isinstance(transformer, Pipeline) else [transformer]


def _cells(parts: Sequence[_Part]) -> int:
    """Return how many cells of each row are not zero for sure."""
    return sum(sum(1 for _ in part.fitted.categories_) if part.hot else part.width for part in parts)


def _fit_around(step: ColumnTransformer, row: pd.DataFrame, parts: Sequence[_Part]) -> None:
    """Fit the transformer itself on a single row, with the steps fitted already."""
    given = step.transformers
    step.transformers = [
        (name, each if each == PASSTHROUGH else _Ready(part.width), names)
        for (name, each, names), part in zip(given, parts, strict=True)
    ]
    try:
        step.fit_transform(row)
    finally:
        step.transformers = given
    own = {name: part.fitted for (name, _, _), part in zip(given, parts, strict=True) if part.fitted is not None}
    step.transformers_ = [(name, own.get(name, each), names) for name, each, names in step.transformers_]


def _part(transformer: Any, columns: pd.DataFrame, target: Any, rows: Any) -> _Part:
    if transformer == PASSTHROUGH:
        taken = [columns[name].to_numpy() for name in columns.columns]
        return _Part(None, len(taken), lambda: (values[rows] for values in taken))
    quick = None
    if isinstance(transformer, OneHotEncoder | OrdinalEncoder):
        quick = _encoded(transformer, columns, rows)
    elif [type(each) for each in _steps(transformer)] in ([SimpleImputer], [SimpleImputer, StandardScaler]):
        quick = _filled(transformer, columns, rows)
    if quick:
        return quick
    fitted = clone(transformer)
    values = fitted.fit_transform(columns.iloc[rows], target)
    if isinstance(fitted, OneHotEncoder):
        places = values.indices.reshape(len(rows), -1)
        return _Part(fitted, values.shape[1], lambda: iter(places.T), hot=True)
    return _whole(fitted, np.asarray(values))


def _whole(fitted: Any, values: Any) -> _Part:
    return _Part(fitted, values.shape[1], lambda: iter(values.T), values=values)


def _encoded(encoder: Any, columns: pd.DataFrame, rows: Any) -> _Part | None:
    """Return the codes of texts looked up; ``None`` where the encoder has to see every row."""
    if not all(isinstance(dtype, pd.CategoricalDtype) for dtype in columns.dtypes):
        return None
    codes = [columns[name].cat.codes.to_numpy()[rows] for name in columns.columns]
    if any(each.min(initial=0) < 0 for each in codes):
        return None
    counts = [np.bincount(each) for each in codes]
    present = [np.flatnonzero(each) for each in counts]
    reduced = _reduced(encoder, columns, present, counts)
    if reduced is None:
        return None
    fitted = clone(encoder).fit(reduced)
    most = max(map(len, present))
    each_once = _frame(columns, [np.append(p, np.repeat(p[:1], most - len(p))) for p in present])
    said = fitted.transform(each_once)
    hot = isinstance(encoder, OneHotEncoder)
    found = said.indices.reshape(most, len(present)) if hot else said
    tables = []
    for i, (place, count) in enumerate(zip(present, counts, strict=True)):
        table = np.zeros(len(count), dtype=found.dtype)
        table[place] = found[: len(place), i]
        tables.append(table)
    return _Part(
        fitted,
        said.shape[1],
        lambda: (table[each] for each, table in zip(codes, tables, strict=True)),
        hot,
    )


def _frame(columns: pd.DataFrame, codes: Sequence[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: pd.Categorical.from_codes(each, categories=columns[name].cat.categories)
            for name, each in zip(columns.columns, codes, strict=True)
        }
    )


def _reduced(encoder: Any, columns: pd.DataFrame, present: list[Any], counts: list[Any]) -> pd.DataFrame | None:
    """Return a table in which categories are as rare, and in the same order of frequency, as in the whole one.

    All an encoder wants to know of a count is whether it is below ``min_frequency`` (2 or nothing), and, where there
    are more categories than ``max_categories``, which counts are greater.
    """
    rare = encoder.min_frequency
    if rare not in (None, 2):
        return None
    weights, spare = [], []
    for place, count in zip(present, counts, strict=True):
        own = np.minimum(count[place], 2)
        known = len(place) - (int((own < 2).sum()) if rare else 0) + 1
        top = np.flatnonzero(own == 2)[:1]
        if encoder.max_categories is not None and known > encoder.max_categories:
            own = np.searchsorted(np.unique(np.append(count[place], 1)), count[place]) + 1
            top = np.flatnonzero(own == own.max())
        weights.append(own)
        spare.append(top)
    rows = _common([(int(own.sum()), len(top)) for own, top in zip(weights, spare, strict=True)])
    if rows is None:
        return None
    for own, top in zip(weights, spare, strict=True):
        if len(top):
            own[top] += (rows - int(own.sum())) // len(top)
    return _frame(columns, [np.repeat(place, own) for place, own in zip(present, weights, strict=True)])


def _common(sizes: Sequence[tuple[int, int]]) -> int | None:
    """Return a number of rows that columns can be brought to; each grows by as many at a time as it has at the top."""
    least = max(size for size, _ in sizes)
    for rows in range(least, least + GROWTH_MAX):
        if all(rows == size or (top and (rows - size) % top == 0) for size, top in sizes):
            return rows
    return None


def _filled(transformer: Any, columns: pd.DataFrame, rows: Any) -> _Part | None:
    """Return numbers with the median where missing, an indicator of that, and scaled where that is asked for."""
    fitted = clone(transformer)
    imputer, *more = _steps(fitted)
    if imputer.strategy != "median" or not all(dtype == np.float64 for dtype in columns.dtypes):
        return None
    holes, middle = [], []
    values = np.empty((len(rows), 2 * columns.shape[1]), order="F")
    for i, name in enumerate(columns.columns):
        own = columns[name].to_numpy()
        np.take(own, rows, out=values[:, i], mode="clip")
        gaps = np.isnan(values[:, i])
        known = values[~gaps, i] if gaps.any() else values[:, i].copy()
        if not len(known):
            return None
        half = len(known) // 2
        known.partition((half - 1, half) if len(known) % 2 == 0 and len(known) > 1 else half)
        low, high = known[half - (len(known) % 2 == 0)], known[half]
        lone = [np.nan, np.nan] if gaps.any() else [low, high]
        middle.append([low, high, *lone])
        if gaps.any():
            holes.append((i, gaps))
    imputer.fit(pd.DataFrame(dict(zip(columns.columns, middle, strict=True))))
    at = columns.shape[1]
    for i, gaps in holes:
        values[gaps, i] = imputer.statistics_[i]
        if imputer.add_indicator:
            values[:, at] = gaps
            at += 1
    values = np.asarray(values[:, :at], order=_imputed_order(columns.shape[1], at))
    if more:
        values = more[0].fit(values).transform(values, copy=False)
    return _whole(fitted, values)


def _imputed_order(numbers: int, width: int) -> Any:
    """Return the layout that an imputer gives columns of numbers and of indicators; sums over columns hang on it."""
    indicators = np.empty((2, numbers), order="F")[:, np.arange(width - numbers)]
    like = np.hstack([np.empty((2, numbers), order="F"), indicators])
    return "F" if like.flags.f_contiguous else "C"


def _dense(parts: list[_Part], rows: int, width: int) -> Any:
    if all(part.values is not None for part in parts):
        return np.hstack([part.values for part in parts])
    out = np.zeros((rows, width), order=_order(parts))
    at = 0
    for part in parts:
        if part.values is not None:
            out[:, at : at + part.width] = part.values
        for i, column in enumerate(part.columns()) if part.values is None else ():
            if part.hot:
                out[np.arange(rows), at + column] = 1.0
            else:
                out[:, at + i] = column
        at += part.width
    return out


def _order(parts: Sequence[_Part]) -> Any:
    """Return the layout that scikit-learn's would have where sums hang on it; else that of columns."""
    if not any(part.hot for part in parts):
        return "F"
    orders: list[Any] = ["F" if part.values is not None and part.values.flags.f_contiguous else "C" for part in parts]
    like = np.hstack([np.empty((2, part.width), order=order) for part, order in zip(parts, orders, strict=True)])
    return "F" if like.flags.f_contiguous else "C"


def _sparse(parts: list[_Part], rows: int, width: int) -> Any:
    """Return the parts as one sparse matrix."""
    each = _cells(parts)
    index: Any = np.int32 if rows * each <= INDEX_MAX else np.int64
    data, places = np.ones((rows, each)), np.empty((rows, each), dtype=index)
    at = cell = 0
    for part in parts:
        for i, column in enumerate(part.columns()):
            if part.hot:
                places[:, cell] = at + column
            else:
                data[:, cell] = column
                places[:, cell] = at + i
            cell += 1
        at += part.width
    starts = np.arange(0, rows * each + 1, each, dtype=index)
    found = sparse.csr_matrix((data.ravel(), places.ravel(), starts), (rows, width))
    if not data.all():
        found.eliminate_zeros()
    return found
