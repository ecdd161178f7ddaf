"""Tables say where things are once they are with more than one provider."""

from __future__ import annotations

from lastcall.cli.text import with_places

HEAD = ["NAME", "ID"]
ROWS = [["a.csv", "ds_a"], ["b.csv", "ds_b"]]


def test_things_of_one_provider_need_no_column() -> None:
    assert with_places(HEAD, ROWS, [{"provider": "local"}, {"provider": "local"}]) == (HEAD, ROWS)
    assert with_places(HEAD, [], []) == (HEAD, [])


def test_things_of_several_say_where_each_is() -> None:
    head, rows = with_places(HEAD, ROWS, [{"provider": "runpod"}, {"provider": None}])
    assert head == ["NAME", "ID", "WHERE"]
    assert rows == [["a.csv", "ds_a", "runpod"], ["b.csv", "ds_b", "-"]]
    assert HEAD == ["NAME", "ID"]
