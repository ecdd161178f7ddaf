"""Predicting a file: what is added, what is refused, and models that were tampered with."""

from __future__ import annotations

import functools
import gzip
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
import skops.io
from pyarrow import parquet
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from containers.prediction import model as models
from containers.prediction.__main__ import answer, main
from containers.training import table as tables
from messages.errors import ERRORS
from tests.integration.training.bundles import digests, document, read, request, train
from tests.integration.training.conftest import CASES
from tests.unit.training.files import penguins, people, table, write

Predict = Callable[..., dict[str, Any]]


@pytest.fixture
def predict(bundles: dict[str, Path], tmp_path: Path) -> Predict:
    def call(case: str, source: Path, **more: Any) -> dict[str, Any]:
        return answer(request(bundles[case], source, tmp_path / "predicted.csv", **more))

    return call


def refused(found: dict[str, Any], tmp_path: Path) -> str:
    assert found["ok"] is False
    assert found["code"] in ERRORS
    assert found["detail"].isprintable()
    assert not [p for p in tmp_path.iterdir() if p.name in ("predicted.csv",) or p.name.startswith(".writing")]
    return str(found["code"])


def test_extra_columns_are_kept_and_the_prediction_is_named_as_asked(predict: Predict, tmp_path: Path) -> None:
    lines = penguins().read_text().splitlines()
    source = write(tmp_path, "\n".join([f"note,{lines[0]}", *(f'"=A1, ""x""",{line}' for line in lines[1:8])]))
    assert predict("logistic_binary", source, column="guess") == {"ok": True, "rows": 7}
    rows = read(tmp_path / "predicted.csv")
    assert list(rows[0]) == ["note", *lines[0].split(","), "guess", "probability_female", "probability_male"]
    assert rows[0]["note"] == '\'=A1, "x"', "what was sent comes back, but for formulas"
    for row in rows:
        chances = {name: float(row[f"probability_{name}"]) for name in ("female", "male")}
        assert sum(chances.values()) == pytest.approx(1)
        assert row["guess"] == max(chances, key=lambda name: chances[name])


@pytest.mark.parametrize("format", ["gz", "parquet", "xlsx"])
def test_packed_files_are_predicted_like_the_csv_of_them(predict: Predict, tmp_path: Path, format: str) -> None:
    rows = [line.split(",") for line in penguins().read_text().splitlines()]
    rows = [["=note", *rows[0]], *(["=A1", *row] for row in rows[1:8])]
    text = "".join(",".join(row) + "\n" for row in rows)
    assert predict("logistic_binary", write(tmp_path, text))["ok"]
    expected = read(tmp_path / "predicted.csv")
    source = tmp_path / "packed"
    if format == "gz":
        source.write_bytes(gzip.compress(text.encode()))
    elif format == "parquet":
        columns = [pa.array(column) for column in zip(*rows[1:], strict=True)]
        parquet.write_table(pa.table(columns, names=rows[0]), source)
    else:
        book = openpyxl.Workbook()
        for i, row in enumerate(rows, 1):
            for j, cell in enumerate(row, 1):
                book.active.cell(i, j, cell).data_type = "s"
        book.save(source)
    assert predict("logistic_binary", source)["ok"]
    found = read(tmp_path / "predicted.csv")
    notes = {next(iter(row.items())) for row in found}
    assert notes == {("'=note", "'=A1")}
    assert [list(row.values())[1:] for row in found] == [list(row.values())[1:] for row in expected]


def test_a_file_without_the_target_and_with_other_order_is_predicted_alike(predict: Predict, tmp_path: Path) -> None:
    assert predict("boosting", penguins())["ok"]
    expected = [row["prediction"] for row in read(tmp_path / "predicted.csv")]
    rows = read(penguins())
    names = [n for n in reversed(rows[0]) if n != "sex"]
    source = write(tmp_path, table(";".join(names), [";".join(r[n].replace(".", ",") for n in names) for r in rows]))
    assert predict("boosting", source)["ok"]
    again = read(tmp_path / "predicted.csv", ";")
    assert [row["prediction"] for row in again] == expected
    assert "," in again[0]["probability_male"], "decimals as the file writes them"


