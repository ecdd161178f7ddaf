"""While a fit goes through its rounds its progress file tells the share done, what is left, and how good it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from containers.training import progress
from containers.training.progress import STAGES, Progress


class Watched:
    """Progress under a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self._path = folder / "progress.json"
        self.progress = Progress(self._path, lambda: self.now)
        self.progress.stage("fit", "fitting")

    def at(self, seconds: float, done: int, metric: dict[str, float] | None = None) -> Any:
        self.now = seconds
        self.progress.round(done, metric)
        return json.loads(self._path.read_text())


def test_rounds_move_the_percentage_through_the_stage_and_tell_what_is_left(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.progress.begin_rounds(0, 100)
    told = watched.at(10.0, 25, {"loss": 0.5})
    assert told["percent"] == STAGES["fit"] + (STAGES["evaluate"] - STAGES["fit"]) / 4
    assert told["message"] == "round 25 of 100"
    assert (told["left_s"], told["metric"]) == (30.0, {"loss": 0.5})
    assert watched.at(40.0, 100)["percent"] == STAGES["evaluate"]


def test_what_is_left_is_judged_by_the_rounds_of_this_attempt_alone(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.progress.begin_rounds(80, 100)
    assert watched.at(0.0, 80)["left_s"] is None
    assert watched.at(10.0, 90)["left_s"] == 10.0


def test_rounds_that_fly_by_are_told_once_a_second(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.progress.begin_rounds(0, 1000)
    assert watched.at(1.0, 500)["message"] == "round 500 of 1,000"
    assert watched.at(1.5, 700)["message"] == "round 500 of 1,000"
    assert watched.at(2.0, 900)["message"] == "round 900 of 1,000"


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    progress = Progress(None)
    progress.begin_rounds(0, 10)
    progress.round(5)
    assert list(tmp_path.iterdir()) == []


def test_what_was_said_is_kept_for_the_models_own_log_each_line_with_its_time_and_no_more_than_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path)
    watched.progress.say("300 trees")
    lines = watched.progress.log().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["[fit] fitting", "[fit] 300 trees"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.partition(" ")[0]) for line in lines)
    monkeypatch.setattr(progress, "LINES_MAX", 2)
    short = Progress(None)
    for number in range(5):
        short.say(str(number))
    assert [line[-1] for line in short.log().splitlines()] == ["3", "4"]
