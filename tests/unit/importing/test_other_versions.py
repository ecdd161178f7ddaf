"""What other versions of scikit-learn wrote comes over where today's can answer for it.

Their pickles are made of today's, by the names and attributes in which they differ: of 1.2 to 1.8, whose
own were read once.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, RidgeCV, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from containers.importing.converting import convert, document
from containers.importing.rows import framed, plain
from containers.importing.scan import scan
from containers.importing.unpickler import OldPickle
from containers.prediction.core import answer
from containers.prediction.model import load_pipeline
from containers.training.refusal import Refused
from tests.support.old_models import fitted, frame, labels, reduced

LOSS = rb"csklearn\._loss\._loss\n(Cy\w+)\n(?:q.)?"
OLDER = {
    "1.5 to 1.8": (LOSS, rb"c_loss\n\1\n"),
    "1.4": (
        LOSS + rb"\)R",
        rb"csklearn._loss._loss\n__pyx_unpickle_\1\ncsklearn._loss._loss\n\1\nI238750788\n)\x87R".replace(
            rb"\x87", b"\x87"
        ),
    ),
}
"""By version: a loss as it is written now, and as it was."""
ROUNDS = {HistGradientBoostingClassifier: "max_iter", GradientBoostingClassifier: "n_estimators"}


def written(model: Any, now: bytes = b"", then: bytes = b"") -> bytes:
    """Return a pickle in a protocol of plain names, some of them as they were then."""
    data = pickle.dumps(model, 2)
    if now:
        data, count = re.subn(now, then, data)
        assert count
    return data


def assert_comes_over(data: bytes, before: Any, task: str = "classification") -> None:
    scan(io.BytesIO(data))
    new = convert(OldPickle(io.BytesIO(data)).load(), None, list(frame().columns), plain(frame()))
    assert new.kind.task == task
    with TemporaryDirectory() as folder:
        skops.io.dump(new.pipeline, f"{folder}/model.skops")
        again = load_pipeline(Path(folder, "model.skops"), new.kind.model_type)
    answers = answer(again, document(new.classes, new.kind, probabilities=new.probabilities), framed(new.table))
    assert answers.tobytes() == new.answers.tobytes()
    found = answers.tolist() if new.classes is None else [new.classes[place] for place in answers.argmax(axis=1)]
    assert found == list(before)


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_losses_have_other_names_in_other_versions(version: str, task: str) -> None:
    rows = frame()
    if task == "classification":
        made = HistGradientBoostingClassifier(max_iter=2).fit(rows, labels(rows))
    else:
        made = HistGradientBoostingRegressor(max_iter=2).fit(rows, rows["spend"])
    assert_comes_over(written(made, *OLDER[version]), made.predict(rows), task)


@pytest.mark.parametrize("kind", ROUNDS)
def test_boosting_of_more_than_two_classes_comes_over(kind: Any) -> None:
    rows = frame()
    groups = np.array(["a", "b", "c"], dtype=object)[np.digitize(rows["spend"], [800.0, 1000.0])]
    made = kind(random_state=1).set_params(**{ROUNDS[kind]: 2}).fit(rows, groups)
    assert_comes_over(written(made), made.predict(rows))


def test_a_loss_that_libraries_have_no_more_is_let_go_where_only_a_fit_needed_it() -> None:
    made = SGDClassifier(random_state=1).fit(frame(), labels(frame()))
    data = written(made, rb"_sgd_fast\nHinge\n", rb"_sgd_fast\nLog\n")
    assert_comes_over(data, made.predict(frame()))


def test_a_function_of_numbers_has_another_name_in_an_older_numpy() -> None:
    model = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1).fit(frame(), frame()["spend"])
    data = written(model, rb"cnumpy\n(log1p|expm1)\n", rb"cnumpy.core._multiarray_umath\n\1\n")
    assert_comes_over(data, model.predict(frame()), "regression")


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        (RidgeClassifier(), "classes_"),
        (QuadraticDiscriminantAnalysis(reg_param=0.1), "covariance_estimator"),
        (Pipeline([("fill", SimpleImputer()), ("model", LogisticRegression())]), "_fill_dtype"),
    ],
)
def test_what_an_older_version_did_not_have_is_as_it_always_was(model: Any, lacks: str) -> None:
    made = clone(model).fit(frame(), labels(frame()))
    before = made.predict(frame())
    delattr(made.steps[0][1] if isinstance(made, Pipeline) else made, lacks)
    assert_comes_over(written(made), before)


def test_a_parameter_that_is_new_is_its_default() -> None:
    made = fitted(RidgeCV(), frame()["spend"])
    del made.model.store_cv_results
    new = convert(made.model, made.scaler, [], plain(made.frame))
    assert new.parameters["store_cv_results"] is False


def counted(tree: Any) -> None:
    """Have a tree hold counts, as before scikit-learn 1.4, in place of shares."""
    state = tree.__getstate__()
    counts = state["values"] * tree.weighted_n_node_samples[:, None, None]
    tree.__setstate__({**state, "values": counts.round()})


def test_counts_in_the_leaves_of_an_older_tree_become_the_shares_they_were_asked_as() -> None:
    made = RandomForestClassifier(3, max_depth=2, random_state=1).fit(frame(), labels(frame()))
    before = made.predict_proba(frame())
    for member in made.estimators_:
        counted(member.tree_)
    assert made.predict_proba(frame()).max() > 2  # what would have come over, without a word
    new = convert(made, None, list(frame().columns), plain(frame()))
    assert new.probabilities
    np.testing.assert_allclose(new.answers, before, rtol=0, atol=1e-15)


def test_probabilities_that_do_not_add_up_are_refused() -> None:
    groups = np.array(["a", "b", "c"], dtype=object)[np.digitize(frame()["spend"], [800.0, 1000.0])]
    made = fitted(MLPClassifier((3,), max_iter=2), groups)
    made.model.out_activation_ = "identity"
    with pytest.raises(Refused, match="do not add up") as caught:
        convert(made.model, made.scaler, [], plain(made.frame))
    assert caught.value.code == "E-IMPORT-LOAD"


def test_what_would_answer_otherwise_without_a_word_is_refused() -> None:
    made = fitted(VotingClassifier([("ada", AdaBoostClassifier(n_estimators=2))])).model
    made.estimators_[0].algorithm = "SAMME.R"
    with pytest.raises(Refused, match="would answer otherwise") as caught:
        convert(made, None, list(frame().columns), None)
    assert caught.value.code == "E-IMPORT-VERSION"


def test_a_loss_is_made_of_nothing_else() -> None:
    data = reduced("sklearn._loss._loss", "__pyx_unpickle_CyHuberLoss", "no loss", 1, ())
    scan(io.BytesIO(data))
    with pytest.raises(Refused) as caught:
        OldPickle(io.BytesIO(data)).load()
    assert caught.value.code == "E-IMPORT-UNSAFE"
