"""What the sandbox leaves is believed by nobody: read by a list of types, compared, and refused where it differs."""

from __future__ import annotations

import errno
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

from containers.importing.checking import checked, main
from containers.importing.converting import Converted, convert
from containers.importing.making import FILES, Bounds, _checked, _report, look, modules_of
from containers.importing.rows import plain, sample
from containers.importing.sandbox import bring
from containers.importing.walls import starved
from containers.prediction.core import predict
from containers.prediction.model import digest
from containers.training import libraries
from containers.training.refusal import Refused
from tests.support.old_models import FEATURES, Old, fitted, frame, package

LOGISTIC = fitted(LogisticRegression())


def left(tmp_path: Path, old: Old, rows: Any = None, **changes: Any) -> dict[str, Any]:
    """Leave what the sandbox leaves of a model, with changes; return what the check is asked."""
    made: Converted = convert(old.model, old.scaler, [], rows)
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for name, data in old.files().items():
            archive.writestr(name, data)
    skops.io.dump(made.pipeline, tmp_path / "o.model.skops")
    said = {
        "ok": True,
        **made.report(),
        "walls": ["limits"],
        **changes,
    }
    with look(package(tmp_path / "p.zip", old.files())) as looked:
        asked = {"looked": looked.json(), "told": looked.told.json(), "said": said}
    found: dict[str, Any] = json.loads(json.dumps(asked))
    return found


