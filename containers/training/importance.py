"""Which columns a model lives by: what it loses when a column's values are dealt to other rows.

On held-out rows and on the columns as the file has them, through the whole pipeline, so that it means the same for
every kind of model (L. Breiman, 2001). Seeded, and bounded in work: with many columns fewer rows and repeats are taken,
and of very many only those are tried that go most with the model's own answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from containers.training.date_parts import to_seconds
from containers.training.frame import Floats, is_date_column, is_number_column
from containers.training.scoring import ERRORS, Truth, headline_score

PREDICTED_ROWS_MAX = 60_000
"""Rows predicted in all."""
REPEATS = 5
"""Times a column is dealt."""
ROWS_MIN = 100
"""Rows judged per deal, at least (where there are so many)."""
ROWS_MAX = 2000
RARE_ROWS = 10
"""Rows of the rarer of two classes that a deal should hold: of one or two nothing is to be learnt."""
TRIED_MAX = 100
"""Columns tried; of more, those that go most with the model's answers."""
SHOWN_MAX = 20

Answer = Callable[[pd.DataFrame], Floats]


def importance(
    name: str, truth: Truth, features: pd.DataFrame, answers: Floats, answer: Answer, seed: int
) -> dict[str, Any]:
    """Return the columns that matter most for the metric ``name``, with the mean loss and its deviation over the deals.

    ``features`` are the held-out rows and ``answers`` what the model said of them; ``number`` is a column's place
    among the features, from 1.
    """
    draw = np.random.default_rng(seed)
    columns = [str(column) for column in features.columns]
    tried = _closest(features, answers, TRIED_MAX) if len(columns) > TRIED_MAX else list(range(len(columns)))
    each = PREDICTED_ROWS_MAX // len(tried)
    count = min(len(features), ROWS_MAX, max(ROWS_MIN, each // REPEATS, min(each, _rows_for_the_rare(truth))))
    repeats = max(1, min(REPEATS, each // count))
    rows = np.sort(draw.choice(len(features), count, replace=False))
    part, known = features.iloc[rows], truth._replace(values=truth.values[rows])
    whole = headline_score(name, known, answers[rows])
    stacked = part.iloc[np.tile(np.arange(count), repeats)].reset_index(drop=True)
    sign = 1.0 if name in ERRORS else -1.0
    found = []
    for index in tried:
        order = np.concatenate([draw.permutation(count) for _ in range(repeats)])
        dealt = stacked.copy(deep=False)
        dealt[columns[index]] = part[columns[index]].iloc[order].reset_index(drop=True)
        said = answer(dealt)
        losses = [
            sign * (headline_score(name, known, said[i * count : (i + 1) * count]) - whole) for i in range(repeats)
        ]
        if np.isfinite(losses).all():
            found.append((float(np.mean(losses)), float(np.std(losses)), index))
    found.sort(key=lambda one: (-one[0], one[2]))
    return {
        "metric": name,
        "rows": count,
        "repeats": repeats,
        "of": len(columns),
        "tried": len(tried),
        "columns": [
            {"name": columns[index], "number": index + 1, "mean": mean, "sd": sd}
            for mean, sd, index in found[:SHOWN_MAX]
        ],
    }


def _rows_for_the_rare(truth: Truth) -> int:
    """Return how many rows hold ``RARE_ROWS`` of the rarer of two classes; 0 for other tasks."""
    if truth.classes != 2:
        return 0
    hits = int(np.count_nonzero(truth.values == truth.positive))
    rare = min(hits, len(truth.values) - hits)
    return math.ceil(RARE_ROWS * len(truth.values) / rare) if rare else 0


def _closest(features: pd.DataFrame, answers: Floats, most: int) -> list[int]:
    """Return the places of the columns that go most with the model's answers, in the columns' order."""
    said = answers[:, None] if answers.ndim == 1 else answers
    strengths = [_strength(features, str(name), said) for name in features.columns]
    order = np.argsort(-np.array(strengths), kind="stable")
    return sorted(int(i) for i in order[:most])


def _strength(features: pd.DataFrame, name: str, said: Floats) -> float:
    """Return the largest share of an answer's spread that the column goes along with."""
    dated = is_date_column(features, name)
    if dated or is_number_column(features, name):
        values = to_seconds(features[name]) if dated else features[name].to_numpy()
        known = features[name].notna().to_numpy()
        if known.sum() < 2:
            return 0.0
        ranks = np.argsort(np.argsort(values[known], kind="stable"), kind="stable").astype(np.float64)
        return max(_correlation(ranks, column) for column in said[known].T) ** 2
    codes = pd.factorize(features[name])[0]
    return max(_explained(codes, column) for column in said.T)


def _correlation(x: Any, y: Any) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return abs(float(x @ y)) / size if size else 0.0


def _explained(codes: Any, y: Any) -> float:
    """Return the share of the spread of ``y`` that lies between groups."""
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=y) / sizes
    spread = float(np.sum((y - y.mean()) ** 2))
    return float(np.sum(sizes * (means - y.mean()) ** 2)) / spread if spread else 0.0
