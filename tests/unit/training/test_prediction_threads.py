"""Rows are answered in one thread, or in several where their answers cannot hang on it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

from containers.prediction.core import THREADED_BYTES, threads
from containers.prediction.model import Model


def counts(kind: str, size_bytes: int) -> dict[str, set[int]]:
    """Return how many threads the numeric libraries of a process would use, by what they are for."""
    found: dict[str, set[int]] = defaultdict(set)
    with threads(Model(None, {"model_type": kind}, {}), size_bytes):
        for library in threadpool_info():
            found[library["user_api"]].add(library["num_threads"])
    return found


@pytest.mark.parametrize(
    ("kind", "size_bytes"), [("linear", 10 * THREADED_BYTES), ("hist_gradient_boosting", THREADED_BYTES - 1)]
)
def test_other_models_and_small_files_take_one_thread(kind: str, size_bytes: int) -> None:
    assert set().union(*counts(kind, size_bytes).values()) == {1}


def test_histogram_boosting_takes_several_for_a_large_file() -> None:
    with threadpool_limits(limits=3, user_api="openmp"):
        found = counts("hist_gradient_boosting", THREADED_BYTES)
    assert found["openmp"] == {3}
    assert found["blas"] == {1}


def test_its_answers_are_the_same_bits_in_any_number_of_threads() -> None:
    draw = np.random.default_rng(5)
    rows = draw.normal(size=(2000, 6))
    model = HistGradientBoostingClassifier(max_iter=20).fit(rows, rows[:, 0] + draw.normal(size=2000) > 0)
    answers = []
    for number in (1, 2, 3):
        with threadpool_limits(limits=number):
            answers.append(model.predict_proba(rows).tobytes())
    assert len(set(answers)) == 1
