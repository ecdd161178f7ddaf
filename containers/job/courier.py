"""The courier: one thread that does all reading and writing of the job folder while the work runs.

Storage may fail or stand still for hours; the main loop, which holds the deadlines, never touches it. What the
courier learns it leaves in plain attributes and wakes the main loop; what it is to write is handed over the same way.
No failure in here ends anything: it is repeated at the next turn.
"""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path
from typing import Any, Callable

from containers.job import folder as names
from containers.job.artifacts import is_full
from containers.job.clock import Clock, instant
from containers.job.folder import Folder, dump, log_name, parse_object, read_regular
from containers.job.opening import held_elsewhere
from containers.job.settings import Settings
from containers.job.spec import Control, parse_control
from containers.job.spool import Spool

RETRY_S = 0.5
"""Pause after a log file could not be written."""

PROGRESS_BYTES_MAX = 64 << 10
PROGRESS_TEXT_CHARS = 500
PROGRESS_METRICS_MAX = 50
LEFT_S_MAX = 365 * 86_400
"""What is said to take longer is no guess."""

_TROUBLE = (OSError, ValueError)


class Courier:
    """Carries control in, and heartbeat, progress and log out."""

    def __init__(
        self, settings: Settings, folder: Folder, nonce: str, clock: Clock, spool: Spool, wake: Callable[[], None]
    ) -> None:
        self.control: Control | None = None
        """The newest control seen; an unreadable file leaves it as it is."""
        self.fenced = False
        """Another wrapper's nonce, or a marker, was seen in the folder."""
        self.held_elsewhere = False
        """The nonce seen is another machine's."""
        self.marker_exists = False
        self.log_files = 0
        self.log_bytes = 0
        """Of the log files that were written: some providers sell them."""
        self.vitals: dict[str, Any] = {"stage": ""}
        """What the main loop measured last; replaced whole by it."""
        self._settings = settings
        self._folder = folder
        self._nonce = nonce
        self._clock = clock
        self._spool = spool
        self._wake = wake
        self._disk_full = False
        self._progress_seen: tuple[int, int, int] | None = None
        self._closing = threading.Event()
        self._poke = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        now = clock.boot()
        self._turns: list[tuple[float, Callable[[], None]]] = [
            (settings.control_interval_s, self.read_control),
            (settings.nonce_interval_s, self.check_claim),
            (settings.heartbeat_interval_s, self.write_heartbeat),
            (min(settings.progress_interval_s, settings.heartbeat_interval_s), self.carry_progress),
        ]
        self._next = [now, now + settings.nonce_interval_s, now, now]
        self._log_next = now

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def poke(self) -> None:
        """Look now: a log file is full."""
        self._poke.set()

    def finish(self, limit_s: float) -> bool:
        """Write what waits, then stop; return whether all of it was written within the limit.

        A full disk is not waited for: the marker is what makes room.
        """
        self._closing.set()
        self._poke.set()
        until = self._clock.boot() + limit_s
        while self._thread.is_alive() and not self._disk_full:
            left = until - self._clock.boot()
            if left <= 0:
                break
            self._thread.join(min(left, RETRY_S))
        return not self._thread.is_alive() and self._spool.batch() is None

    def tick(self) -> float:
        """Do what is due and return seconds until the next turn."""
        now = self._clock.boot()
        for index, (interval, turn) in enumerate(self._turns):
            if now >= self._next[index]:
                self._next[index] = now + interval
                turn()
        return max(0.0, min([*self._next, self._ship_log(now, self._settings.log_flush_s)]) - self._clock.boot())

    def read_control(self) -> None:
        """Take a control with a higher ``seq``."""
        try:
            control = parse_control(self._folder.read(names.CONTROL))
        except _TROUBLE:
            return
        if self.control is None or control.seq > self.control.seq:
            self.control = control
            self._wake()

    def check_claim(self) -> None:
        """See whether the attempt is still ours. Only what is positively there counts, never what is missing."""
        try:
            self.marker_exists = self._folder.exists(names.RESULT)
            started = self._folder.read(names.STARTED)
        except _TROUBLE:
            started = {"nonce": self._nonce}
        taken = started.get("nonce") != self._nonce
        if self.marker_exists or taken:
            self.held_elsewhere = taken and held_elsewhere(started, self._settings)
            self.fenced = True
            self._wake()

    def write_heartbeat(self) -> None:
        """Replace ``heartbeat.json``. Not synced to disk: a lost heartbeat costs nothing, a sync costs the others."""
        beat = {
            **self.vitals,
            "attempt": self._settings.attempt,
            "at": instant(self._clock.wall()),
            "disk_free_bytes": disk_free_bytes(self._settings.machine_dir),
            "log_files": self.log_files,
        }
        self._replace(names.HEARTBEAT, beat)

    def carry_progress(self) -> None:
        """Copy the work's progress file when it has changed."""
        path = self._settings.scratch / names.PROGRESS
        try:
            found = path.lstat()
            mark = (found.st_ino, found.st_mtime_ns, found.st_size)
            if mark == self._progress_seen:
                return
            document = cleaned_progress(parse_object(read_regular(path, PROGRESS_BYTES_MAX)))
        except _TROUBLE:
            return
        document.setdefault("at", instant(self._clock.wall()))
        if self._replace(names.PROGRESS, document):
            self._progress_seen = mark

    def _replace(self, name: str, document: dict[str, Any]) -> bool:
        try:
            self._folder.replace(name, dump(document), durable=False)
        except _TROUBLE:
            return False
        return True

    def _ship_log(self, now: float, interval_s: float) -> float:
        """Write log files that are due; return when to look again."""
        while True:
            wait = self._spool.due(now, interval_s)
            if wait is None or wait > 0:
                return now + (interval_s if wait is None else wait)
            if now < self._log_next:
                return self._log_next
            if not self._write_log():
                self._log_next = now + RETRY_S
                return self._log_next
            now = self._clock.boot()

    def _write_log(self) -> bool:
        batch = self._spool.batch()
        if batch is None:
            return True
        try:
            self._folder.ensure(names.LOG_FOLDER)
            written = self._folder.create(log_name(self.log_files + 1), batch)
        except OSError as error:
            self._disk_full = is_full(error)
            return False
        # Not ours although it exists: somebody else's file keeps its number, ours takes the next one.
        self.log_files += 1
        if written:
            self.log_bytes += len(batch)
            self._spool.written(self._clock.boot())
            self._wake()
        return written

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                wait = self.tick()
            except Exception:  # a fault of ours must not silence control, heartbeat, log and the claim's check
                wait = RETRY_S
            self._poke.wait(wait)
            self._poke.clear()
        self.carry_progress()
        while self._spool.batch() is not None:
            if not self._write_log():
                self._clock.sleep(min(RETRY_S, self._settings.log_flush_s))
        self.write_heartbeat()


def disk_free_bytes(path: Path) -> int | None:
    """Return the free bytes of the disk below ``path``."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def cleaned_progress(document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a progress document that are what they should be; the work wrote it, so nothing is sure."""
    kept: dict[str, Any] = {}
    for field in ("stage", "message"):
        if isinstance(document.get(field), str):
            kept[field] = document[field][:PROGRESS_TEXT_CHARS]
    percent: Any = document.get("percent")
    if _is_number(percent) and 0 <= percent <= 100:
        kept["percent"] = percent
    left: Any = document.get("left_s")
    if _is_number(left) and 0 <= left <= LEFT_S_MAX:
        kept["left_s"] = left
    metric = document.get("metric")
    if isinstance(metric, dict):
        numbers = {name[:PROGRESS_TEXT_CHARS]: value for name, value in metric.items() if _is_number(value)}
        kept["metric"] = dict(list(numbers.items())[:PROGRESS_METRICS_MAX])
    return kept


def _is_number(value: Any) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False
