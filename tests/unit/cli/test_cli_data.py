"""A file that is not there is told as one, though it may have been the name of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastcall.cli.failures import Failure
from lastcall.cli.train import looked_for


def said(data: str, code: str = "E-NOTFOUND") -> list[str]:
    with pytest.raises(Failure) as caught, looked_for(data):
        raise Failure(code, "no such data set")
    return caught.value.lines()


def test_a_missing_file_is_told_with_its_name_and_both_places_it_was_looked_for() -> None:
    happened, money, todo, page = said("my file.csv")
    assert happened == "There is no file 'my file.csv' here, and no data set of yours is called so."
    assert money == "Nothing was started and nothing was spent."
    assert todo == "Check the path; lastcall data ls shows data sets."
    assert page.startswith("E-NOTFOUND")


def test_other_failures_addresses_and_files_that_are_there_keep_their_own_words(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.touch()
    told = [said(str(there)), said("s3://bucket/data.csv"), said("gone.csv", "E-REFUSED")]
    assert [lines[0] for lines in told] == ["no such data set."] * 3
