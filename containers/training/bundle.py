"""The files a training leaves: model, metrics, schema, predictions on held-out rows, plots, report, model card and log.

``metadata.json`` comes last and is the manifest: it has the digest of every other file. The model is loaded back from
its own file, through the same allow-list that predictions use, and must give the same answers bit for bit before
anything counts as saved.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from containers.prediction.core import added_names, answer, answer_cells
from containers.prediction.model import METADATA_FILE, MODEL_FILE, SCHEMA_FILE, load_pipeline
from containers.prediction.output import number_text, row_writer, safe_text
from containers.training import dates, manifest, modelfile
from containers.training.boosters import save_native
from containers.training.date_parts import to_seconds
from containers.training.families import library_of
from containers.training.frame import Frame, is_date_column, is_number_column
from containers.training.judgement import Judged
from containers.training.refusal import Refused
from containers.training.report.album import album
from containers.training.report.card import card
from containers.training.report.page import page
from containers.training.report.story import Story
from containers.training.splits import Indexes, Split

METRICS_FILE = "metrics.json"
HOLDOUT_FILE = "predictions_holdout.csv"
REPORT_FILE = "report.html"
CARD_FILE = "model_card.md"
LOG_FILE = "train.log"
PLOTS_FOLDER = "plots"
CATEGORIES_SHOWN_MAX = 100
"""Categories listed per column in the schema."""


class Fitted(NamedTuple):
    """A trained model and what is to be said of it."""

    pipeline: Any
    metadata: dict[str, Any]
    metrics: dict[str, Any]
    frame: Frame
    split: Split
    judged: Judged
    decimal: str | None = None
    """How the training file wrote numbers, where its columns told."""
    plots: bool = True
    """Whether they are drawn."""
    log: str = ""
    """What the training said."""


def save(out: Path, fitted: Fitted) -> None:
    """Write the bundle into ``out``, the manifest last. Raises E-ARTIFACT when the model reads back as another one."""
    out.mkdir(parents=True, exist_ok=True)
    metadata = fitted.metadata
    _write_json(out / METRICS_FILE, fitted.metrics)
    columns = schema(fitted.frame.features, str(metadata["target_column"]), fitted.decimal)
    _write_json(out / SCHEMA_FILE, columns)
    _write_holdout(out / HOLDOUT_FILE, fitted)
    library = library_of(str(metadata["model_type"]))
    if library:
        save_native(library, fitted.pipeline.named_steps["model"], out)
    _write_model(out / MODEL_FILE, fitted)
    (out / manifest.REQUIREMENTS_FILE).write_text(manifest.requirements(), encoding="utf-8")
    _write_report(out, fitted, columns)
    (out / LOG_FILE).write_text(fitted.log, encoding="utf-8")
    _write_json(out / METADATA_FILE, {**metadata, "files": manifest.files(out)})


def _write_model(path: Path, fitted: Fitted) -> None:
    modelfile.dump(fitted.pipeline, path, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    again = load_pipeline(path, str(fitted.metadata["model_type"]))
    features = fitted.frame.features.iloc[fitted.split.test]
    if not np.array_equal(answer(again, fitted.metadata, features), fitted.judged.answers):
        path.unlink()
        raise Refused("E-ARTIFACT", "The saved model does not answer as the trained one did: run the job again")


def _write_report(out: Path, fitted: Fitted, columns: dict[str, Any]) -> None:
    """Write plots, report and model card."""
    story = Story(fitted.metadata, fitted.metrics, columns)
    plots = album(fitted.judged.exhibit, story.footer) if fitted.plots else []
    if plots:
        (out / PLOTS_FOLDER).mkdir(exist_ok=True)
    for plot in plots:
        (out / PLOTS_FOLDER / f"{plot.name}.png").write_bytes(plot.data)
    (out / REPORT_FILE).write_text(page(story, plots), encoding="utf-8")
    (out / CARD_FILE).write_text(card(story), encoding="utf-8")


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def schema(features: pd.DataFrame, target: str, decimal: str | None = None) -> dict[str, Any]:
    """Return what a file must look like for this model to predict it, and how to read its numbers in doubt."""
    columns = [_column(features, str(name)) for name in features.columns]
    return {"schema": "columns/v1", "target": target, "decimal": decimal, "columns": columns}


def _column(features: pd.DataFrame, name: str) -> dict[str, Any]:
    column = features[name]
    if is_number_column(features, name):
        values = column.to_numpy()
        missing = int(np.isnan(values).sum())
        return {
            "name": name,
            "kind": "number",
            "missing": missing,
            "low": float(np.nanmin(values)),
            "high": float(np.nanmax(values)),
            "median": float(np.nanmedian(values)),
        }
    if is_date_column(features, name):
        since = to_seconds(column.dropna())
        low, high = dates.text(int(since.min())), dates.text(int(since.max()))
        return {"name": name, "kind": "date", "missing": int(column.isna().sum()), "low": low, "high": high}
    counts = column.value_counts()
    texts = sorted(((int(n), str(text)) for text, n in counts.items() if n and text), key=lambda p: (-p[0], p[1]))
    return {
        "name": name,
        "kind": "category",
        "missing": int(counts.get("", 0)),
        "categories": [text for _, text in texts[:CATEGORIES_SHOWN_MAX]],
        "categories_total": len(texts),
    }


def _write_holdout(path: Path, fitted: Fitted) -> None:
    """Write row number, actual value, prediction and probabilities of the held-out rows."""
    frame = fitted.frame
    added = [safe_text(name) for name in added_names(fitted.metadata, "prediction")]
    cells = answer_cells(fitted.metadata, fitted.judged.answers)
    actual = _actual(frame, fitted.split.test)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = row_writer(file, ",")
        writer.writerow(["row", "actual", *added])
        rows = frame.row_numbers[fitted.split.test].tolist()
        writer.writerows([row, truth, *new] for row, truth, new in zip(rows, actual, cells, strict=True))


def _actual(frame: Frame, test: Indexes) -> Sequence[str]:
    values = frame.target[test].tolist()
    if frame.classes:
        return [safe_text(frame.classes[int(v)]) for v in values]
    return [number_text(float(v)) for v in values]