def test_gaps_and_texts_never_seen_are_predicted(predict: Predict, tmp_path: Path) -> None:
    source = write(
        tmp_path, table("species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,sex,year", ["Emperor,Mars,,,,,"])
    )
    for case in ("linear", "ridge"):
        assert predict(case, source) == {"ok": True, "rows": 1}
        assert float(read(tmp_path / "predicted.csv")[0]["prediction"]) > 0


def test_a_model_of_one_feature_predicts_a_file_of_one_column(tmp_path: Path) -> None:
    source = write(tmp_path, table("a,y", [f"{i},{i * 2}" for i in range(40)]))
    bundle = train(tmp_path / "job", source, "y", model="linear")
    rows = write(tmp_path, "a\n100\n", "one.csv")
    assert answer(request(bundle, rows, tmp_path / "predicted.csv")) == {"ok": True, "rows": 1}
    assert float(read(tmp_path / "predicted.csv")[0]["prediction"]) == pytest.approx(200)


def test_many_blocks_give_the_rows_of_one(predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert predict("forest", penguins())["rows"] == 344
    whole = (tmp_path / "predicted.csv").read_bytes()
    monkeypatch.setattr(tables, "BLOCK_ROWS_MAX", 50)
    assert predict("forest", penguins())["rows"] == 344
    assert (tmp_path / "predicted.csv").read_bytes() == whole


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("a,b", "1,2", "lacks the columns 'species'"),
        ("species,island,bill_lenght_mm,bill_depth_mm,flipper_length_mm,sex,year", "A,B,1,2,3,male,4", "rename"),
        ("species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,sex,year", "A,B,long,2,3,male,4", "'long'"),
        (
            "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,sex,year,prediction",
            "A,B,1,2,3,f,4,5",
            "--col",
        ),
    ],
)
def test_a_file_that_does_not_fit_the_model_is_refused_by_column(
    predict: Predict, tmp_path: Path, header: str, row: str, words: str
) -> None:
    found = predict("linear", write(tmp_path, table(header, [row])))
    assert refused(found, tmp_path) == "E-CSV-SCHEMA"
    assert words in found["detail"]


def test_a_file_without_rows_and_a_name_taken_by_a_probability_are_refused(predict: Predict, tmp_path: Path) -> None:
    assert refused(predict("logistic_binary", penguins(), column="probability_male"), tmp_path) == "E-CSV-SCHEMA"
    header = penguins().read_text().splitlines()[0]
    assert refused(predict("linear", write(tmp_path, header + "\n")), tmp_path) == "E-CSV-ROWS"
    assert refused(predict("linear", write(tmp_path, bytes(100))), tmp_path) == "E-CSV-BINARY"


def test_labels_and_names_that_are_formulas_are_written_as_text(tmp_path: Path) -> None:
    """faults.md 84."""
    source = write(tmp_path, table("a,y", [f"{i},{'=cmd()' if i % 2 else '@x'}" for i in range(40)]))
    bundle = train(tmp_path / "job", source, "y", model="logistic")
    assert answer(request(bundle, source, tmp_path / "predicted.csv", column="=p"))["ok"]
    rows = read(tmp_path / "predicted.csv")
    assert list(rows[0]) == ["a", "y", "'=p", "probability_=cmd()", "probability_@x"]
    assert {row["'=p"] for row in rows} <= {"'=cmd()", "'@x"}


def test_true_and_false_mean_the_same_in_every_kind_of_file(tmp_path: Path) -> None:
    """Arrow calls them true and false, pandas writes True and False, Excel shows TRUE and FALSE."""
    flags = [i % 3 == 0 for i in range(60)]
    source = tmp_path / "data.parquet"
    parquet.write_table(pa.table({"a": flags, "y": [2.0 if flag else 7.0 for flag in flags]}), source)
    bundle = train(tmp_path / "job", source, "y", model="decision_tree")
    cells = ("true", "False", "TRUE", "FALSE")
    rows = write(tmp_path, table("a,note", [f"{cell},{i}" for i, cell in enumerate(cells)]), "rows.csv")
    book = openpyxl.Workbook()
    for row in (["a", "note"], *([cell.lower() == "true", i] for i, cell in enumerate(cells))):
        book.active.append(row)
    book.save(tmp_path / "rows.xlsx")
    for path in (rows, tmp_path / "rows.xlsx"):
        assert answer(request(bundle, path, tmp_path / "predicted.csv"))["ok"]
        assert [row["prediction"] for row in read(tmp_path / "predicted.csv")] == ["2", "7", "2", "7"]


