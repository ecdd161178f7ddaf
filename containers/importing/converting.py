"""A loaded estimator and what prepared its columns, put together as the pipeline that predictions run.

Imported by ``sandbox``, behind its walls: what comes in here was made by a stranger's program.
"""

from __future__ import annotations

import re
import warnings
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from containers.importing.names import CLASSIFICATION, KINDS, TAKEN, Kind
from containers.importing.parts import ROUNDED, calm
from containers.importing.rows import Table, framed, plain
from containers.importing.trees import check
from containers.prediction.core import answer
from containers.training.refusal import Refused, listed, quoted

INVENTED_ROWS: Final = 64
"""Rows that are made up where there is no sample."""
SEED: Final = 42
CLASSES_MAX: Final = 1000
SCALES: Final = (("mean_", "scale_"), ("center_", "scale_"), ("data_min_", "data_range_"))
"""Where scalers say around what their columns lie, and how far apart."""
_NUMBERED = re.compile(r"Column_\d+|\d+|f\d+")
"""Names that boosters give columns that had none."""


class Converted(NamedTuple):
    """The model in its new form."""

    pipeline: Pipeline
    kind: Kind
    class_name: str
    features: list[str]
    classes: list[str] | None
    probabilities: bool
    """Whether the class it predicts is always its most probable one."""
    table: Table
    invented: bool
    answers: Any
    """Of the original, on the rows of the table."""
    parameters: dict[str, Any]

    def report(self) -> dict[str, Any]:
        """Return what is said of it beside its pipeline, as JSON holds it."""
        return {
            "model_type": self.kind.model_type,
            "task": self.kind.task,
            "class_name": self.class_name,
            "features": self.features,
            "classes": self.classes,
            "probabilities": self.probabilities,
            "table": self.table,
            "invented": self.invented,
            "answers": self.answers.ravel().tolist(),
            "parameters": self.parameters,
        }


