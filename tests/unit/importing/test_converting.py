"""A loaded model and its preprocessor become one pipeline that answers, bit for bit, as the two did."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from catboost import CatBoostClassifier
from lightgbm import LGBMRegressor
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, PolynomialFeatures
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

from containers.importing import trees
from containers.importing.converting import Converted, convert, document, new_answers
from containers.importing.names import KINDS
from containers.importing.rows import framed, plain
from containers.importing.unpickler import OldPickle
from containers.prediction.core import added_names, answer, answer_cells
from containers.prediction.model import OLDER, TRUSTED, load_pipeline
from containers.training.refusal import Refused
from tests.support.old_models import FEATURES, Old, dumped, fitted, frame, labels

CLASSIFIERS = (
    LogisticRegression(),
    DecisionTreeClassifier(max_depth=4),
    RandomForestClassifier(4, n_jobs=-1),
    GradientBoostingClassifier(n_estimators=3),
    HistGradientBoostingClassifier(max_iter=3),
    GaussianNB(),
    SVC(),
    MLPClassifier((4,), max_iter=3),
)
REGRESSORS = (
    LinearRegression(),
    Ridge(),
    Lasso(),
    ElasticNet(),
    DecisionTreeRegressor(max_depth=4),
    RandomForestRegressor(4),
    GradientBoostingRegressor(n_estimators=3),
    SVR(),
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=3),
    LGBMRegressor(n_estimators=3, verbose=-1),
)
OF_WHOLE_NUMBERS = (
    XGBClassifier(n_estimators=3),
    CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False),
)


def old(model: Any) -> Old:
    rows = frame()
    if model in REGRESSORS:
        return fitted(clone(model), rows["spend"] / 7)
    yes = labels(rows) == "yes"
    return fitted(clone(model), yes.astype(int) if model in OF_WHOLE_NUMBERS else None)


def converted(made: Old, **more: Any) -> Converted:
    rows = {"features": [], "table": plain(made.frame), **more}
    return convert(made.model, made.scaler, **rows)


@pytest.mark.parametrize("model", [*CLASSIFIERS, *REGRESSORS, *OF_WHOLE_NUMBERS], ids=lambda m: type(m).__name__)
def test_every_kind_answers_the_same_from_its_new_file(model: Any, tmp_path: Path) -> None:
    """Read back as older files are, converted, written and read as every prediction reads."""
    made = old(model)
    loaded = OldPickle(io.BytesIO(dumped(made.model))).load()
    new = convert(loaded, OldPickle(io.BytesIO(dumped(made.scaler))).load(), [], plain(made.frame))
    skops.io.dump(new.pipeline, tmp_path / "model.skops")
    again = load_pipeline(tmp_path / "model.skops", new.kind.model_type)
    asked = document(new.classes, new.kind, probabilities=new.probabilities)
    found = answer(again, asked, framed(new.table))
    assert found.tobytes() == new.answers.tobytes() == new_answers(new).tobytes()
    scaled = made.scaler.transform(made.frame)
    predicted = made.model.predict(scaled).ravel().tolist()
    if new.classes is None:
        assert found.tolist() == predicted
        return
    cells = answer_cells(asked, found)
    assert [row[0] for row in cells] == [str(value) for value in predicted]
    assert len(cells[0]) == len(added_names(asked, "prediction"))
    if new.probabilities:
        assert found.tolist() == made.model.predict_proba(scaled).tolist()


def test_every_kind_has_a_list_of_types_for_its_file() -> None:
    assert {kind.model_type for kinds in KINDS.values() for kind in kinds.values()} <= {*TRUSTED, *OLDER}


def test_support_vectors_give_the_class_they_name_and_no_probability() -> None:
    new = converted(fitted(SVC()))
    assert not new.probabilities
    assert added_names(document(new.classes, new.kind, probabilities=False), "prediction") == ["prediction"]
    assert set(new.answers.ravel().tolist()) == {0.0, 1.0}


def test_rows_are_made_up_around_what_the_preprocessor_saw() -> None:
    new = converted(fitted(LogisticRegression()), table=None)
    assert new.invented
    spend = np.array(new.table["spend"])
    assert abs(spend.mean() - 900) < 250
    assert len({tuple(row) for row in new.answers.tolist()}) > 10


def test_a_model_that_knows_no_names_takes_those_of_the_metadata_in_their_order() -> None:
    made = fitted(LogisticRegression())
    bare = clone(made.scaler).fit(made.frame.to_numpy())
    new = convert(made.model, bare, list(FEATURES), plain(made.frame[[*reversed(FEATURES)]]))
    assert new.features == list(FEATURES)
    assert new_answers(new).tobytes() == new.answers.tobytes()
    assert new.answers.tolist() == made.model.predict_proba(bare.transform(made.frame.to_numpy())).tolist()


def test_a_pipeline_with_texts_is_compared_on_a_sample() -> None:
    rows = frame().assign(plan=["a", "b", "c"] * 20)
    prepare = ColumnTransformer([("text", OneHotEncoder(), ["plan"]), ("rest", "passthrough", ["spend"])])
    model = Pipeline([("prepare", prepare), ("more", PolynomialFeatures()), ("model", Ridge())]).fit(
        rows, rows["calls"]
    )
    new = convert(model, None, [], plain(rows))
    assert new_answers(new).tobytes() == new.answers.tobytes()
    assert new.kind.model_type == "ridge"


@pytest.mark.parametrize(
    ("model", "scaler", "features", "rows", "words"),
    [
        ({"weights": [1]}, None, [], None, "a dict, which is no model"),
        (PolynomialFeatures(), None, [], None, "PolynomialFeatures, which is no model"),
        ("fitted", LabelEncoder, [], None, "prepares nothing"),
        ("bare", None, [], None, "reads 3 columns and 0 names are known"),
        ("bare", None, ["a", "b"], None, "reads 3 columns and 2 names"),
        ("fitted", "own", ["tenure", "calls", "other"], None, "name other columns"),
    ],
)
def test_what_cannot_be_brought_over_is_said(model: Any, scaler: Any, features: Any, rows: Any, words: str) -> None:
    made = fitted(LogisticRegression())
    before = made.scaler if scaler == "own" else None if scaler is None else object()
    taken = made.model if model in ("fitted", "bare") else model
    with pytest.raises(Refused) as caught:
        convert(taken, before, features, rows)
    assert (caught.value.code, words in caught.value.detail) == ("E-IMPORT-KIND", True), caught.value.detail


def test_a_sample_without_a_column_is_refused_by_its_name() -> None:
    made = fitted(LogisticRegression())
    with pytest.raises(Refused, match="'spend'"):
        convert(made.model, made.scaler, [], {"tenure": [1.0], "calls": [2.0]})


@pytest.mark.parametrize("how", ["circle", "beside", "column"])
def test_a_tree_that_would_be_walked_for_ever_or_beside_its_nodes_is_refused_before_it_is_walked(how: str) -> None:
    model = fitted(DecisionTreeClassifier(max_depth=3)).model
    state = model.tree_.__getstate__()
    nodes = state["nodes"].copy()
    inner = int(np.flatnonzero(nodes["left_child"] != -1)[-1])
    changes = {"circle": ("left_child", 0), "beside": ("right_child", 10_000), "column": ("feature", 77)}
    field, value = changes[how]
    nodes[field][inner] = value
    model.tree_.__setstate__({**state, "nodes": nodes})
    with pytest.raises(Refused) as caught:
        convert(model, None, list(FEATURES), None)
    assert caught.value.code == "E-IMPORT-UNSAFE"


def test_trees_of_forests_and_of_histograms_are_looked_at() -> None:
    for model in (RandomForestClassifier(3), GradientBoostingRegressor(n_estimators=3)):
        made = old(model) if model in REGRESSORS else fitted(model, frame()["calls"] > 5)
        assert len(list(trees.trees(made.model))) == 3
    made = fitted(HistGradientBoostingClassifier(max_iter=2))
    trees.check(made.model)
    predictor = made.model._predictors[0][0]
    predictor.nodes["left"][0] = 0
    with pytest.raises(Refused):
        trees.check(made.model)


def test_gaps_travel_as_gaps() -> None:
    rows = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", ""]})
    assert plain(rows) == {"a": [1.5, None], "b": ["x", ""]}
    pd.testing.assert_frame_equal(framed(plain(rows)), rows)