# ------------------------------------------------------------------------------------------- tampered models


def copied(bundle: Path, folder: Path) -> Path:
    return shutil.copytree(bundle, folder)


def spring(mark: str) -> None:
    """What an attacker would run."""
    Path(mark).mkdir()


class Trap:
    """An object whose pickle runs a command when it is read."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (self.mark,))


def dumped(thing: object) -> bytes:
    return bytes(skops.io.dumps(thing))


def hostile(kind: str, mark: str) -> bytes:
    trap = FunctionTransformer(functools.partial(os.mkdir, mark) if kind == "partial" else os.mkdir)
    match kind:
        case "function" | "partial":
            return dumped(Pipeline([("prepare", trap), ("model", LinearRegression())]))
        case "own type":
            return dumped(Pipeline([("prepare", FunctionTransformer(spring)), ("model", LinearRegression())]))
        case "pickle":
            return pickle.dumps(Trap(mark))
        case "no pipeline":
            return dumped(LinearRegression())
        case _:
            return b"PK\x03\x04 cut"


@pytest.mark.parametrize("case", ["linear", "boosting"])
@pytest.mark.parametrize("kind", ["function", "partial", "own type", "pickle", "no pipeline", "cut"])
def test_a_hostile_model_is_refused_and_nothing_of_it_runs(
    bundles: dict[str, Path], tmp_path: Path, kind: str, case: str
) -> None:
    """Even with digests that match: the list of types is ours, not the file's. (faults.md 85)"""
    bundle = copied(bundles[case], tmp_path / "bundle")
    (bundle / "model.skops").write_bytes(hostile(kind, str(tmp_path / "sprung")))
    found = answer(request(bundle, penguins(), tmp_path / "predicted.csv"))
    assert refused(found, tmp_path) == "E-MODEL-DAMAGED"
    assert not (tmp_path / "sprung").exists()


def test_an_archive_without_a_model_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    bundle = copied(bundles["linear"], tmp_path / "bundle")
    with zipfile.ZipFile(bundle / "model.skops", "w") as archive:
        archive.writestr("other.txt", "nothing here")
    assert refused(answer(request(bundle, penguins(), tmp_path / "predicted.csv")), tmp_path) == "E-MODEL-DAMAGED"


def test_a_size_bomb_is_refused_unread(bundles: dict[str, Path], tmp_path: Path) -> None:
    bundle = copied(bundles["linear"], tmp_path / "bundle")
    with zipfile.ZipFile(bundle / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(40 * 1024**2))
    found = answer(request(bundle, penguins(), tmp_path / "predicted.csv"))
    assert refused(found, tmp_path) == "E-MODEL-DAMAGED"
    assert "unpacks" in found["detail"]


@pytest.mark.parametrize("name", ["model.skops", "metadata.json", "schema.json", "metrics.json"])
def test_one_changed_byte_in_any_listed_file_is_noticed(bundles: dict[str, Path], tmp_path: Path, name: str) -> None:
    bundle = copied(bundles["ridge"], tmp_path / "bundle")
    listed = digests(bundle)
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    found = answer(request(bundle, penguins(), tmp_path / "predicted.csv", digests=listed))
    assert refused(found, tmp_path) == "E-MODEL-DAMAGED"
    assert name in found["detail"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("schema.json"), "lacks schema.json"),
        (lambda d: d.update({"gone.txt": "0" * 64}), "'gone.txt' is missing"),
        (lambda d: d.update({"../work.json": "0" * 64}), "is missing"),
        (lambda d: d.update({"/etc/passwd": "0" * 64}), "is missing"),
    ],
)
def test_a_list_of_files_that_cannot_be_right_is_refused(
    bundles: dict[str, Path], tmp_path: Path, change: Callable[[dict[str, str]], object], words: str
) -> None:
    listed = digests(bundles["ridge"])
    change(listed)
    found = answer(request(bundles["ridge"], penguins(), tmp_path / "predicted.csv", digests=listed))
    assert refused(found, tmp_path) == "E-MODEL-DAMAGED"
    assert words in found["detail"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.json", "no json"),
        ("metadata.json", "[]"),
        ("metadata.json", '{"model_type": "pickle"}'),
        ("schema.json", "{}"),
    ],
)
def test_documents_that_make_no_sense_are_refused(
    bundles: dict[str, Path], tmp_path: Path, name: str, content: str
) -> None:
    bundle = copied(bundles["ridge"], tmp_path / "bundle")
    (bundle / name).write_text(content)
    found = answer(request(bundle, penguins(), tmp_path / "predicted.csv"))
    assert refused(found, tmp_path) == "E-MODEL-DAMAGED"