def convert(model: Any, preprocessor: Any, features: list[str], table: Table | None) -> Converted:
    """Return the pipeline of a model and its preprocessor, with what the two of them answer by themselves.

    Raises ``Refused`` E-IMPORT-KIND for what is no model of the kinds known, or lacks what its rows must look like.
    """
    steps = _steps(model, preprocessor)
    estimator, kind = steps[-1][1], kind_of(steps[-1][1])
    class_name = type(estimator).__name__
    check(steps)
    calm(steps, kind.model_type)
    names, by_name = _columns(steps[0][1], features, table)
    frame = framed(table) if table is not None else _invented(steps[0][1], names)
    frame = frame[names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes, probabilities, answers = _original(model, preprocessor, kind, frame if by_name else frame.to_numpy())
    if not by_name:
        keep = ColumnTransformer([("columns", "passthrough", names)])
        steps = [("columns", keep.fit(frame)), *steps]
    pipeline = Pipeline(steps)
    return Converted(
        pipeline,
        kind,
        class_name,
        names,
        classes,
        probabilities,
        plain(frame),
        table is None,
        answers,
        _parameters(estimator),
    )


def kind_of(estimator: Any) -> Kind:
    """Return what an estimator is here. Raises ``Refused`` E-IMPORT-KIND."""
    kind = KINDS.get(type(estimator).__module__, {}).get(type(estimator).__name__)
    if kind is None:
        raise Refused("E-IMPORT-KIND", f"The file holds a {type(estimator).__name__}, which is no model of: {TAKEN}")
    return kind


def document(classes: list[str] | None, kind: Kind, *, probabilities: bool) -> dict[str, Any]:
    """Return what predictions read of the metadata."""
    return {"task": kind.task, "classes": classes, "imported": True, "probabilities": probabilities}


def new_answers(made: Converted) -> Any:
    """Return what the pipeline answers, the way predictions ask it."""
    asked = document(made.classes, made.kind, probabilities=made.probabilities)
    return answer(made.pipeline, asked, framed(made.table))


def _steps(model: Any, preprocessor: Any) -> list[tuple[str, Any]]:
    """Return the steps from rows to answers, each once."""
    last = list(model.steps) if isinstance(model, Pipeline) else [("model", model)]
    first = [] if preprocessor is None else [("preprocessor", preprocessor)]
    if first and not hasattr(preprocessor, "transform"):
        raise Refused(
            "E-IMPORT-KIND", f"preprocessor.pkl holds a {type(preprocessor).__name__}, which prepares nothing"
        )
    steps = [*first, *last]
    if not last or len({name for name, _ in steps}) < len(steps):
        raise Refused("E-IMPORT-KIND", "The model's pipeline has no steps, or two of one name")
    return steps


def _columns(first: Any, features: list[str], table: Table | None) -> tuple[list[str], bool]:
    """Return the names of the columns in the model's order, and whether it knows them by name."""
    own = _own_names(first)
    if own:
        if features and set(features) != set(own):
            apart = sorted(set(features) ^ set(own))
            raise Refused("E-IMPORT-KIND", f"The model and its metadata name other columns: {listed(apart, 3)}")
        names = own
    else:
        names = features or list(table or ())
    count = int(getattr(first, "n_features_in_", None) or len(names))
    if len(names) != count or not names:
        fix = "give --metadata, or a --sample with its columns in their order and no others"
        raise Refused("E-IMPORT-KIND", f"The model reads {count} columns and {len(names)} names are known: {fix}")
    missing = [name for name in names if table is not None and name not in table]
    if missing:
        raise Refused("E-CSV-SCHEMA", f"The sample lacks the column {quoted(missing[0])} that the model was trained on")
    return names, bool(own)


def _own_names(first: Any) -> list[str]:
    try:
        found = [str(name) for name in first.feature_names_in_]
    except AttributeError:
        return []
    return [] if all(_NUMBERED.fullmatch(name) for name in found) else found


def _invented(first: Any, names: list[str]) -> pd.DataFrame:
    """Return rows of numbers like those a scaler saw, or around nought."""
    drawn = np.random.RandomState(SEED).standard_normal((INVENTED_ROWS, len(names)))
    for middle, width in SCALES:
        found = [np.asarray(getattr(first, name, np.nan), dtype=np.float64) for name in (middle, width)]
        if all(values.shape == (len(names),) and np.isfinite(values).all() for values in found):
            drawn = found[0] + drawn * found[1]
            break
    return pd.DataFrame(drawn, columns=names)


def _original(model: Any, preprocessor: Any, kind: Kind, rows: Any) -> tuple[list[str] | None, bool, Any]:
    """Return the classes, whether probabilities decide, and the answers, as the older product asked for them."""
    prepared = rows if preprocessor is None else preprocessor.transform(rows)
    predicted = model.predict(prepared)
    if kind.task != CLASSIFICATION:
        return None, False, np.asarray(predicted, dtype=np.float64)
    values = np.asarray(model.classes_).tolist()
    classes = [str(value) for value in values]
    if not 1 <= len(classes) <= CLASSES_MAX or len(set(classes)) < len(classes):
        raise Refused("E-IMPORT-KIND", f"The model knows {len(classes)} classes: 1 to {CLASSES_MAX} different ones")
    places = {name: place for place, name in enumerate(classes)}
    labels = [places[str(value)] for value in np.asarray(predicted).ravel().tolist()]
    if hasattr(model, "predict_proba") and kind.model_type != "svm":
        shares = np.asarray(model.predict_proba(prepared), dtype=np.float64)
        _check_shares(shares)
        if shares.shape == (len(labels), len(classes)) and np.array_equal(shares.argmax(axis=1), labels):
            return classes, True, shares
    certain = np.zeros((len(labels), len(classes)))
    certain[np.arange(len(labels)), labels] = 1.0
    return classes, False, certain


def _check_shares(shares: Any) -> None:
    """Refuse probabilities that are none: what libraries of then and of today hold for them is not the same."""
    totals = shares.sum(axis=-1)
    if (abs(totals[np.isfinite(totals)] - 1.0) > ROUNDED).any() or (shares < -ROUNDED).any():
        raise Refused("E-IMPORT-LOAD", "The model's probabilities do not add up to 1 here")


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return the estimator's own parameters that are plain values."""
    found = estimator.get_params(deep=False).items()
    plain_kinds = (bool, int, float, str, type(None))
    return {str(k): v for k, v in found if isinstance(v, plain_kinds) and v == v}
