"""Predict a file of rows with a stored model: checked, in bounded memory, whole or not at all.

Every cell of the input is kept, but what a spreadsheet would take for a formula is made text. Added are ``prediction``
(or another name) and, for classes, one ``probability_<class>`` each. What cannot be predicted is refused with a code
and one line (``Refused``).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from containers.prediction import swift
from containers.prediction.batches import joined, rows_at_once
from containers.prediction.features import Feature, block_frame, file_decimals, match_features
from containers.prediction.model import Model, load
from containers.prediction.output import number_text, safe_text, whole_file
from containers.training.dialect import Dialect
from containers.training.families import CLASSIFICATION
from containers.training.packed import XLSX
from containers.training.profile import Survey, survey
from containers.training.refusal import Refused, quoted
from containers.training.rows import open_table
from containers.training.table import detect_file, without_cycles

PROBABILITY = "probability_"
THREADED_BYTES = 4 * 1024 * 1024
"""Size of a file from which rows are worth several threads."""


def predict(model_dir: Path, source: Path, output: Path, column: str, digests: Mapping[str, str]) -> int:
    """Write ``source`` with predictions to ``output`` and return the number of rows.

    Raises ``Refused``: E-MODEL-DAMAGED, E-CSV-SCHEMA (a column missing or of the wrong kind, a name taken), E-CSV-ROWS,
    and what reading a file can raise.
    """
    model = load(model_dir, digests)
    added = added_names(model.metadata, column)
    dialect = detect_file(source, columns_min=1)
    with threads(model, source.stat().st_size):
        rows = swift.write(source, output, dialect, model, added, partial(answer, model.pipeline, model.metadata))
        return _carefully(source, output, dialect, model, added) if rows is None else rows


def _carefully(source: Path, output: Path, dialect: Dialect, model: Model, added: Sequence[str]) -> int:
    """Do it cell by cell, reading the file twice: whatever it holds is read, or refused with a reason."""
    stored = model.schema.get("decimal")
    found = survey(
        source,
        columns_min=1,
        dialect=dialect,
        decimal=stored if stored in (".", ",") else None,
        ways=model.date_ways,
    )
    if not found.rows:
        raise Refused("E-CSV-ROWS", "The file has no rows below its header: send at least one row to predict")
    features = match_features(model.schema, found.columns)
    _refuse_clash(added, [c.name for c in found.columns])
    plain = found.dialect.encoding == "utf-8" and found.dialect.format != XLSX
    encoding = "utf-8" if plain else "utf-8-sig"  # Excel takes text without the mark for another encoding
    with whole_file(output, encoding, found.dialect.delimiter) as writer:
        return _write(writer, model, found, source, features, added)


def threads(model: Model, size_bytes: int) -> Any:
    """Return a context in which a file of this size is answered: in one thread, or by histogram boosting in several.

    It adds up the trees of each row by itself, in their order, so that its answers do not hang on the number of
    threads; and it takes no more of them than the process may have cores.
    """
    if model.metadata["model_type"] == "hist_gradient_boosting" and size_bytes >= THREADED_BYTES:
        return threadpool_limits(limits=1, user_api="blas")
    return one_thread()


def one_thread() -> Any:
    """Return a context in which the numeric libraries use one thread.

    On a small piece of work several threads mostly wait for each other, for seconds where the cores are busy; and
    sums then come out the same whatever the number of cores.
    """
    return threadpool_limits(limits=1)


def _write(
    writer: Any, model: Model, found: Survey, source: Path, features: Sequence[Feature], added: Sequence[str]
) -> int:
    decimal = file_decimals(found.columns)
    rows = 0
    with without_cycles(), open_table(source, found.dialect) as table:
        places = {name: i for i, name in enumerate(table.names)}
        writer.writerow([safe_text(name) for name in (*table.header, *added)])
        texts = [i for i, column in enumerate(found.columns) if column.kind in ("category", "date")]
        for block in joined(table.blocks(), rows_at_once(len(table.names), model.pipeline, model.metadata)):
            columns = list(zip(*block, strict=True))
            answers = answer(model.pipeline, model.metadata, block_frame(columns, features, places))
            cells = answer_cells(model.metadata, answers, decimal)
            neutralise(block, columns, texts)
            for row, new in zip(block, cells, strict=True):
                row += new
            writer.writerows(block)
            rows += len(block)
    return rows


def added_names(metadata: Mapping[str, Any], column: str) -> list[str]:
    """Return the names of the columns that predictions add."""
    classes = (metadata.get("classes") or ()) if metadata.get("probabilities", True) else ()
    return [column, *(f"{PROBABILITY}{name}" for name in classes)]


def _refuse_clash(added: Sequence[str], names: Sequence[str]) -> None:
    taken = [name for name in added if name in set(names)]
    if taken:
        raise Refused(
            "E-CSV-SCHEMA",
            f"The file already has a column {quoted(taken[0])}: rename it there or choose another --column",
        )
    if len(set(added)) < len(added):
        raise Refused("E-CSV-SCHEMA", f"{quoted(added[0])} is the name of a probability: choose another --column")


def neutralise(block: Sequence[list[str]], columns: Sequence[Sequence[str]], texts: Sequence[int]) -> None:
    """Make text of what a spreadsheet would take for a formula, in the rows of a block; ``columns`` are its columns."""
    for place in texts:
        unsafe = {cell: safe for cell in set(columns[place]) if (safe := safe_text(cell)) != cell}
        if unsafe:
            for row in block:
                row[place] = unsafe.get(row[place], row[place])


def answer(pipeline: Any, metadata: Mapping[str, Any], frame: pd.DataFrame) -> Any:
    """Return predicted values, or one probability per class and row (0 for a class never trained on).

    An imported model has classes of its own making, in the order of the metadata; where its probabilities do not decide
    which class it predicts (or it has none), the class it predicts gets 1.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as texts never seen: they are expected
        if metadata["task"] != CLASSIFICATION:
            return np.asarray(pipeline.predict(frame), dtype=np.float64)
        found = np.zeros((len(frame), len(metadata["classes"])))
        if not metadata.get("probabilities", True):
            places = {str(name): place for place, name in enumerate(metadata["classes"])}
            labels = np.asarray(pipeline.predict(frame)).ravel().tolist()
            found[np.arange(len(frame)), [places[str(label)] for label in labels]] = 1.0
        else:
            found[:, slice(None) if metadata.get("imported") else pipeline.classes_] = pipeline.predict_proba(frame)
        return found


def answer_cells(metadata: Mapping[str, Any], answers: Any, decimal: str = ".") -> list[list[str]]:
    """Return the cells to add to each row: the prediction, then the probabilities."""
    if metadata["task"] != CLASSIFICATION:
        return [[number_text(value, decimal)] for value in answers.tolist()]
    names = [safe_text(str(name)) for name in metadata["classes"]]
    best = np.argmax(answers, axis=1).tolist()
    if not metadata.get("probabilities", True):
        return [[names[top]] for top in best]
    return [
        [names[top], *(number_text(p, decimal) for p in row)] for top, row in zip(best, answers.tolist(), strict=True)
    ]
