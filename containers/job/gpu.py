"""GPU use for the heartbeat, where ``nvidia-smi`` exists: a short helper process that never holds anything up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from typing import IO

CALL_LIMIT_S = 5.0
"""A driver in trouble answers never: the call is killed and asked again at the next turn."""

ANSWER_BYTES_MAX = 4096

_QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")


class GpuProbe:
    """Asks now and then; ``percent`` is the last answer, the mean over all GPUs."""

    def __init__(self, interval_s: float, path: str) -> None:
        self.percent: float | None = None
        self.pid: int | None = None
        self._program = shutil.which("nvidia-smi", path=path)
        self._interval_s = interval_s
        self._asked = -interval_s
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: IO[bytes] | None = None

    def tick(self, now: float) -> None:
        """Ask when it is time, give up on an answer that is overdue."""
        if self._program is None:
            return
        if self.pid is not None:
            if now - self._asked > CALL_LIMIT_S:
                os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so the pid is still this child's
            return
        if now - self._asked >= self._interval_s:
            self._asked = now
            self._ask(self._program)

    def on_exit(self, status: int) -> None:
        """The helper was reaped."""
        self.pid = None
        if self._process is not None:
            self._process.returncode = status
        if self._answer is not None:
            self._answer.seek(0)
            self.percent = mean_percent(self._answer.read(ANSWER_BYTES_MAX)) if status == 0 else None
            self._answer.close()
        self._process = self._answer = None

    def _ask(self, program: str) -> None:
        try:
            self._answer = tempfile.TemporaryFile()  # noqa: SIM115 (closed in on_exit)
            self._process = subprocess.Popen(
                [program, *_QUERY],
                stdin=subprocess.DEVNULL,
                stdout=self._answer,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.pid = self._process.pid
        except OSError:
            self._program = None
            if self._answer is not None:
                self._answer.close()


def mean_percent(answer: bytes) -> float | None:
    """Return the mean of one number per line, or ``None`` when there is none."""
    numbers = [float(word) for word in answer.decode("ascii", "replace").split() if word.isdecimal()]
    return sum(numbers) / len(numbers) if numbers else None
