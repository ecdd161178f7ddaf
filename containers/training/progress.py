"""Telling how far the work is: a file replaced whole for the wrapper, and lines for people."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

STAGES = {"load": 5, "prepare": 20, "choose": 22, "fit": 30, "evaluate": 80, "save": 90, "done": 100}
"""Each stage and the percentage at which it begins."""
TOLD_INTERVAL_S = 1.0
"""Least time between two words on the rounds of a fit."""
LINES_MAX = 10_000
"""Lines that are kept for the model's own log; of more, the last."""
PROGRESS_VARIABLE = "LASTCALL_PROGRESS_FILE"

Metric = Mapping[str, float] | Callable[[], Mapping[str, float] | None] | None
"""How good a fit is so far by names of its own; a function is only asked when it is told of."""


class Progress:
    """Where the work is. Without a file only the lines are written."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic, silent: bool = False) -> None:
        self._path = path
        self._silent = silent
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._stage = ""
        self._first = self._total = 0
        self._began_s = 0.0
        self._told_s = -math.inf

    @classmethod
    def from_environment(cls) -> Progress:
        """Return progress that goes where the wrapper reads it."""
        name = os.environ.get(PROGRESS_VARIABLE)
        return cls(Path(name) if name else None)

    def stage(self, stage: str, message: str, metric: Mapping[str, float] | None = None) -> None:
        """Enter a stage of ``STAGES``."""
        self._stage = stage
        self.say(message)
        self._write(float(STAGES[stage]), message, metric, None)

    def step(self, share: float, message: str, metric: Mapping[str, float] | None = None) -> None:
        """Say what is done next within the stage, ``share`` (0 to 1) of which is done."""
        self.say(message)
        low = STAGES[self._stage]
        high = min(percent for percent in STAGES.values() if percent > low)
        self._write(round(low + (high - low) * share, 1), message, metric, None)

    def begin_rounds(self, done: int, total: int) -> None:
        """Begin to count the rounds of a fit, of which ``done`` are there already."""
        self._first, self._total = done, total
        self._began_s = self._clock()
        self._told_s = -math.inf

    def round(self, done: int, metric: Metric = None) -> None:
        """Say how many rounds are done, what is left at this pace, and how good it is so far; not too often."""
        now = self._clock()
        if now - self._told_s < TOLD_INTERVAL_S or self._total <= 0:
            return
        self._told_s = now
        fresh = done - self._first
        left_s = (now - self._began_s) * (self._total - done) / fresh if fresh > 0 else None
        low, high = STAGES["fit"], STAGES["evaluate"]
        percent = low + (high - low) * min(1.0, done / self._total)
        message = f"round {done:,} of {self._total:,}"
        told = metric() if callable(metric) and self._path is not None else metric
        self._write(round(percent, 1), message, None if callable(told) else told, left_s)

    def _write(self, percent: float, message: str, metric: Mapping[str, float] | None, left_s: float | None) -> None:
        if self._path is None:
            return
        document = {
            "stage": self._stage,
            "percent": percent,
            "message": message,
            "metric": dict(metric) if metric else None,
            "left_s": None if left_s is None else round(left_s, 1),
            "at": _now("auto"),
        }
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(self._path)

    def say(self, message: str) -> None:
        """Write one log line."""
        self._lines.append(f"{_now('seconds')} [{self._stage}] {message}\n")
        if self._silent:
            return
        sys.stdout.write(f"[{self._stage}] {message}\n")
        sys.stdout.flush()

    def log(self) -> str:
        """Return what was said so far, a line each with its time in UTC."""
        return "".join(self._lines)


def _now(digits: str) -> str:
    return datetime.now(UTC).isoformat(timespec=digits).replace("+00:00", "Z")