def refusal(out: str, asked: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        checked(out, asked)
    return caught.value


@pytest.mark.parametrize("given", [True, False])
def test_what_agrees_becomes_a_bundle_that_predictions_read(tmp_path: Path, given: bool) -> None:
    table = plain(LOGISTIC.frame) if given else None
    said = checked(f"{tmp_path}/o.", left(tmp_path, LOGISTIC, table))
    assert (said["model_type"], said["task"], said["feature_columns"]) == ("logistic", "classification", list(FEATURES))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name in FILES:
        (tmp_path / f"o.{name}").rename(bundle / name)
    metadata = json.loads((bundle / "metadata.json").read_text())
    assert (metadata["imported"]["class"], metadata["imported"]["rows_invented"]) == ("LogisticRegression", not given)
    assert metadata["imported"]["told"]["hyperparameters"] == {"seed": 1}
    columns = json.loads((bundle / "schema.json").read_text())["columns"]
    assert [column["kind"] for column in columns] == ["number"] * 3
    assert ("low" in columns[0]) == given
    assert json.loads((bundle / "metrics.json").read_text())["reported_accuracy"] == 0.875
    LOGISTIC.frame.to_csv(tmp_path / "rows.csv", index=False)
    digests = {name: digest(bundle / name) for name in FILES}
    assert predict(bundle, tmp_path / "rows.csv", tmp_path / "answers.csv", "prediction", digests) == len(
        LOGISTIC.frame
    )
    answers = pd.read_csv(tmp_path / "answers.csv")["prediction"]
    assert answers.tolist() == LOGISTIC.model.predict(LOGISTIC.scaler.transform(LOGISTIC.frame)).tolist()


def test_one_bit_that_differs_is_refused_and_nothing_more_is_written(tmp_path: Path) -> None:
    asked = left(tmp_path, LOGISTIC)
    asked["said"]["answers"][5] += 1e-16
    assert refusal(f"{tmp_path}/o.", asked).code == "E-IMPORT-DIFFERS"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.model.skops", "p.zip"]
    asked["said"]["answers"] = []
    assert refusal(f"{tmp_path}/o.", asked).code == "E-IMPORT-DIFFERS"


def test_a_file_of_another_kind_than_it_is_said_to_be_is_refused(tmp_path: Path) -> None:
    """A tree where there should be none: its type is not on the list of that family."""
    asked = left(tmp_path, fitted(GradientBoostingClassifier(n_estimators=2)))
    asked["said"]["model_type"] = "logistic"
    assert refusal(f"{tmp_path}/o.", asked).code == "E-MODEL-DAMAGED"
    asked["said"]["model_type"] = "neural_network"
    assert refusal(f"{tmp_path}/o.", asked).code == "E-IMPORT-KIND"


def test_another_model_than_the_one_that_answered_is_refused(tmp_path: Path) -> None:
    asked = left(tmp_path, LOGISTIC)
    other = fitted(LogisticRegression(C=0.01))
    skops.io.dump(Pipeline([("scale", other.scaler), ("model", other.model)]), tmp_path / "o.model.skops")
    assert refusal(f"{tmp_path}/o.", asked).code == "E-IMPORT-DIFFERS"


def test_too_little_memory_to_read_a_model_is_not_said_to_be_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = left(tmp_path, LOGISTIC)
    monkeypatch.setattr(skops.io, "load", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        checked(f"{tmp_path}/o.", asked)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("libopenblas.so: failed to map segment from shared object"), True),
        (ImportError("No module named 'sklearn'"), False),
        (OSError(errno.ENOENT, "No such file"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_came_of_the_limit_on_memory_is_told_from_the_file_s_own_faults(error: Exception, memory: bool) -> None:
    assert starved(error) is memory


def test_a_model_is_read_with_no_more_memory_than_it_was_made_with(tmp_path: Path) -> None:
    said = left(tmp_path, LOGISTIC)["said"]
    with look(tmp_path / "p.zip") as looked, pytest.raises(Refused, match="E-IMPORT-LIMIT"):
        _checked(looked, said, f"{tmp_path}/o.", Bounds(memory_bytes=64 << 20))


@pytest.mark.parametrize("changes", [{"answers": None}, {"table": {}}, {"features": 5}, {"classes": None}])
def test_a_report_that_makes_no_sense_is_an_answer_too(tmp_path: Path, changes: dict[str, Any]) -> None:
    asked = left(tmp_path, LOGISTIC, **changes)
    with (tmp_path / "asked").open("w+b") as source, (tmp_path / "answered").open("w+b") as target:
        source.write(json.dumps(asked).encode())
        source.seek(0)
        assert main({"out": f"{tmp_path}/o.", "asked": source.fileno(), "answered": target.fileno()}) == 0
        target.seek(0)
        said = json.loads(target.read())
    assert (said["ok"], said["code"]) == (False, "E-IMPORT-LOAD")


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (-9, b"", "E-IMPORT-LIMIT"),
        (-24, b"", "E-IMPORT-LIMIT"),
        (-11, b"", "E-IMPORT-LOAD"),
        (3, b"", "E-IMPORT-LOAD"),
        (0, b"", "E-IMPORT-LOAD"),
        (0, b"[" * 100_000, "E-IMPORT-LOAD"),
        (0, b'{"ok": 1}', "E-IMPORT-LOAD"),
        (0, b'{"ok": false, "code": "E-IMPORT-UNSAFE", "detail": "a\\nb"}', "E-IMPORT-UNSAFE"),
        (0, b'{"ok": false, "code": "E-OOM", "detail": ""}', "E-IMPORT-LOAD"),
        (3, b'{"ok": true}', "E-IMPORT-LOAD"),
    ],
)
def test_however_a_process_ends_it_is_one_code_and_one_line(code: int, data: bytes, expected: str) -> None:
    with pytest.raises(Refused) as caught:
        _report(code, io.BytesIO(data))
    assert caught.value.code == expected
    assert "\n" not in caught.value.detail


def test_a_sample_is_read_like_any_table_and_only_its_first_rows_count(tmp_path: Path) -> None:
    rows = pd.concat([frame()] * 5).assign(plan="basic", churn="no")
    rows.to_csv(tmp_path / "rows.csv", index=False, sep=";")
    with (tmp_path / "rows.csv").open("rb") as file:
        table = sample(file, (), "churn")
        assert list(table) == [*FEATURES, "plan"]
        assert {len(cells) for cells in table.values()} == {200}
        assert set(table["plan"]) == {"basic"}
        assert list(sample(file, ("spend",), "churn")) == ["spend"]
        with pytest.raises(Refused, match="lacks the column 'other'"):
            sample(file, ("other",), "churn")
    (tmp_path / "none.csv").write_text("a,b\n")
    with (tmp_path / "none.csv").open("rb") as file, pytest.raises(Refused) as caught:
        sample(file, (), "churn")
    assert caught.value.code == "E-CSV-SCHEMA"


def test_a_library_that_is_not_installed_is_named_with_the_way_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(["lightgbm.sklearn", "sklearn.tree"])
    monkeypatch.setattr(libraries, "is_missing", lambda _: True)
    with pytest.raises(Refused, match="pip install") as caught:
        bring(["lightgbm.sklearn"])
    assert caught.value.code == "E-LIBRARY"


def test_only_modules_of_libraries_are_imported_beforehand(tmp_path: Path) -> None:
    with look(package(tmp_path / "p.zip", fitted(LinearRegression(), frame()["spend"]).files())) as looked:
        modules = modules_of(looked.found)
    assert "sklearn.linear_model._base" in modules
    assert {module.split(".")[0] for module in modules} == {"sklearn", "numpy"}
