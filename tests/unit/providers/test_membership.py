"""Which processes make up a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from providers.local.membership import members
from providers.local.processes import Process, ProcessKey
from tests.support.providers.tables import process, table_of

DAEMON = 7


def yes(key: ProcessKey) -> bool:
    return True


def found(
    *processes: Process,
    known: Mapping[str, set[ProcessKey]] | None = None,
    verify: Callable[[ProcessKey], bool] = yes,
) -> dict[str, set[int]]:
    result = members(table_of(*processes), known or {}, verify, DAEMON)
    return {name: {key.pid for key in keys} for name, keys in result.items()}


def test_a_marked_process_and_all_its_descendants_are_the_machine() -> None:
    assert found(process(10, marker="m"), process(11, 10), process(12, 11), process(13)) == {"m": {10, 11, 12}}


def test_a_process_once_seen_stays_a_member_with_its_children() -> None:
    assert found(process(10), process(11, 10), known={"m": {ProcessKey(10, 100)}}) == {"m": {10, 11}}


def test_a_reused_pid_is_not_the_process_once_seen() -> None:
    assert found(process(10, start=200), process(11, 10, start=300), known={"m": {ProcessKey(10, 100)}}) == {}


def test_a_process_older_than_its_parent_is_not_its_child() -> None:
    assert found(process(10, marker="m", start=200), process(11, 10, start=100)) == {"m": {10}}


def test_a_child_of_a_parent_that_has_just_ended_is_not_taken_on_trust() -> None:
    assert found(process(10, marker="m"), process(11, 10), verify=lambda key: False) == {"m": {10}}


def test_a_zombie_is_no_member_but_threads_that_outlive_their_leader_are() -> None:
    dead = process(10, marker="m", state="Z")
    assert found(dead) == {}
    assert found(dead._replace(threads=2)) == {"m": {10}}


def test_the_daemon_itself_is_never_a_member_nor_what_it_started() -> None:
    outer = process(DAEMON, marker="outer")
    assert found(outer, process(20, DAEMON), process(21, 20, marker="inner")) == {"inner": {21}}
    assert found(outer, process(8, marker="outer"), known={"outer": {outer.key}}) == {"outer": {8}}


def test_a_machine_rented_inside_a_machine_belongs_to_both() -> None:
    assert found(process(10, marker="outer"), process(11, 10, marker="inner"), process(12, 11)) == {
        "outer": {10, 11, 12},
        "inner": {11, 12},
    }
