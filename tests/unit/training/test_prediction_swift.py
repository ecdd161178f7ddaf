"""Predicting a file of text in one pass gives what the careful way gives, byte for byte, or leaves the file to it."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containers.prediction import batches, core, lines, swift
from containers.prediction.model import Model
from containers.training import packed
from containers.training import table as tables
from containers.training.dialect import Dialect
from containers.training.estimators import Size
from containers.training.families import FAMILIES, complete_parameters
from containers.training.pipeline import build
from containers.training.refusal import Refused
from tests.unit.training.files import write

ROWS = 60
HEADER = "size,town,day,note"
Found = tuple[str, bytes]
SWIFTLY = swift.write


def zipped(text: bytes) -> bytes:
    """Return an archive with one table in it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", text)
    return held.getvalue()


def compressed(text: bytes) -> bytes:
    """Return the text packed by Zstandard."""
    found: bytes = packed.zstd_library().compress(text)
    return found


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    packed.PLAIN: lambda text: text,
    packed.GZIP: lambda text: gzip.compress(text, 1),
    packed.ZSTD: compressed,
    packed.ZIP: zipped,
}


def learnt(task: str) -> Model:
    """Return a small model of a number, a text and a date."""
    draw = np.random.default_rng(3)
    features = pd.DataFrame(
        {
            "size": np.where(draw.random(ROWS) < 0.1, np.nan, draw.normal(5, 3, ROWS)),
            "town": draw.choice(["Lisbon", "Évora", "Faro", ""], ROWS).astype(object),
            "day": (np.arange(ROWS) * 86_400 * 3 + 1_700_000_000).astype("datetime64[s]"),
        }
    )
    classes = ["=no", "yes, it is", 'may"be'] if task == "classification" else []
    target = np.arange(ROWS) % 3 if classes else draw.normal(0, 10, ROWS)
    family = FAMILIES["logistic" if classes else "ridge"]
    pipeline = build(
        family, task, complete_parameters(family, {}), ["size"], ["town"], size=Size(ROWS, ROWS // 3),
        dates=["day"], classes=len(classes), seed=1, threads=1,
    )  # fmt: skip
    pipeline.fit(features, target)
    columns = [{"name": n, "kind": k} for n, k in (("size", "number"), ("town", "category"), ("day", "date"))]
    metadata = {"task": task, "classes": classes, "model_type": family.name, "date_ways": {"day": "day-first"}}
    return Model(pipeline, metadata, {"columns": columns, "decimal": ","})


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {task: learnt(task) for task in ("classification", "regression")}


class Both:
    """Predicts both ways and holds the answers against each other."""

    def __init__(self, model: Model, folder: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(core, "load", lambda *_: model)
        self._folder, self._patch = folder, patch
        self._write = SWIFTLY

    def _once(self, source: Path, *, swiftly: bool) -> tuple[Found, bool]:
        taken: list[int | None] = []

        def write_(*given: Any) -> int | None:
            taken.append(self._write(*given) if swiftly else None)
            return taken[-1]

        self._patch.setattr(swift, "write", write_)
        output = self._folder / "out.csv"
        try:
            found = (f"{core.predict(self._folder, source, output, 'guess', {})}", output.read_bytes())
        except Refused as refusal:
            found = (f"{refusal.code}: {refusal.detail}", b"")
        output.unlink(missing_ok=True)
        assert [p.name for p in self._folder.iterdir()] == [source.name]
        return found, bool(taken and taken[-1])

    def __call__(self, text: str | bytes) -> bool:
        """Return whether the file was predicted in one pass."""
        source = write(self._folder, text)
        careful, _ = self._once(source, swiftly=False)
        found, taken = self._once(source, swiftly=True)
        assert found == careful
        return taken


@pytest.fixture(params=["classification", "regression"])
def both(
    models: dict[str, Model], request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Both:
    return Both(models[request.param], tmp_path, monkeypatch)


def rows(count: int = 50, mark: str = ",", point: str = ".", day: str = "{:02}/03/2026", end: str = "\n") -> str:
    """Return a table with gaps, texts of other scripts and formulas."""
    towns = ("Lisbon", "Évora", "", "=Faro", "Łódź", "-", "-3", "NA")
    made = [
        mark.join([f"{i * 37 % 11}{point}{i % 10}" if i % 7 else "NA", towns[i % 8], day.format(i % 28 + 1), f"@{i}"])
        for i in range(count)
    ]
    return end.join([HEADER.replace(",", mark), *made]) + end


def test_plain_files_of_every_dialect_are_predicted_in_one_pass(both: Both) -> None:
    assert both(rows())
    assert both(rows(day="2026-03-{:02}"))
    assert both(rows(mark=";"))
    assert both(rows(mark=";", point=","))
    assert both(rows(mark="\t", end="\r\n"))
    assert both(rows(mark="|"))
    assert both(rows().encode("utf-8-sig"))
    assert both("sep=;\n" + rows(mark=";", point=","))
    assert both(rows().replace("\n", "\n\n").removesuffix("\n\n"))
    assert both(rows(mark=";", point=""))
    assert both("\n\r\n" + rows(end="\r\n"))


def requoted(text: str, mark: str = ",", end: str = "\n") -> str:
    """Return a table with quotes around all of its cells, some holding marks, quotes, line ends, formulas."""
    more = (f"Évora{mark} the town", 'the "town"', "two\nlines", f"=A1{mark}B2", '"', "two\r\n\r\nlines", "=plain", "")
    held = io.StringIO()
    writer = csv.writer(held, delimiter=mark, quoting=csv.QUOTE_ALL, lineterminator=end)
    for i, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=mark)):
        writer.writerow([*row[:-1], more[i % 8] if i % 3 else row[-1]])
    return held.getvalue()


def test_quoted_cells_are_predicted_in_one_pass(both: Both) -> None:
    assert both(rows().replace("Lisbon", '"Lisbon"'))
    assert both(rows(50).replace("04/03/2026,@3\n", '"04/03/2026",""\n', 1))
    assert both(requoted(rows()))
    assert both(requoted(rows(mark=";", point=",", end="\r\n"), ";", "\r\n"))
    assert both("sep=\t\n" + requoted(rows(mark="\t"), "\t").removesuffix("\n"))
    assert both('\n"size",town,"day","it is, ""so"""\n"1.5",a,,"b\n\nc"\n\n\r\n"2",,,""')


@pytest.mark.parametrize("way", PACKERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"])
def test_packed_files_and_other_encodings_are_predicted_in_one_pass(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, encoding: str
) -> None:
    text = rows().replace("Łódź", "Köln")
    text = text if encoding == "cp1252" else requoted(text)
    assert Both(models["regression"], tmp_path, monkeypatch)(PACKERS[way](text.encode(encoding)))


def test_numbers_that_are_read_as_text_and_columns_without_a_value_are_predicted_in_one_pass(both: Both) -> None:
    assert both("size,town,day,note\n" + "1,7,,\n,8,NA,\n3,-,,\n")
    assert both("size;town;day;note\n" + "1;7;;4\n;8;NA;5\n3;-;;-\n")
    assert both("size;town;day;note\n" + "1.200,5;a;;1\n-12,25 ;b;;\n+3,5;c;; 2\n-;;;+3\n0;;;\n")
    assert both("town,size,day,other\n" + "a,,26/11/2026,-\nb,NA,27/11/2026,=x\n")


@pytest.mark.parametrize(
    "text",
    [
        rows() + '1.5,Lisbon,,"left open\n',
        rows() + '1.5,"Lisbon" or so,,\n',
        rows() + '1.5,the "town",,\n',
        rows() + '1.5,Lisbon,,""\n""\n',
        rows() + '1.5,Lisbon,,"a lone \r return"\n',
        rows() + '"1,5",Lisbon,,\n',
        rows() + '1.5,Lisbon,,"' + "x\n" * 70_000 + '"\n',
        rows().encode() + '1.5,Lisbon,,"\0"\n'.encode("utf-16-le"),
        rows().encode("utf-16") + b"x",
        gzip.compress(rows().encode())[:-20],
        rows(4200) + "later,Lisbon,26/11/2026,x\n",
        rows(4200) + "4.5,Lisbon,soon,x\n",
        rows(4200) + "iNf,Lisbon,26/11/2026,x\n",
        rows(4200) + "1.5,Lisbon,26/11/2026\n",
        rows(4200) + "   \n",
        rows(1500).replace("Lisbon", "x" * 1500).encode() + b"1.5,\xff,26/11/2026,x\n",
        rows(4200, mark=";", point=",") + "1.5;Lisbon;26/11/2026;x\n",
        rows(4200, mark=";", point="") + "1,5;Lisbon;26/11/2026;x\n",
        rows(4200).replace("@", "") + "1.5,Lisbon,26/11/2026,x\n",
        rows(4200, day="05/03/2026") + "1.5,Lisbon,03/26/2026,x\n",
        "size,town,day,note\n" + "1,a,,\n" * 4100 + "2,b,,-\n3,c,,late\n",
        "size,town,day,note\n1,town,,a\n2,town,,note\n3,b,,note\n",
        "1,town,day,note\n1,a,,\n",
        "size;town;day;note\n1.200;a;;\n2.500;b;;\n",
        "size;town;day;note\n1,5;a;;2.25\n2,25;b;;1.5\n",
        "size;town;day;note;other\n" + "1.200;a;;2.25;1,200\n" * 4100 + "1.200;a;;2.25;1,25\n",
        "size;town;day;note\n1;a;;-\n2;b;;1.234.567\n",
        rows(4200) + "1.5," + "x" * 140_000 + ",,\n",
        rows(4200).replace("Lisbon", "Lis\rbon"),
        "size;town;day;note\n" + "1;a;;2,25\n" * 4100 + "1.500;a;;2,25\n",
        "size,town,day,note\n" + "1,a,05/03/2026,04/03/2026\n" * 4100 + "1,a,05/03/2026,03/26/2026\n",
        "size,town,day,note\n",
        "size,town,day\n1,a,soon\n",
        "size,town,day,guess\n1,a,,\n",
        "size,town,day,note",
        " \n" + rows(),
    ],
)
def test_what_only_the_careful_way_can_tell_is_left_to_it(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes
) -> None:
    assert not Both(models["regression"], tmp_path, monkeypatch)(text)


def test_what_unpacks_while_it_is_read_once_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "UNPACKED_BYTES_MAX", 3000)
    monkeypatch.setattr(lines, "READ_BYTES", 777)
    source = write(tmp_path, gzip.compress(rows(200).encode()))
    read = lines.batches(source, Dialect("utf-8", ",", format=packed.GZIP), f"{HEADER}\n".encode(), 10)
    assert len(next(read).lines) == 10
    with pytest.raises(Refused, match="unpacks to more than"):
        list(read)


CELLS = st.one_of(
    st.sampled_from(
        ["", "NA", "-", " ", "=1", "+1", "-2.5", "@x", "1e3", "007", "town", "note", "1.5", "1,5", "\t", "é", "=a,b;c"]
    ),
    st.text(st.sampled_from('",;\t|\n=a'), max_size=4),
    st.text(st.characters(codec="utf-8"), max_size=4),
)
QUOTES: tuple[Callable[[str], str], ...] = (
    lambda cell: '"' + cell.replace('"', '""') + '"',
    lambda cell: '"' + cell.replace('"', '""').replace("\n", "\r\n") + '"',
    lambda cell: f'"{cell}"',
    lambda cell: cell.replace('"', "'").translate({ord(c): " " for c in ",;\t|\r\n"}),
    lambda cell: cell,
)
"""How a cell is written: well, badly, or as it is."""
WELL = st.sampled_from((0, 0, 1, 3, 3, 3)).map(QUOTES.__getitem__)
LINES = st.tuples(
    st.sampled_from(["1", "2.5", "-3", "", "NA", "1,5"]), CELLS, CELLS, st.one_of(WELL, st.sampled_from(QUOTES))
)


@pytest.mark.no_cover  # the same steps on many tables
@settings(max_examples=140, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(LINES, min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]),
    st.sampled_from(list(PACKERS)),
    st.booleans(),
    st.sampled_from([70, 1 << 20]),
)
def test_any_file_is_answered_alike_both_ways(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    cells: list[tuple[str, str, str, Callable[[str], str]]], mark: str, end: str, encoding: str, way: str, last: bool,
    read_bytes: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(lines, "READ_BYTES", read_bytes)
    made = [
        mark.join([quote(size) if "," in size else size, quote(town), "2026-11-26", quote(note)])
        for size, town, note, quote in cells
    ]
    text = end.join([HEADER.replace(",", mark), *made]) + end * last
    Both(models["regression"], tmp_path, monkeypatch)(PACKERS[way](text.encode(encoding, "replace")))


def test_a_model_that_has_no_probabilities_answers_alike_both_ways(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["classification"]
    bare = {**model.metadata, "classes": ["0", "1", "2"], "probabilities": False, "imported": True}
    assert Both(model._replace(metadata=bare), tmp_path, monkeypatch)(rows())


def test_many_batches_give_the_same_rows_both_ways(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROWS_MAX", 70)
    monkeypatch.setattr(lines, "READ_BYTES", 777)
    monkeypatch.setattr(tables, "BLOCK_ROWS_MAX", 64)
    assert both(rows(500))
    assert both(rows(301, end="\r\n").removesuffix("\r\n"))
    assert both(requoted(rows(301, end="\r\n"), end="\r\n").removesuffix("\r\n"))
    assert both(gzip.compress(rows(300).replace("Łódź", "Köln").encode("cp1252")))


def test_batches_stay_small_where_rows_are_wide_or_long(models: dict[str, Model]) -> None:
    model = models["classification"]
    assert batches.rows_at_once(4, model.pipeline, model.metadata) == batches.ROWS_MAX
    assert batches.rows_at_once(4000, model.pipeline, model.metadata) == 100
    assert batches.rows_at_once(4, model.pipeline, {"classes": ["x"] * 1000}) == 2500
    assert batches.rows_at_once(4, model.pipeline, {"model_type": "svm"}) == batches.WIDE_ROWS_MAX
    assert batches.rows_at_once(4, model.pipeline, {"imported": True}) == batches.WIDE_ROWS_MAX
    long = [["x" * 1_000_000]] * 40
    assert [len(b) for b in batches.joined([long[:20], long[20:]], 1000)] == [20, 20]
    assert [len(b) for b in batches.joined([long[:3], long[:4]], 2)] == [2, 2, 2, 1]
