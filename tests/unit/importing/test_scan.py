"""A pickle is read without being loaded: what it names is found, and refused where no model needs it (fault 85)."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import __version__ as here
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from containers.importing import scan as scanning
from containers.importing.scan import Found, item_bytes, scan
from containers.training.refusal import Refused
from tests.support.old_models import chained, dangerous, deep, dumped, fitted, reduced

HOME = Path("/nowhere")


def scanned(data: bytes) -> Found:
    return scan(io.BytesIO(data))


def refusal(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        scanned(data)
    return caught.value


@pytest.mark.parametrize("name", dangerous(HOME, 9))
def test_a_pickle_that_would_do_something_is_refused_unloaded(name: str) -> None:
    refused = refusal(dangerous(HOME, 9)[name])
    assert refused.code == "E-IMPORT-UNSAFE"
    assert "not loaded" in refused.detail


@pytest.mark.parametrize("how", ["joblib", 0, 1, 2, 3, 4, 5])
def test_what_a_model_names_is_found_whatever_wrote_it(how: Any) -> None:
    """Also past the bytes of arrays, which joblib puts between the instructions."""
    model = fitted(RandomForestClassifier(3)).model
    data = dumped(model) if how == "joblib" else pickle.dumps(model, how)
    file = io.BytesIO(data)
    found = scan(file)
    assert file.tell() == len(data)
    names = {str(name.today) for name in found.names}
    assert {"sklearn.ensemble._forest.RandomForestClassifier", "sklearn.tree._tree.Tree", "numpy.dtype"} <= names
    assert list(found.versions) == [here]


def test_arrays_of_every_type_are_passed_over() -> None:
    arrays = [
        np.zeros((2, 3)),
        np.asfortranarray(np.zeros((4, 2))),
        np.array(["ab", "c"]),
        np.array([b"ab"]),
        np.array(["text", "other"], dtype=object),
        np.zeros(3, dtype=[("a", "i4"), ("b", "f8")]),
        np.array(5.0),
    ]
    file = io.BytesIO(dumped(arrays))
    assert scan(file).operations > 50
    assert file.read() == b""
    assert item_bytes("U12") == 48


def test_a_name_hidden_behind_an_array_is_found() -> None:
    """An array of objects is a pickle of its own inside the file."""
    data = dumped([np.array(["x"], dtype=object)])
    evil = reduced("os", "system", "true")
    inner = data.index(b"\x80", 10)
    refused = refusal(data[:inner] + evil + data[data.index(b".", inner) + 1 :])
    assert (refused.code, "os.system" in refused.detail) == ("E-IMPORT-UNSAFE", True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (chained("true"), "made itself"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02Nq\x00Q.", "BINPERSID"),
        (b"P1\n.", "PERSID"),
        (b"\x80\x02Nr\xff\xff\xff\xff.", "remembers more"),
        (b"\x80\x04N\x8c\x01a\x93.", "what it made itself"),
        (b"csklearn.calibration\n_CalibratedClassifier\n(dVpredict_proba\ncnumpy\nlog\nsb.", "changes what it names"),
        (b"(ios\nsystem\n.", "os.system"),
        (b"(cos\nsystem\no.", "os.system"),
    ],
)
def test_what_no_model_does_is_refused_whatever_it_names(data: bytes, words: str) -> None:
    refused = refusal(data)
    assert (refused.code, words in refused.detail) == ("E-IMPORT-UNSAFE", True), refused.detail


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x80\x02.", b"\x80\x02]", b"\x80\x02a.", b"\x80\x02h\x05.", b"\x80\x09N."]
)
def test_what_is_no_whole_pickle_is_said_to_be_none(data: bytes) -> None:
    assert refusal(data).code == "E-IMPORT-KIND"


def test_a_cut_pickle_that_names_something_bad_is_bad_first() -> None:
    assert refusal(reduced("os", "system", "true")[:-1]).code == "E-IMPORT-UNSAFE"


def test_bounds_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "OPERATIONS_MAX", 10)
    assert "instructions" in refusal(deep(20)).detail
    monkeypatch.undo()
    scanned(deep())
    many = b"".join(f"csklearn.tree._tree\nT{n}\n0".encode() for n in range(scanning.NAMES_MAX + 1))
    assert "more than" in refusal(b"\x80\x02" + many + b"N.").detail


def test_an_estimator_that_is_not_brought_over_is_no_attack() -> None:
    refused = refusal(dumped(fitted(GaussianProcessClassifier()).model))
    assert (refused.code, "GaussianProcessClassifier" in refused.detail) == ("E-IMPORT-KIND", True)
    assert "extra trees" in refused.detail  # what is taken is said


def test_a_search_is_told_apart_from_the_model_it_found() -> None:
    refused = refusal(dumped(fitted(GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2)).model))
    assert (refused.code, "best_estimator_" in refused.detail) == ("E-IMPORT-KIND", True)


def test_a_pickle_of_long_ago_is_told_with_the_version_that_wrote_it() -> None:
    data = dumped(fitted(LogisticRegression()).model)
    old = data.replace(b"\x8c\x1esklearn.linear_model._logistic", b"\x8c\x1dsklearn.linear_model.logistic")
    old = old.replace(b"\x8c" + bytes([len(here)]) + here.encode(), b"\x8c\x060.21.3")
    refused = refusal(old)
    assert refused.code == "E-IMPORT-VERSION"
    assert "0.21.3" in refused.detail
    assert "sklearn.linear_model.logistic.LogisticRegression" in refused.detail
