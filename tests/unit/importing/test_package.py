"""What arrives is taken apart within bounds, and nothing of it has a name on the disk."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from containers.importing import package as packing
from containers.importing.making import look, versions_differ
from containers.importing.package import opened, told
from containers.importing.unpickler import OldPickle
from containers.training.refusal import Refused
from tests.support.old_models import FEATURES, dumped, fitted, package, reduced, sha256

OLD = fitted(LogisticRegression())
FILES = OLD.files()


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught, look(path):
        pass
    return caught.value.code


def test_looking_says_what_the_files_are_and_leaves_nothing(tmp_path: Path) -> None:
    with look(package(tmp_path / "p.zip", FILES)) as found:
        looked = found.json()
    assert [file["sha256"] for file in looked["files"]] == [sha256(data) for data in FILES.values()]
    assert looked["estimators"] == ["LogisticRegression"]
    assert (looked["target"], len(looked["versions"])) == ("churn", 1)
    assert "sklearn.preprocessing._data.StandardScaler" in looked["names"]
    assert [path.name for path in tmp_path.iterdir()] == ["p.zip"]


@pytest.mark.parametrize("compress", [3, ("gzip", 3)])
def test_what_joblib_compressed_is_read_with_a_bound(
    tmp_path: Path, compress: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dumped(OLD.model, compress)
    path = package(tmp_path / "p.zip", {"model.pkl": data})
    with look(path) as looked:
        assert looked.members["model.pkl"].sha256 == sha256(data)
        file = looked.members["model.pkl"].file
        file.seek(0)
        assert OldPickle(file).load().coef_.tolist() == OLD.model.coef_.tolist()
    cut = package(tmp_path / "cut.zip", {"model.pkl": data[:-20]})
    assert refusal(cut) == "E-IMPORT-KIND"
    monkeypatch.setattr(packing, "UNPACKED_BYTES_MAX", 1000)
    assert refusal(path) == "E-TOOLARGE"


@pytest.mark.parametrize("start", [b"BZh9", b"\xfd7zXZ\x00", b"PK\x03\x04....", b"\x89HDF\r\n", b"", b"\x78\x9cxx"])
def test_other_files_are_told_from_pickles(tmp_path: Path, start: bytes) -> None:
    assert refusal(package(tmp_path / "p.zip", {"model.pkl": start})) == "E-IMPORT-KIND"


def test_only_the_archive_of_the_command_line_is_taken(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"no archive")
    assert refusal(tmp_path / "none") == "E-IMPORT-KIND"
    assert refusal(package(tmp_path / "a", {"preprocessor.pkl": b"x"})) == "E-IMPORT-KIND"
    assert refusal(package(tmp_path / "b", {**FILES, "../model.pkl": b"x"})) == "E-IMPORT-KIND"
    with zipfile.ZipFile(tmp_path / "c", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.pkl", b"0" * 100)
    assert refusal(tmp_path / "c") == "E-IMPORT-KIND"


@pytest.mark.parametrize("bad", ["model.pkl", "preprocessor.pkl"])
def test_a_bad_preprocessor_is_refused_like_a_bad_model_and_the_refusal_says_which_of_them_it_is(
    tmp_path: Path, bad: str
) -> None:
    path = package(tmp_path / "p.zip", {**FILES, bad: reduced("os", "system", "true")})
    with pytest.raises(Refused, match=rf"^E-IMPORT-UNSAFE: .*os\.system.* \({bad}\)$"), look(path):
        pass


@pytest.mark.parametrize(
    "metadata", [b"[]", b"{", b'{"feature_columns": "a"}', b'{"feature_columns": ["a", "a"]}', b"[" * 100_000]
)
def test_metadata_that_are_none_are_refused(tmp_path: Path, metadata: bytes) -> None:
    assert refusal(package(tmp_path / "p.zip", {**FILES, "metadata.json": metadata})) == "E-IMPORT-KIND"


def test_metadata_are_taken_as_far_as_they_make_sense(tmp_path: Path) -> None:
    said = {"target_column": 5, "metrics": {"r2": 0.5, "bad": float("nan"), "flag": True}, "training_samples": -1}
    with opened(package(tmp_path / "p.zip", {**FILES, "metadata.json": json.dumps(said).encode()})) as members:
        found = told(members["metadata.json"])
    assert (found.target, found.features, found.training_samples) == ("prediction", (), None)
    assert dict(found.metrics) == {"r2": 0.5}
    for score, metrics in ((0.96, {"score": 0.96}), ({"r2": 0.9}, {"r2": 0.9}), ("good", {}), (None, {})):
        with opened(
            package(tmp_path / "s.zip", {**FILES, "metadata.json": json.dumps({"score": score}).encode()})
        ) as old:
            assert dict(told(old["metadata.json"]).metrics) == metrics
    assert told(None).target == "prediction"
    with opened(package(tmp_path / "q.zip", FILES)) as members:
        assert told(members["metadata.json"]).features == FEATURES


def test_what_breaks_under_another_version_is_told_with_both() -> None:
    broken = Refused("E-IMPORT-LOAD", "ValueError: node array")
    found = versions_differ(broken, {"0.24.2": None})
    assert found.code == "E-IMPORT-VERSION"
    assert "0.24.2" in found.detail
    assert "node array" in found.detail
    assert versions_differ(broken, {}) is broken
    other = Refused("E-IMPORT-UNSAFE", "x")
    assert versions_differ(other, {"0.24.2": None}) is other


@pytest.mark.parametrize(
    "data",
    [
        reduced("os", "system", "true"),
        b"\x80\x02\x82\x01.",
        b"P1\n.",
        reduced("_codecs", "encode", "x", "rot13"),
        b"csklearn.calibration\n_CalibratedClassifier\n(dVpredict_proba\ncnumpy\nlog\nsb.",
    ],
)
def test_the_unpickler_refuses_by_itself_what_the_scan_refuses(data: bytes) -> None:
    """Should a pickle get past the scan."""
    with pytest.raises(Refused) as caught:
        OldPickle(io.BytesIO(data)).load()
    assert caught.value.code == "E-IMPORT-UNSAFE"


def test_an_array_is_never_read_past_the_end_of_the_file() -> None:
    data = dumped(OLD.scaler)
    with pytest.raises((ValueError, EOFError)):
        OldPickle(io.BytesIO(data[: data.rindex(b"NumpyArrayWrapper")])).load()
