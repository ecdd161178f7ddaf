"""Telling how far the work is: a file replaced whole for the wrapper, and lines for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

STAGES = {"load": 5, "prepare": 20, "fit": 30, "evaluate": 80, "save": 90, "done": 100}
"""Each stage and the percentage at which it begins."""
PROGRESS_VARIABLE = "LASTCALL_PROGRESS_FILE"


class Progress:
    """Where the work is. Without a file only the lines are written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stage = ""

    @classmethod
    def from_environment(cls) -> Progress:
        """Return progress that goes where the wrapper reads it."""
        name = os.environ.get(PROGRESS_VARIABLE)
        return cls(Path(name) if name else None)

    def stage(self, stage: str, message: str, metric: Mapping[str, float] | None = None) -> None:
        """Enter a stage of ``STAGES``."""
        self._stage = stage
        self.say(message)
        if self._path is None:
            return
        document = {
            "stage": stage,
            "percent": STAGES[stage],
            "message": message,
            "metric": dict(metric) if metric else None,
            "at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(self._path)

    def say(self, message: str) -> None:
        """Write one log line."""
        sys.stdout.write(f"[{self._stage}] {message}\n")
        sys.stdout.flush()
