"""Columns of dates in a model: numbers made of them, in the pipeline, so that a model takes dates as the file has them.

A missing date is a gap in each of its numbers, which is then treated as any other gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

DAY_S = 86_400
PARTS = ("year", "month", "day_of_week", "days")
"""Made of every column: the day of week is 0 on Mondays, the days are those since the earliest training row."""
HOUR = "hour"
"""Made as well of a column in which a training row has a time of day."""
NO_DATE = np.iinfo(np.int64).min
"""What numpy makes of a missing date."""


def from_seconds(values: Any) -> Any:
    """Return seconds since 1970, ``NO_DATE`` where there are none, as a column of dates."""
    return np.asarray(values, dtype=np.int64).view("datetime64[s]")


def is_dates(values: Any) -> bool:
    """Return whether a column or an array holds dates."""
    return bool(values.dtype.kind == "M")


def to_seconds(column: Any) -> Any:
    """Return dates as seconds since 1970, ``NO_DATE`` where there are none."""
    return np.asarray(column, dtype="datetime64[s]").view(np.int64)


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Makes ``PARTS``, and ``HOUR`` where there are times, of each column of dates."""

    def fit(self, features: pd.DataFrame, target: Any = None) -> DateParts:  # noqa: ARG002  # scikit-learn gives it
        """Take the earliest date of each column, and whether it has times of day."""
        found = [to_seconds(features[name]) for name in features.columns]
        known = [values[values != NO_DATE] for values in found]
        self.n_features_in_ = len(found)
        self.earliest_ = np.array([values.min() if len(values) else 0 for values in known], dtype=np.int64)
        self.timed_ = np.array([bool((values % DAY_S).any()) for values in known], dtype=bool)
        return self

    def transform(self, features: pd.DataFrame) -> Any:
        """Return the numbers, column after column."""
        made: list[Any] = []
        for index, name in enumerate(features.columns):
            made += _parts(to_seconds(features[name]), int(self.earliest_[index]), bool(self.timed_[index]))
        return np.column_stack(made)

    def get_feature_names_out(self, names: Any = None) -> Any:
        """Return the names of the numbers."""
        columns = names if names is not None else [f"x{i}" for i in range(self.n_features_in_)]
        parts = [(*PARTS, HOUR) if timed else PARTS for timed in self.timed_]
        return np.array([f"{name}_{part}" for name, own in zip(columns, parts, strict=True) for part in own], object)


def _parts(since: Any, earliest: int, timed: bool) -> list[Any]:
    gaps = since == NO_DATE
    days = np.where(gaps, 0, since) // DAY_S
    months = days.view("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    found = [
        months // 12 + 1970,
        months % 12 + 1,
        (days + 3) % 7,
        (since - earliest) // DAY_S,
    ]  # 1970 began on Thursday
    if timed:
        found.append(since % DAY_S // 3600)
    return [np.where(gaps, np.nan, part.astype(np.float64)) for part in found]
