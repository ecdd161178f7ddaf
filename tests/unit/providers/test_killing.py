"""Ending what does not want to end."""

from __future__ import annotations

import signal

from providers.local.killing import Quarry, end_all
from providers.local.processes import Process, ProcessKey, Scan
from tests.support.providers.tables import ScriptedTable, process, table_of

WRAPPER = process(10, marker="m")


def quarry(table: ScriptedTable, *, settled: bool = True) -> Quarry:
    def belongs(found: Process) -> bool:
        return found.marker == "m"

    def find() -> set[ProcessKey]:
        return {p.key for p in table.scan().processes.values() if belongs(p)}

    return Quarry(find, belongs, lambda: settled, WRAPPER.key)


def no_pause(seconds: float) -> None:
    return None


def test_all_but_the_wrapper_is_stopped_first_and_the_wrapper_killed_first() -> None:
    work = process(11, 10, marker="m")
    table = ScriptedTable(Scan(table_of(WRAPPER, work), complete=True))
    assert end_all(table, quarry(table), no_pause) == 0
    assert table.signals == [
        (work.key, signal.SIGSTOP),
        (WRAPPER.key, signal.SIGKILL),
        (work.key, signal.SIGKILL),
    ]


def test_what_is_forked_while_others_are_stopped_is_stopped_too() -> None:
    first, second = process(11, marker="m"), process(12, marker="m")
    table = ScriptedTable(
        Scan(table_of(WRAPPER, first), complete=True), Scan(table_of(WRAPPER, first, second), complete=True)
    )
    assert end_all(table, quarry(table), no_pause) == 0
    assert [key for key, number in table.signals if number == signal.SIGSTOP] == [first.key, second.key]


def test_what_cannot_be_killed_is_reported_after_a_bounded_time() -> None:
    stuck = process(11, marker="m")
    table = ScriptedTable(Scan(table_of(stuck), complete=True))
    table.deaf.add(stuck.key)
    assert end_all(table, quarry(table), no_pause) == 1


def test_nothing_found_is_not_the_end_while_the_look_says_nothing() -> None:
    table = ScriptedTable(Scan({}, complete=False))
    assert end_all(table, quarry(table, settled=False), no_pause) == 1


def test_who_is_gone_before_the_signal_is_hunted_among_the_new() -> None:
    vanished, young = process(11, marker="m"), process(12, marker="m")
    table = ScriptedTable(Scan(table_of(vanished), complete=True), Scan(table_of(young), complete=True))
    table.deaf.add(vanished.key)
    assert end_all(table, quarry(table), no_pause) == 0
    assert (young.key, signal.SIGKILL) in table.signals
