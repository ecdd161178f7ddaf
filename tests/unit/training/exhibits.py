"""Evaluated models for the tests of plots and pages: made-up answers, real metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

from containers.training import evaluation as ev
from containers.training.report.exhibit import Exhibit
from containers.training.report.story import Story
from containers.training.scoring import Truth, headline_metric

HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac{a}{b}$",
    "顧客の年齢",
    "عمر العميل",
    "a | b `c` [d](http://e.example) " + "x" * 200,
)
"""Names of columns and classes that break what trusts them."""
CHOSEN = {"threshold": 0.31, "precision": 0.5, "recall": 0.8, "f1": 0.6}


def exhibit(classes: int, rows: int = 120, names: tuple[str, ...] = (), target: str = "churn") -> Exhibit:
    """Return a model with that many classes (0: numbers) judged on ``rows`` rows; ``names`` are its columns'."""
    draw = np.random.default_rng(5)
    y: Any = np.arange(rows) % classes if classes else np.exp(draw.normal(size=rows)) * 1e5
    answers: Any = y + draw.normal(size=rows) * 2e4
    if classes:
        answers = np.eye(classes)[y] + draw.random((rows, classes)) * 1.2
        answers /= answers.sum(axis=1, keepdims=True)
    truth = Truth(y, classes)
    labels = tuple(HOSTILE[i] if i < len(HOSTILE) else f"class {i}" for i in range(classes))
    found = ev.measure(truth, answers, truth, answers, name=headline_metric(truth), seed=42, classes=labels).document
    columns = names or HOSTILE
    found["importance"] = {
        "metric": found["headline"]["name"],
        "rows": rows,
        "repeats": 5,
        "of": len(columns),
        "tried": len(columns),
        "columns": [{"name": n, "number": i, "mean": 1.0 / i, "sd": 0.01} for i, n in enumerate(columns, 1)],
    }
    if classes == 2:
        found["threshold"] = {
            "default": {**CHOSEN, "threshold": 0.5},
            "best_f1": CHOSEN,
            "chosen_on": 480,
            "folds": 3,
        }
    return Exhibit(y, answers, labels, 1, target, found)


def story(shown: Exhibit, **more: Any) -> Story:
    """Return what is told of an exhibit."""
    task = "classification" if shown.classes else "regression"
    rows = {"train": 4 * shown.rows, "test": shown.rows, "dropped": 3}
    metrics = {**shown.metrics, "rows": rows, "rows_shared": 2, "warnings": [f"{HOSTILE[0]} is the same in every row."]}
    metadata = {
        "name": "churn-7fa",
        "job_id": "job_abcdefghij",
        "model_type": "hist_gradient_boosting",
        "task": task,
        "target_column": shown.target,
        "feature_columns": list(HOSTILE),
        "classes": list(shown.classes) or None,
        "hyperparameters": {"max_iter": 100, "max_depth": None},
        "seed": 42,
        "dataset_sha256": "ab" * 32,
        "split": {"method": "random", "share": 0.2, "sha256": "cd" * 32},
        "versions": {"python": "3.11.9", "numpy": "2.4.6"},
        "code_sha256": "ef" * 32,
        "machine": {"provider": "local", "cores": 2, "memory_bytes": 8e9, "system": "Linux x86_64"},
        "ordered_at": "2026-11-26T04:00:00Z",
        "times": {"started_at": "2026-11-26T04:01:00Z", "seconds": 12.0},
        **more,
    }
    columns = [
        {"name": "months", "kind": "number", "missing": 3, "low": 0.0, "high": 71.0, "median": 35.0},
        {"name": "plan", "kind": "category", "missing": 0, "categories": ["pro", "basic"], "categories_total": 2},
    ]
    columns.append({"name": "since", "kind": "date", "missing": 1, "low": "2025-01-01", "high": "2026-09-30"})
    return Story(metadata, metrics, {"columns": columns})
