"""The truth table, over the full product of its inputs, against a table written the other way round."""

from __future__ import annotations

import itertools

import pytest

from containers.job.outcome import DETAIL_CHARS_MAX, Artifacts, Ended, Memory, Verdict, is_error_code, judge
from containers.job.policy import Reason
from messages.errors import ERRORS

WHY = {
    Reason.FENCED: ("interrupted", "E-RESTARTED"),
    Reason.FOLDER: ("interrupted", "E-FOLDER"),
    Reason.WRAPPER: ("interrupted", "E-INTERRUPTED"),
    Reason.CANCELLED: ("cancelled", "E-CANCELLED"),
    Reason.INTERRUPTED: ("interrupted", "E-INTERRUPTED"),
    Reason.MEMORY: ("failed", "E-OOM"),
    Reason.DEADLINE: ("timed_out", "E-TIMEOUT"),
    Reason.STEP_LIMIT: ("failed", "E-PREPARE"),
}
RESULT = {
    Artifacts.COMPLETE: ("succeeded", None),
    Artifacts.MISSING: ("failed", "E-NORESULT"),
    Artifacts.NO_SPACE: ("failed", "E-DISK"),
    Artifacts.NOT_STORED: ("interrupted", "E-FOLDER"),
}
WHOSE = [(False, False), (True, False), (False, True)]
"""Whose the marker is: nobody's yet, somebody's, another machine's to write."""
EXITS = [(None, None), (0, None), (1, None), (3, None), (137, None), (None, 9), (None, 11), (None, 15), (0, 9)]


def expected(e: Ended) -> tuple[str, str | None] | None:
    """The table as a person would say it, most special last."""
    said: tuple[str, str | None] | None
    well = e.exit_code == 0 and e.signal is None
    if well:
        said = RESULT[e.artifacts]
    else:
        said = ("failed", "E-WORK")
        if e.preparing:
            said = ("failed", "E-PREPARE")
        if e.error_code and e.signal is None:
            said = ("failed", e.error_code)
        if e.disk_full:
            said = ("failed", "E-DISK")
        if e.memory is Memory.PROVEN or (e.memory is Memory.PRESSURE and (e.signal == 9 or e.exit_code == 137)):
            said = ("failed", "E-OOM")
    if e.reason is Reason.RESTARTED:
        said = ("interrupted", "E-RESTARTED") if e.memory is Memory.NONE else ("failed", "E-OOM")
    elif e.reason is not None:
        said = WHY[e.reason]
    return None if e.marker_exists or e.held_elsewhere else said


def test_every_combination_has_the_outcome_a_person_would_give() -> None:
    count = 0
    for exit_, memory, disk, (marker, elsewhere), artifacts, reason, code, preparing in itertools.product(
        EXITS, Memory, (False, True), WHOSE, Artifacts, (None, *Reason), (None, "E-TASK"), (False, True)
    ):
        ended = Ended(*exit_, memory, disk, marker, artifacts, reason, code, "", preparing, held_elsewhere=elsewhere)
        verdict = judge(ended)
        assert (verdict and (verdict.outcome, verdict.code)) == expected(ended), ended
        count += 1
    assert count == len(EXITS) * 3 * 2 * 3 * 4 * 10 * 2 * 2


def test_every_code_the_table_gives_is_registered_with_that_outcome() -> None:
    for reason, (outcome, code) in WHY.items():
        assert ERRORS[code].outcome == outcome, reason
    for code in ("E-WORK", "E-NORESULT", "E-DISK", "E-OOM", "E-PREPARE"):
        assert ERRORS[code].outcome == "failed"
    assert ERRORS["E-RESTARTED"].outcome == "interrupted"


@pytest.mark.parametrize(
    ("ended", "detail"),
    [
        (Ended(exit_code=1), "exit status 1"),
        (Ended(exit_code=1, note="ValueError: x"), "exit status 1: ValueError: x"),
        (Ended(signal=11), "killed by signal 11"),
        (Ended(note="no such file"), "could not be started: no such file"),
        (Ended(exit_code=3, error_code="E-TASK", error_detail="why"), "why"),
        (Ended(exit_code=3, error_code="E-TASK"), "exit status 3"),
    ],
)
def test_the_detail_says_how_it_ended(ended: Ended, detail: str) -> None:
    verdict = judge(ended)
    assert verdict is not None
    assert verdict.detail == detail


def test_a_detail_is_bounded() -> None:
    verdict = judge(Ended(exit_code=1, note="x" * 10_000))
    assert isinstance(verdict, Verdict)
    assert len(verdict.detail) == DETAIL_CHARS_MAX


def test_a_code_of_the_work_must_look_like_one() -> None:
    assert is_error_code("E-CSV-TARGET")
    assert not any(is_error_code(code) for code in ("e-task", "E-", "", None, 3, "E-X\n", "E-" + "X" * 99))