def test_a_huge_document_is_refused_unread(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "JSON_BYTES_MAX", 10)
    found = answer(request(bundles["ridge"], penguins(), tmp_path / "predicted.csv"))
    assert refused(found, tmp_path) == "E-MODEL-DAMAGED"


def test_the_list_of_types_holds_no_more_than_our_models_need(bundles: dict[str, Path]) -> None:
    used: dict[str, set[str]] = {}
    for bundle in (bundles[case] for case in CASES):
        family = document(bundle / "metadata.json")["model_type"]
        used.setdefault(family, set()).update(skops.io.get_untrusted_types(file=bundle / "model.skops"))
    here = {name: types for name, types in models.TRUSTED.items() if name != models.NETWORK}  # its own test has it
    assert {family: set(types) for family, types in here.items()} == used


def test_faults_of_ours_and_full_memory_are_answers_too(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answer(request(bundles["ridge"], tmp_path / "missing.csv", tmp_path / "predicted.csv"))
    assert refused(found, tmp_path) == "E-PREDICT"
    assert "Traceback" in capsys.readouterr().err

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("containers.prediction.core.load", full)
    assert answer(request(bundles["ridge"], penguins(), tmp_path / "predicted.csv"))["code"] == "E-OOM"


def test_the_program_prints_one_json_line(
    bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path, people())
    file = write(tmp_path, json.dumps(request(bundles["ridge"], source, tmp_path / "predicted.csv")), "request.json")
    assert main([str(file)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["code"] == "E-CSV-SCHEMA"
    assert main([]) == 2


def test_numbers_in_doubt_are_read_as_the_file_that_was_learnt_from_wrote_them(tmp_path: Path) -> None:
    """A file of one column of ``1.200`` says nothing of itself; the training file had decimal commas elsewhere."""
    rows = [f"{n % 9 + 1}.{n % 7}00;{n},5;{(n % 9 + 1) * 1000 + n % 7 * 100}" for n in range(60)]
    bundle = train(tmp_path / "job", write(tmp_path, table("x;other;y", rows)), "y", model="linear", features=["x"])
    assert document(bundle / "schema.json")["decimal"] == ","
    source = write(tmp_path, "x;note\n3.400;a\n5.100;b\n", "rows.csv")
    assert answer(request(bundle, source, tmp_path / "predicted.csv"))["ok"]
    predicted = [float(row["prediction"].replace(",", ".")) for row in read(tmp_path / "predicted.csv", ";")]
    assert predicted == pytest.approx([3400, 5100])


def test_a_model_whose_library_is_missing_here_is_refused_with_the_command_that_brings_it(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(bundles["xgboost"], penguins(), tmp_path / "predicted.csv")
    monkeypatch.setattr("containers.training.libraries.is_missing", lambda library: library is not None)
    found = answer(asked)
    assert refused(found, tmp_path) == "E-LIBRARY"
    assert "pip install 'lastcall[boosters]'" in found["detail"]


def test_a_booster_lies_beside_its_model_in_its_own_librarys_file(bundles: dict[str, Path]) -> None:
    import xgboost

    native = xgboost.Booster(model_file=bundles["xgboost"] / "model.ubj")
    kept = models.load_pipeline(bundles["xgboost"] / "model.skops", "xgboost").named_steps["model"]
    assert native.num_boosted_rounds() == kept.get_booster().num_boosted_rounds() == 200
