"""One thing as lines: a mark, its name, what was found, and below it what to do."""

from __future__ import annotations

import pytest

from lastcall.cli.marks import marked


@pytest.mark.parametrize("name", ["bucket", "security group", "a name that is longer"])
def test_a_name_never_runs_into_what_was_found(name: str) -> None:
    [line] = marked("✔", name, "made it", "", 100)
    assert line.split(name)[1].startswith(" ")
    assert line.endswith("made it")


def test_what_to_do_stands_below_in_the_column_of_what_was_found() -> None:
    first, second = marked("✖", "bucket", "is not there", "lastcall setup aws", 100)
    assert second.index("→") == first.index("is not there")
