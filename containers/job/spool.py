"""Log lines between the pipes and the job folder: bounded in memory and in all.

Filled by the main loop, emptied by the courier. While the courier keeps up, a full spool makes the pipes wait
(the work's own writes block, nothing is lost). When storage stands still, or the total is used up, lines are left
out, counted, and the last of them kept, so that the end of a log is always there.
"""

from __future__ import annotations

import json
import threading
from collections import deque

from containers.job.clock import instant

FILE_BYTES_MAX = 256 << 10
"""Largest log file."""

PENDING_BYTES_MAX = 4 << 20
"""Bytes waiting to be written."""

TAIL_BYTES_MAX = 64 << 10
"""Bytes of the last lines kept while lines are left out."""

STANDSTILL_S = 5.0
"""The pipes wait at most this long for storage; then lines are left out instead."""


class Spool:
    """Encoded log lines on their way; safe for one writer and one reader thread."""

    def __init__(self, total_bytes_max: int) -> None:
        self._lock = threading.Lock()
        self._room_left = total_bytes_max
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._oldest: float | None = None
        self._full_since: float | None = None
        self._batch: bytes | None = None
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0

    def add(self, stream: str, text: str, wall: float, boot: float) -> None:
        """Take one line; ``wall`` is its time, ``boot`` starts the flush interval."""
        line = _encode(stream, text, wall)
        with self._lock:
            if self._pending_bytes >= PENDING_BYTES_MAX or self._room_left < len(line):
                self._keep_in_tail(line)
                return
            if self._left_out:
                self._mend(wall, boot)
            self._room_left -= len(line)
            self._push(line, boot)

    def must_wait(self, boot: float) -> bool:
        """Whether the pipes should wait for the courier."""
        with self._lock:
            if self._pending_bytes < PENDING_BYTES_MAX:
                self._full_since = None
                return False
            if self._full_since is None:
                self._full_since = boot
            return boot - self._full_since < STANDSTILL_S

    def due(self, boot: float, interval_s: float) -> float | None:
        """Return seconds until the next file should be written: 0 now, ``None`` when nothing waits."""
        with self._lock:
            if self._batch is not None or self._pending_bytes >= FILE_BYTES_MAX:
                return 0.0
            return None if self._oldest is None else max(0.0, self._oldest + interval_s - boot)

    def batch(self) -> bytes | None:
        """Return the bytes of the next file, the same again until ``written``; ``None`` when nothing waits."""
        with self._lock:
            if self._batch is None and self._pending:
                self._batch = self._take()
            return self._batch

    def written(self, boot: float) -> None:
        """The batch is safe in the folder."""
        with self._lock:
            self._batch = None
            self._full_since = None
            self._oldest = boot if self._pending else None

    def close(self, wall: float, boot: float) -> None:
        """No more lines come: bring the kept tail to the front door, whatever the total says."""
        with self._lock:
            if self._left_out:
                self._mend(wall, boot)

    def _push(self, line: bytes, boot: float) -> None:
        self._pending.append(line)
        self._pending_bytes += len(line)
        if self._oldest is None:
            self._oldest = boot

    def _take(self) -> bytes:
        lines = [self._pending.popleft()]
        size = len(lines[0])
        while self._pending and size + len(self._pending[0]) <= FILE_BYTES_MAX:
            lines.append(self._pending.popleft())
            size += len(lines[-1])
        self._pending_bytes -= size
        return b"".join(lines)

    def _keep_in_tail(self, line: bytes) -> None:
        self._left_out += 1
        self._tail.append(line)
        self._tail_bytes += len(line)
        while self._tail_bytes > TAIL_BYTES_MAX:
            self._tail_bytes -= len(self._tail.popleft())

    def _mend(self, wall: float, boot: float) -> None:
        missing = self._left_out - len(self._tail)
        if missing:
            self._push(_encode("wrapper", f"log cut: {missing} lines left out here", wall), boot)
        for line in self._tail:
            self._push(line, boot)
        self._room_left = max(0, self._room_left - self._tail_bytes)
        self._tail.clear()
        self._tail_bytes = 0
        self._left_out = 0


def _encode(stream: str, text: str, wall: float) -> bytes:
    line = json.dumps({"at": instant(wall), "stream": stream, "text": text}, ensure_ascii=False)
    return line.encode("utf-8", "replace") + b"\n"
