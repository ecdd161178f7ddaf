"""What is written is safe to open and appears whole or not at all."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containers.prediction.output import cell_bytes, number_text, row_writer, safe_text, whole_file
from containers.training.values import is_number


@given(st.one_of(st.text(max_size=10), st.builds(str.__add__, st.sampled_from("=+-@\t\r\n＝"), st.text(max_size=5))))
def test_no_text_starts_a_formula(text: str) -> None:
    """faults.md 84."""
    safe = safe_text(text)
    assert safe.endswith(text)
    assert is_number(safe) or not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("text", ["-5", "+1.5", "-1.234,5", "a=b", ""])
def test_numbers_and_harmless_text_stay_as_they_are(text: str) -> None:
    assert safe_text(text) == text


def test_numbers_are_written_in_ten_digits_and_the_files_own_decimals() -> None:
    assert number_text(1 / 3) == "0.3333333333"
    assert number_text(1234.5, ",") == "1234,5"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"

    def broken_off() -> None:
        with whole_file(path, "utf-8", ",") as writer:
            writer.writerow(["half"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert list(tmp_path.iterdir()) == []
    with whole_file(path, "utf-8", ";") as writer:
        writer.writerow(["a", "b;c"])
        assert not path.exists()
    assert path.read_text() == 'a;"b;c"\n'


@given(st.lists(st.text('a=\r\n"; ,', max_size=5), min_size=2, max_size=4))
def test_whatever_a_cell_holds_it_stays_in_its_row(cells: list[str]) -> None:
    """Python before 3.13 puts no quotes around a lone carriage return, after which readers begin a row."""
    text = io.StringIO(newline="")
    row_writer(text, ";").writerow(cells)
    assert text.getvalue().endswith("\n")
    assert list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=";")) == [cells]
    assert ";".join(cell_bytes(cell, ";").decode() for cell in cells) + "\n" == text.getvalue()
