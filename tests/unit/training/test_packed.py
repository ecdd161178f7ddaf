"""A table means the same in whatever it comes, and what unpacks is bounded. (faults.md 83)"""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from containers.training import packed
from containers.training import parquet as packed_columns
from containers.training.inspection import inspect
from containers.training.profile import survey
from containers.training.refusal import Refused
from containers.training.rows import open_table
from containers.training.table import detect_file
from tests.unit.training.files import ask, people, refused, table, write

CSV = people().encode()


def zipped(**members: bytes) -> bytes:
    """Return a zip with these files; ``__`` in a name stands for a point."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return out.getvalue()


def as_parquet(content: bytes) -> bytes:
    """Return the table in a CSV as a Parquet file, every column of text."""
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    out = io.BytesIO()
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    parquet.write_table(pa.table([pa.array(c, pa.string()) for c in columns], names=header), out)
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "csv": bytes,
    "csv.gz": gzip.compress,
    "csv.zst": zstd.compress,
    "zip": lambda content: zipped(data__csv=content),
    "parquet": as_parquet,
}


def cells(path: Path) -> list[list[str]]:
    with open_table(path, detect_file(path)) as opened:
        return [opened.names, *(row for block in opened.blocks() for row in block)]


@pytest.mark.parametrize("format", PACKERS)
def test_inspection_says_the_same_of_a_table_in_whatever_it_comes(tmp_path: Path, format: str) -> None:
    plain = inspect(write(tmp_path, CSV), {"target": "bought"})
    path = write(tmp_path, PACKERS[format](CSV), "packed")
    answer = inspect(path, {"target": "bought"})
    assert answer["check"] == plain["check"]
    assert answer["profile"]["columns"] == plain["profile"]["columns"]
    assert answer["profile"]["format"] == format
    assert answer["profile"]["size_bytes"] == path.stat().st_size
    assert answer["profile"]["sha256"] == packed_digest(path)


def packed_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8), min_size=3, max_size=3
        ),
        max_size=12,
    )
)
def test_every_cell_comes_through_every_packing(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    content = text.getvalue().encode()
    with tempfile.TemporaryDirectory() as folder:
        for format, pack in PACKERS.items():
            assert cells(write(Path(folder), pack(content), format)) == [["a", "b", "c"], *rows], format


def test_a_gzip_of_several_parts_is_read_to_its_end(tmp_path: Path) -> None:
    content = gzip.compress(CSV[:300]) + gzip.compress(CSV[300:])
    assert inspect(write(tmp_path, content))["profile"]["rows"] == 40


def test_what_packers_add_to_a_zip_does_not_count(tmp_path: Path) -> None:
    content = zipped(
        **{"__MACOSX/._data.csv": b"x", "readme__md": b"hello", "deep/data__csv": CSV, "deep/.DS_Store": b"x"}
    )
    assert inspect(write(tmp_path, content))["profile"]["rows"] == 40


def test_other_encodings_and_ragged_lines_are_found_inside_an_archive(tmp_path: Path) -> None:
    answer = inspect(write(tmp_path, gzip.compress("cidade;n\n".encode("cp1252") + "São;1,5\n".encode("cp1252") * 20)))
    assert (answer["profile"]["encoding"], answer["profile"]["delimiter"]) == ("cp1252", ";")
    answer = inspect(write(tmp_path, gzip.compress(CSV + b"1,2\n")))
    assert refused(answer) == "E-CSV-RAGGED"
    assert "Line 42" in answer["detail"]


UNUSABLE: dict[str, tuple[bytes, str, str]] = {
    "two files": (zipped(a__csv=CSV, b__csv=CSV), "E-CSV-ARCHIVE", "2 files ('a.csv', 'b.csv')"),
    "no file": (zipped(), "E-CSV-ARCHIVE", "empty"),
    "nested gzip": (zipped(data__csv=gzip.compress(CSV)), "E-CSV-BINARY", "in an archive"),
    "nested zip": (gzip.compress(zipped(data__csv=CSV)), "E-CSV-BINARY", "in an archive"),
    "nested parquet": (gzip.compress(as_parquet(CSV)), "E-CSV-BINARY", "in an archive"),
    "opendocument": (
        zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"),
        "E-CSV-ARCHIVE",
        "OpenDocument",
    ),
    "cut gzip": (gzip.compress(CSV)[:-30], "E-CSV-ARCHIVE", "damaged"),
    "cut zstandard": (zstd.compress(CSV)[:-9], "E-CSV-ARCHIVE", "damaged"),
    "wrong zstandard": (b"\x28\xb5\x2f\xfd" + bytes(50), "E-CSV-ARCHIVE", "damaged"),
    "wrong gzip": (b"\x1f\x8b" + bytes(50), "E-CSV-ARCHIVE", "damaged"),
    "cut zip": (zipped(data__csv=CSV)[:-40], "E-CSV-ARCHIVE", "damaged"),
    "cut parquet": (as_parquet(CSV)[:-9], "E-CSV-ARCHIVE", "damaged"),
    "wrong parquet": (b"PAR1" + bytes(50), "E-CSV-ARCHIVE", "damaged"),
    "encrypted parquet": (b"PARE" + bytes(50), "E-CSV-BINARY", "encrypted"),
    "bzip2": (bz2.compress(CSV), "E-CSV-BINARY", "bzip2"),
    "empty gzip": (gzip.compress(b""), "E-CSV-EMPTY", "0 bytes"),
    "no rows": (as_parquet(b"a,b\n"), "E-CSV-ROWS", "0 rows"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_archive_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    content, code, words = UNUSABLE[name]
    answer = inspect(write(tmp_path, content))
    assert refused(answer) == code
    assert words in answer["detail"]


@pytest.mark.parametrize("format", ["csv.gz", "csv.zst", "zip", "parquet"])
def test_wherever_a_piece_is_missing_the_file_is_refused_and_nothing_breaks(tmp_path: Path, format: str) -> None:
    whole = PACKERS[format](CSV)
    for at in range(4, len(whole), max(1, len(whole) // 80)):
        answer = ask(write(tmp_path, whole[:at] + whole[at + 33 :]))
        assert answer["ok"] or answer["code"].startswith("E-CSV-"), answer


def test_parquet_text_that_is_no_utf8_is_refused_with_the_column(tmp_path: Path) -> None:
    """Arrow looks at no text that it reads: what a C++ program wrote in another encoding comes through."""
    ends = b"".join((2 * i).to_bytes(4, "little") for i in range(31))
    texts = pa.Array.from_buffers(pa.string(), 30, [None, pa.py_buffer(ends), pa.py_buffer(b"S\xe3" * 30)])
    parquet.write_table(pa.table({"city": texts, "bought": ["yes", "no"] * 15}), tmp_path / "data")
    answer = ask(tmp_path / "data")
    assert refused(answer) == "E-CSV-BINARY"
    assert "'city' holds text that is no UTF-8" in answer["detail"]
    named = pa.table({"caf\u00e9": ["a"] * 30, "bought": ["yes", "no"] * 15})
    parquet.write_table(named, tmp_path / "data", store_schema=False)
    write(tmp_path, (tmp_path / "data").read_bytes().replace("caf\u00e9".encode(), b"caf\xe9e"), "data")
    assert refused(ask(tmp_path / "data")) == "E-CSV-ARCHIVE"


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(data__csv=CSV))
    content[6] |= 1  # the flag of the local header, and of the directory (APPNOTE 4.4.4)
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    answer = inspect(write(tmp_path, bytes(content)))
    assert refused(answer) == "E-CSV-ARCHIVE"
    assert "password" in answer["detail"]


def test_a_method_of_packing_that_is_not_known_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(data__csv=CSV))
    content[content.rindex(b"PK\x01\x02") + 10] = 97
    content[8] = 97
    assert refused(inspect(write(tmp_path, bytes(content)))) == "E-CSV-ARCHIVE"


@pytest.mark.parametrize("format", ["csv.gz", "csv.zst", "zip"])
def test_what_unpacks_to_too_much_is_stopped_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    path = write(tmp_path, PACKERS[format](CSV + b"50,Porto,no,1.5\n" * 300_000))
    monkeypatch.setattr(packed, "RATIO_FREE_BYTES", 1_000_000)
    answer = inspect(path)
    assert refused(answer) == "E-CSV-BOMB"
    assert "100 times" in answer["detail"]
    monkeypatch.setattr(packed, "RATIO_FREE_BYTES", 1 << 40)
    monkeypatch.setattr(packed, "UNPACKED_BYTES_MAX", 2_000_000)
    assert refused(inspect(path)) == "E-CSV-BOMB"
    monkeypatch.setattr(packed, "UNPACKED_BYTES_MAX", 1 << 40)
    assert inspect(path)["profile"]["rows"] == 300_040


@pytest.mark.parametrize("format", ["csv.gz", "csv.zst", "zip"])
def test_a_small_bomb_is_found_before_a_row_of_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    path = write(tmp_path, PACKERS[format](CSV + b"50,Porto,no,1.5\n" * 300_000))
    monkeypatch.setattr(packed, "RATIO_FREE_BYTES", 3_000_000)
    with pytest.raises(Refused) as no:
        detect_file(path)
    assert no.value.code == "E-CSV-BOMB"


def test_a_zip_of_many_files_is_refused_before_they_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MEMBERS_MAX", 3)
    answer = inspect(write(tmp_path, zipped(**{f"f{i}__csv": b"x" for i in range(4)})))
    assert refused(answer) == "E-CSV-BOMB"


def test_a_zstandard_window_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: 29,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=options)
    content = packer.compress(CSV * 3) + packer.flush()
    answer = inspect(write(tmp_path, content))
    assert refused(answer) == "E-CSV-BOMB"
    assert "window" in answer["detail"]


@pytest.mark.parametrize(("format", "gone"), [("csv.zst", "backports.zstd"), ("parquet", "pyarrow")])
def test_where_a_library_is_missing_the_answer_says_which_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, gone: str
) -> None:
    import sys

    for name in (gone, "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    answer = inspect(write(tmp_path, PACKERS[format](CSV)))
    assert refused(answer) == "E-CSV-LIBRARY"
    assert "pip install 'lastcall[train]'" in answer["detail"]


def test_values_of_every_plain_type_of_parquet_become_text(tmp_path: Path) -> None:
    from datetime import UTC, date, datetime
    from decimal import Decimal

    columns = {
        "b": pa.array([True, None]),
        "i": pa.array([1, -(2**62)]),
        "f": pa.array([0.1, float("nan")]),
        "g": pa.array([0.1, 1e30], pa.float32()),
        "h": pa.array([0.5, 1], pa.float32()).cast(pa.float16()),
        "c": pa.array(["x", None]).dictionary_encode(),
        "d": pa.array([date(2025, 12, 31), None]),
        "e": pa.array([date(2025, 12, 31), None], pa.date64()),
        "t": pa.array([datetime(2025, 12, 31, 23, 0, 1, tzinfo=UTC), None], pa.timestamp("ns", "America/Sao_Paulo")),
        "m": pa.array([Decimal("12.30"), None]),
        "u": pa.array([5, None], pa.duration("s")),
        "n": pa.nulls(2),
        "v": pa.array(["y", ""], pa.string_view()),
        "__index_level_0__": pa.array([7, 8]),
    }
    path = tmp_path / "data"
    parquet.write_table(pa.table(columns), path)
    names, *rows = cells(path)
    assert names == list("bifghcdetmunv")
    assert dict(zip(names, rows[0], strict=True)) == {
        "b": "true", "i": "1", "f": "0.1", "g": "0.1", "h": "0.5", "c": "x", "d": "2025-12-31", "e": "2025-12-31",
        "t": "2025-12-31 23:00:01", "m": "12.30", "u": "5", "n": "", "v": "y",
    }  # fmt: skip
    assert rows[1] == ["", str(-(2**62)), "nan", "1e+30", "1", "", "", "", "", "", "", "", ""]


def test_a_parquet_column_of_lists_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "data"
    parquet.write_table(pa.table({"a": [1], "tags": [["x"]]}), path)
    answer = inspect(path)
    assert refused(answer) == "E-CSV-BINARY"
    assert "'tags'" in answer["detail"]


def test_parquet_that_claims_more_cells_than_a_table_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    parquet.write_table(pa.table({"a": pa.nulls(1_000_000), "b": pa.nulls(1_000_000)}), path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(packed_columns, "CELLS_MAX", 1_999_999)
    assert refused(inspect(path)) == "E-CSV-BOMB"


def test_a_parquet_file_without_columns_is_empty(tmp_path: Path) -> None:
    parquet.write_table(pa.table({}), tmp_path / "data")
    assert refused(inspect(tmp_path / "data")) == "E-CSV-EMPTY"


def test_the_target_of_a_packed_file_is_followed_as_in_a_plain_one(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        gzip.compress(table("a,b,y", [f"{i % 7},{'x' if i % 2 else 'z'},{i % 2}" for i in range(60)]).encode()),
    )
    said = ask(path, "y")["check"]["warnings"]
    assert said[0] == "'b' alone tells the target in every row: leave it out if it is not known before the outcome."
    assert said[1].startswith("46 rows are equal to an earlier one in every cell;")
    assert survey(path, "y").rows == 60
