"""The first sheet of a workbook means what it shows: saved values, dates, texts; nothing is computed or expanded."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from containers.training import packed, workbook
from containers.training.inspection import inspect
from containers.training.rows import open_table
from containers.training.table import detect_file
from tests.unit.training.files import people, refused, write


def book(path: Path, rows: list[list[Any]], change: Callable[[Any], None] | None = None) -> Path:
    """Write a workbook with another program's library, and return its path."""
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    if change:
        change(made)
    made.save(path)
    return path


def cells(path: Path) -> list[list[str]]:
    with open_table(path, detect_file(path)) as opened:
        return [opened.names, *(row for block in opened.blocks() for row in block)]


def rewritten(path: Path, part: str, change: Callable[[str], str]) -> Path:
    """Change the XML of a part in place."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return write(path.parent, out.getvalue(), path.name)


def shared(path: Path, *texts: str) -> Path:
    """Move the texts of a workbook into the part that Excel keeps them in, in the order given."""

    def place(found: re.Match[str]) -> str:
        return f't="s"><v>{texts.index(found[1])}</v></c>'

    rewritten(path, SHEET, lambda xml: re.sub('t="inlineStr"><is><t>(.*?)</t></is></c>', place, xml))
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    line = f'<Relationship Type="{kind}" Target="sharedStrings.xml" Id="rIdS"/></Relationships>'
    rewritten(path, "xl/_rels/workbook.xml.rels", lambda xml: xml.replace("</Relationships>", line))
    with zipfile.ZipFile(path, "a") as archive:
        items = "".join(f"<si><t>{text}</t></si>" for text in texts)
        archive.writestr("xl/sharedStrings.xml", f'<x:sst xmlns:x="m">{items}</x:sst>')
    return path


PEOPLE = [[float(c) if c.replace(".", "").isdigit() else c for c in line.split(",")] for line in people().splitlines()]
SHEET = "xl/worksheets/sheet1.xml"


def test_a_workbook_is_inspected_like_the_csv_of_it(tmp_path: Path) -> None:
    plain = inspect(write(tmp_path, people()), {"target": "bought"})
    answer = inspect(book(tmp_path / "data.xlsx", PEOPLE), {"target": "bought"})
    assert answer["profile"]["format"] == "xlsx"
    assert answer["check"] == plain["check"]
    kinds = [(c["name"], c["kind"], c["missing"], c["distinct"]) for c in plain["profile"]["columns"]]
    assert [(c["name"], c["kind"], c["missing"], c["distinct"]) for c in answer["profile"]["columns"]] == kinds


def test_cells_become_the_text_that_they_show(tmp_path: Path) -> None:
    row = [
        1,
        0.1,
        "São",
        True,
        date(2025, 12, 31),
        datetime(2025, 12, 31, 23, 59, 58),  # noqa: DTZ001  # as a sheet has it
        time(12, 0),
        None,
        "#N/A",
        " x ",
    ]
    path = book(tmp_path / "data.xlsx", [[f"c{i}" for i in range(len(row))], row])
    want = ["1", "0.1", "São", "TRUE", "2025-12-31", "2025-12-31 23:59:58", "0.5", "", "", " x "]
    assert cells(path)[1] == want


def test_a_formula_gives_its_saved_value_and_without_one_nothing(tmp_path: Path) -> None:
    path = book(tmp_path / "data.xlsx", [["a", "b"], [1, "=A2*2"], [2, 5]])
    assert cells(path)[1:] == [["1", ""], ["2", "5"]]
    saved = rewritten(path, SHEET, lambda xml: xml.replace("<v />", "<v>42</v>"))
    assert cells(saved)[1] == ["1", "42"]


def test_dates_before_march_1900_and_from_1904_are_those_of_the_sheet(tmp_path: Path) -> None:
    def early(made: Any) -> None:
        made.active["A2"].number_format = made.active["A3"].number_format = "dd/mm/yyyy"

    path = book(tmp_path / "data.xlsx", [["d"], [59], [61]], early)
    assert cells(path)[1:] == [["1900-02-28"], ["1900-03-01"]]
    path = rewritten(path, "xl/workbook.xml", lambda xml: xml.replace("<workbookPr ", '<workbookPr date1904="1" '))
    assert cells(path)[1:] == [["1904-02-29"], ["1904-03-02"]]


def test_formats_that_are_no_dates_leave_numbers_as_they_are(tmp_path: Path) -> None:
    codes = ['0.00" days"', "[Red]0.0", "#,##0", "h:mm", "General"]

    def styled(made: Any) -> None:
        for i, code in enumerate(codes, 1):
            made.active.cell(2, i).number_format = code

    path = book(tmp_path / "data.xlsx", [list("abcde"), [44000.5] * 5], styled)
    assert cells(path)[1] == ["44000.5"] * 5


def test_empty_rows_and_columns_far_away_take_no_memory(tmp_path: Path) -> None:
    path = book(tmp_path / "data.xlsx", [["a", "b"], [1, None], [2, 3]])
    rewritten(path, SHEET, lambda xml: xml.replace('<row r="3"', '<row r="1048576"'))
    assert cells(path) == [["a", "b"], ["1", ""], ["2", "3"]]
    answer = inspect(rewritten(path, SHEET, lambda xml: xml.replace('r="B3"', 'r="XFD3"')))
    assert refused(answer) == "E-CSV-RAGGED"
    assert "Row 1,048,576 of the sheet has a value in column 16,384" in answer["detail"]


def test_the_first_visible_sheet_is_read_and_others_are_told_of(tmp_path: Path) -> None:
    def more(made: Any) -> None:
        made.create_sheet("Hidden", 0).sheet_state = "hidden"
        made.create_sheet("Later")

    path = book(tmp_path / "data.xlsx", PEOPLE, more)
    answer = inspect(path, {"target": "bought"})
    assert (
        answer["check"]["warnings"][0]
        == "The workbook has another sheet; 'Sheet', the first, is the one that was read."
    )


def test_what_shows_something_and_has_no_value_is_counted_and_said(tmp_path: Path) -> None:
    def merge(made: Any) -> None:
        for area in ("A2:A5", "A6:A9", "F1:G1"):
            made.active.merge_cells(area)

    rows: list[list[Any]] = [["region", "n", "double", "rate", "bought"]]
    rows += [[f"r{i}", i, "=B2*2" if i else 3, "#DIV/0!" if i < 3 else i / 2, ("yes", "no")[i % 2]] for i in range(40)]
    answer = inspect(book(tmp_path / "data.xlsx", rows, merge), {"target": "bought"})
    formulas, errors, merged = answer["check"]["warnings"][:3]
    assert formulas.startswith("Formulas without a saved value stand in 39 cells, which count as missing: open")
    assert errors == "Errors such as #N/A stand in 3 cells, which count as missing."
    assert merged.startswith("Cells are merged (A2:A5 and 1 more): only the first of them has a value")


def test_how_a_workbook_was_read_is_told_with_what_is_refused_of_it(tmp_path: Path) -> None:
    path = book(tmp_path / "data.xlsx", PEOPLE, lambda made: made.create_sheet("Later"))
    answer = inspect(path, {"target": "score"})
    assert refused(answer) == "E-CSV-TARGET"
    assert "The workbook has another sheet; 'Sheet', the first, is the one that was read." in answer["detail"]
    path = book(tmp_path / "data.xlsx", [["a", "b", "bought"], *([i, "=A2", "ny"[i % 2]] for i in range(20))])
    answer = inspect(path, {"target": "bought"})
    assert refused(answer) == "E-CSV-ALLMISSING"
    assert "Formulas without a saved value stand in 20 cells" in answer["detail"]


def test_a_title_above_the_table_is_called_one(tmp_path: Path) -> None:
    answer = inspect(book(tmp_path / "data.xlsx", [["Report 2026"], [], *PEOPLE]))
    assert refused(answer) == "E-CSV-HEADER"
    assert "The first line holds 'Report 2026' alone, like a title" in answer["detail"]


def test_shared_texts_are_those_of_their_number_without_phonetic_readings(tmp_path: Path) -> None:
    path = shared(book(tmp_path / "data.xlsx", [["a", "b"], ["KEY", "b"]]), "b", "KEY", "a")
    assert cells(path) == [["a", "b"], ["KEY", "b"]]
    rich = "<r><t>Ka</t></r><r><t>na</t></r><rPh><t>XX</t></rPh>"
    rewritten(path, "xl/sharedStrings.xml", lambda xml: xml.replace("<t>KEY</t>", rich))
    assert cells(path)[1] == ["Kana", "b"]
    rewritten(path, SHEET, lambda xml: xml.replace("<v>1</v>", "<v>999</v>"))
    assert refused(inspect(path)) == "E-CSV-ARCHIVE"


def test_shared_texts_beyond_the_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shared(book(tmp_path / "data.xlsx", [["a", "b"], ["KEY", "b"]]), "b", "KEY", "a")
    monkeypatch.setattr(workbook, "SHARED_CHARS_MAX", 3)
    assert refused(inspect(path)) == "E-CSV-BOMB"


@pytest.mark.parametrize(
    ("part", "old", "new", "code"),
    [
        (SHEET, "<worksheet", '<!DOCTYPE x [<!ENTITY a "b">]><worksheet', "E-CSV-ARCHIVE"),
        (SHEET, "</sheetData>", "</sheet", "E-CSV-ARCHIVE"),
        (SHEET, 't="n"><v>', 't="n"><v>many', "E-CSV-ARCHIVE"),
        (SHEET, 't="n"><v>', 't="s"><v>', "E-CSV-ARCHIVE"),
        (SHEET, 'r="A1"', 'r="ZZZ1"', "E-CSV-ARCHIVE"),
        ("xl/workbook.xml", 'state="visible"', 'state="hidden"', "E-CSV-ARCHIVE"),
        ("_rels/.rels", "workbook.xml", "workbook.bin", "E-CSV-ARCHIVE"),
        ("_rels/.rels", "workbook.xml", "nowhere.xml", "E-CSV-ARCHIVE"),
    ],
)
def test_a_crafted_or_damaged_workbook_is_refused(tmp_path: Path, part: str, old: str, new: str, code: str) -> None:
    path = book(tmp_path / "data.xlsx", PEOPLE)

    def change(xml: str) -> str:
        assert old in xml
        return xml.replace(old, new, 1)

    assert refused(inspect(rewritten(path, part, change))) == code


def test_wherever_a_piece_is_missing_the_workbook_is_refused_and_nothing_breaks(tmp_path: Path) -> None:
    whole = book(tmp_path / "data.xlsx", PEOPLE).read_bytes()
    for at, size in itertools.product(range(4, len(whole), len(whole) // 40), (33, len(whole) // 2)):
        answer = inspect(write(tmp_path, whole[:at] + whole[at + size :]), {"target": "bought"})
        assert answer["ok"] or answer["code"].startswith("E-CSV-"), answer


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "data.xlsx", PEOPLE)
    monkeypatch.setattr(packed, "UNPACKED_BYTES_MAX", 5_000)
    assert refused(inspect(path)) == "E-CSV-BOMB"


def test_an_empty_sheet_is_an_empty_file(tmp_path: Path) -> None:
    assert refused(inspect(book(tmp_path / "data.xlsx", []))) == "E-CSV-EMPTY"
