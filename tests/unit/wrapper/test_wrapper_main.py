"""Whatever goes wrong inside the wrapper, the machine ends and the marker says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from containers.job import ending, main
from containers.job.clock import Clock
from containers.job.ending import Machine, end_machine
from tests.unit.wrapper.fakes import StillClock, environment, settings


class NoSignals:
    """Stands for ``Signals`` in a process that is not ours to change."""

    noticed = False

    def install(self) -> None:
        return

    def wake(self) -> None:
        return

    def close(self) -> None:
        return


def test_a_fault_of_the_wrapper_is_told_in_the_marker_and_ends_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(tmp_path)
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("cannot adopt")

    def kill(*_: Any) -> bool:
        done.append("kill")
        return True

    def end(machine: Machine, _: Clock) -> bool:
        done.append(f"end {machine.name}")
        return True

    monkeypatch.setattr(main, "become_reaper", fail)
    monkeypatch.setattr(main, "kill_everything", kill)
    monkeypatch.setattr(main, "end_machine", end)
    monkeypatch.setattr(main, "Signals", NoSignals)
    soon = str(Clock().wall() + 60)
    found = main.main(environment(tmp_path, LASTCALL_SOFT_DEADLINE=soon, LASTCALL_HARD_DEADLINE=soon))
    assert found == 0
    assert done == ["kill", "end lc1-unit"]
    marker = json.loads((tmp_path / "job" / "result.json").read_text())
    assert (marker["outcome"], marker["code"]) == ("interrupted", "E-INTERRUPTED")
    assert "cannot adopt" in marker["detail"]
    assert "cannot adopt" in capsys.readouterr().err


def test_the_end_of_the_machine_is_tried_again_until_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [False, True]
    monkeypatch.setattr(ending, "kill_everything", lambda *_: answers.pop(0))
    (tmp_path / "scratch").mkdir()
    assert end_machine(Machine("lc1-x", tmp_path), StillClock())
    assert [path.name for path in tmp_path.iterdir()] == ["reaped"]


def test_what_cannot_be_killed_is_never_called_reaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "kill_everything", lambda *_: False)
    assert not end_machine(Machine("lc1-x", tmp_path), StillClock())
    assert list(tmp_path.iterdir()) == []
