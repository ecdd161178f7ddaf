"""The types that a model file may hold beside its family's own: estimators that are loaded, no others."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators

from containers.training.modelfile import dumps, loaded_estimators, loads


def test_only_estimators_that_scikit_learn_itself_lists_are_trusted() -> None:
    loaded, every = set(loaded_estimators()), set(all_estimators())
    assert loaded <= every
    assert {("LinearRegression", LinearRegression), ("StandardScaler", StandardScaler)} <= loaded


def test_what_a_model_is_made_of_is_written_in_one_line_which_takes_a_third_of_the_memory() -> None:
    encoder = OneHotEncoder().fit(np.array([["a"], ["b\nc"]], dtype=object))
    written = dumps(encoder)
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert b"\n" not in archive.read("schema.json")
    assert loads(written).categories_[0].tolist() == ["a", "b\nc"]


def test_what_is_written_reads_back() -> None:
    assert loads(dumps(LinearRegression(fit_intercept=False))).fit_intercept is False
