"""Whatever the bytes are, inspection answers: a profile or a registered code. (faults.md 82)"""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from containers.training.dialect import Dialect
from containers.training.inspection import inspect
from containers.training.table import Table
from messages.errors import ERRORS
from messages.storage import Profile

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)
CELLS = st.one_of(PRINTABLE, st.sampled_from(["", "NA", "1", "-2.5", "1.234,5", 'a"b', "x,y", "p;q", "line\nend", "="]))


def judged(content: bytes, target: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        path.write_bytes(content)
        answer = inspect(path, None if target is None else {"target": target})
    if answer["ok"]:
        Profile.model_validate(answer["profile"])
        return
    assert answer["code"] in ERRORS
    assert answer["detail"].isprintable()


@settings(deadline=None, max_examples=150)
@given(st.lists(PRINTABLE, max_size=30), st.sampled_from(["\n", "\r\n", "\r"]), PRINTABLE)
def test_any_lines_of_text_are_judged(lines: list[str], end: str, target: str) -> None:
    judged(end.join(lines).encode(), target)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300))
@example(b"\x0c")
def test_any_bytes_are_judged(content: bytes) -> None:
    judged(content)


@pytest.mark.no_cover  # the same steps on many tables
@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_table_is_judged_with_any_of_its_columns_as_target(data: st.DataObject) -> None:
    width = data.draw(st.integers(2, 4))
    names = data.draw(st.lists(CELLS, min_size=width, max_size=width))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=9, max_size=25))
    text = io.StringIO()
    csv.writer(text, delimiter=data.draw(st.sampled_from(",;\t|"))).writerows([names, *rows])
    judged(text.getvalue().encode(), data.draw(st.sampled_from(names)))


@settings(deadline=None, max_examples=100)
@given(
    st.lists(CELLS.filter(str.strip), min_size=2, max_size=5, unique_by=str.strip),
    st.sampled_from(",;\t|"),
    st.lists(CELLS, min_size=1, max_size=5),
)
def test_names_and_quoted_cells_come_back_as_they_were_written(
    names: list[str], delimiter: str, cells: list[str]
) -> None:
    row = (cells * len(names))[: len(names)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, row])
        with Table(path, Dialect("utf-8", delimiter)) as table:
            assert table.header == names
            assert table.names == [n.strip() for n in names]
            assert list(table.blocks()) == [[row]]
