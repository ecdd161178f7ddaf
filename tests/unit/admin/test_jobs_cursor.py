"""A cursor is a place in the journal or a bad request; a page has one bound everywhere."""

from __future__ import annotations

import pytest

from actors.admin.limits import PS_ROWS_MAX
from actors.views import jobs as views
from lastcall.cli import jobs as cli
from messages.errors import Refusal


@pytest.mark.parametrize("cursor", ["", "x", "-1", "9" * 19, "9" * 200, "٣", str((1 << 62) + 1)])
def test_what_is_no_place_in_the_journal_is_a_bad_request(cursor: str) -> None:
    with pytest.raises(Refusal, match="E-BADREQUEST"):
        views._position(cursor)


def test_a_place_in_the_journal_is_taken() -> None:
    assert [views._position(text) for text in ("0", "17", str(1 << 62))] == [0, 17, 1 << 62]


def test_the_command_line_asks_for_no_more_than_the_daemon_gives() -> None:
    assert cli.COUNT_MAX == PS_ROWS_MAX == 1000
