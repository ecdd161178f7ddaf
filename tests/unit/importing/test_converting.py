"""A loaded model and its preprocessor become one pipeline that answers, bit for bit, as the two did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    LabelEncoder,
    OneHotEncoder,
    PolynomialFeatures,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from containers.importing import trees
from containers.importing.converting import Converted, convert, document, new_answers
from containers.importing.parts import parts
from containers.importing.rows import framed, plain
from containers.prediction.core import added_names
from containers.prediction.model import load_pipeline
from containers.training.refusal import Refused
from tests.support.old_kinds import NEAR, TREE
from tests.support.old_models import FEATURES, Old, fitted, frame, labels


def converted(made: Old, **more: Any) -> Converted:
    rows = {"features": [], "table": plain(made.frame), **more}
    return convert(made.model, made.scaler, **rows)


def test_a_file_of_neighbours_holds_their_rows_and_no_tree(tmp_path: Path) -> None:
    made = fitted(clone(NEAR))
    assert made.model._tree is not None
    new = convert(made.model, made.scaler, [], plain(made.frame))
    assert new.class_name == "KNeighborsClassifier"
    skops.io.dump(new.pipeline, tmp_path / "model.skops")
    assert not [name for name in skops.io.get_untrusted_types(file=tmp_path / "model.skops") if "Tree" in name]
    again = load_pipeline(tmp_path / "model.skops", "nearest_neighbours").steps[-1][1]
    for found, before in zip(again._tree.get_arrays(), made.model._tree.get_arrays(), strict=True):
        assert found.tobytes() == before.tobytes()


def test_everything_in_a_model_comes_to_use_one_thread() -> None:
    made = fitted(VotingClassifier([("forest", RandomForestClassifier(2)), ("near", KNeighborsClassifier())]))
    for part in (made.model, *made.model.estimators_):
        part.n_jobs = -1
    new = converted(made)
    model = new.pipeline.steps[-1][1]
    assert [part.n_jobs for part in (model, *model.estimators_)] == [1, 1, 1]


def test_a_booster_among_the_members_of_another_model_is_refused_by_its_name() -> None:
    both = VotingClassifier([("one", LogisticRegression()), ("two", XGBClassifier(n_estimators=2))])
    made = fitted(both, (labels(frame()) == "yes").astype(int))
    with pytest.raises(Refused, match="has a XGBClassifier in it") as caught:
        converted(made)
    assert caught.value.code == "E-IMPORT-KIND"


@pytest.mark.parametrize("how", ["width", "class", "count", "sparse"])
def test_neighbours_whose_rows_or_classes_are_not_there_are_refused_before_they_are_asked(how: str) -> None:
    model = BaggingClassifier(clone(NEAR), n_estimators=1)
    made = fitted(model)
    near = model.estimators_[0]
    if how == "width":
        near._fit_X = near._fit_X[:, :2]
    elif how == "class":
        near._y = near._y + 50
    elif how == "count":
        near._y = near._y[:-1]
    else:
        near._fit_X = csr_matrix(near._fit_X)
    with pytest.raises(Refused) as caught:
        converted(made)
    assert caught.value.code == ("E-IMPORT-KIND" if how == "sparse" else "E-IMPORT-UNSAFE")


def test_a_tree_deep_in_a_model_of_models_is_looked_at_too() -> None:
    prepare = SelectFromModel(RandomForestClassifier(2, max_depth=2))
    inner = Pipeline([("prepare", prepare), ("model", LogisticRegression())])
    model = StackingClassifier([("inner", inner), ("tree", clone(TREE))], cv=2)
    made = fitted(model)
    trees.check(made.model)
    forest = model.estimators_[0].named_steps["prepare"].estimator_
    state = forest.estimators_[0].tree_.__getstate__()
    nodes = state["nodes"].copy()
    nodes["left_child"][0] = 0
    forest.estimators_[0].tree_.__setstate__({**state, "nodes": nodes})
    with pytest.raises(Refused, match="does not end"):
        converted(made)


def test_boosting_with_trees_of_wider_rows_than_its_own_is_refused() -> None:
    made = fitted(GradientBoostingClassifier(n_estimators=2))
    made.model.n_features_in_ = 2
    with pytest.raises(Refused, match="column that there is not"):
        trees.check(made.model)


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


@pytest.mark.parametrize("count", [10**9, -1])
def test_a_tree_that_says_it_has_other_nodes_than_it_holds_is_refused_before_they_are_read(count: int) -> None:
    model = fitted(DecisionTreeClassifier(max_depth=3)).model
    model.tree_.__setstate__({**model.tree_.__getstate__(), "node_count": count})
    with pytest.raises(Refused, match="other nodes than it holds") as caught:
        trees.check(model)
    assert caught.value.code == "E-IMPORT-UNSAFE"


def test_trees_of_forests_and_of_histograms_are_looked_at() -> None:
    for model in (RandomForestClassifier(3), GradientBoostingRegressor(n_estimators=3)):
        made = fitted(model, frame()["calls"] > 5)
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


def test_what_holds_itself_is_looked_at_once() -> None:
    made = fitted(DecisionTreeClassifier(max_depth=2)).model
    made.itself = {"again": [made]}
    assert [part for part in parts(made) if part is made] == [made]
